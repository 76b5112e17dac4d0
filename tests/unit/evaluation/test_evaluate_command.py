"""`ftcore evaluate RUN`: a finished run measured anew, and what it refuses."""

import json
import shutil

import pytest

from ftcore.cli.main import main
from ftcore.data.bfcl import load_cases
from ftcore.data.wording import right_reply
from ftcore.runs import record
from ftcore.runs.files import read_json
from tests.fixtures.chat_server import Refused, chat_server
from tests.fixtures.run_folders import Folders, template

FEW = ("evaluation.cases=3", "evaluation.refusal_cases=2", "evaluation.max_new_tokens=4")
BY_QUESTION = {case.question: case for name in ("multiple", "irrelevance") for case in load_cases(name)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def run(tmp_path, plain, tiny, monkeypatch):
    """A finished run of the tiny model, whose merged weights are the base's, a little shifted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ftcore"])
    config = {"model.path": str(tiny.model), "model.gguf": None, "evaluation.kind": "function_calls"}
    made = Folders(tmp_path / "runs", plain).make("20261124-1", name="名字", config=config)
    shutil.rmtree(made.merged)
    shutil.copytree(tiny.model, made.merged)
    from safetensors.torch import load_file, save_file

    weights = load_file(made.merged / "model.safetensors")
    weights["lm_head.weight"] += 0.05 * weights["lm_head.weight"].roll(1, 0)
    save_file(weights, made.merged / "model.safetensors", {"format": "pt"})
    return made


def evaluate(capsys, *words, code=0):
    """The JSON that the command prints, or with another code what it complains of."""
    assert main(["evaluate", "last", "--json", *words]) == code
    said = capsys.readouterr()
    return json.loads(said.out) if code == 0 else said.err


def answers(body):
    """The right reply to every case."""
    return {"content": right_reply(BY_QUESTION[body["messages"][1]["content"]])}


def test_weights_are_measured_in_process(run, capsys):
    """Both models on the same cases and text; record, file and report have it, and it is done once."""
    words = ("evaluation=function_calls", *FEW, "evaluation.perplexity.text=python_reference",
             "evaluation.perplexity.max_tokens=300", "evaluation.perplexity.window=128")  # fmt: skip
    words += ("evaluation.perplexity.stride=64",)
    told = evaluate(capsys, *words)
    assert told["base"]["cases"] == 5 and told["tuned"]["well_formed"]["of"] == 5
    assert set(told["difference"]) >= {"well_formed", "right_tool", "refused_rightly", "perplexity"}
    assert told["base"]["perplexity"]["tokens"] == 299 and told["difference"]["perplexity"]["ratio"] != 1
    file = run.evaluations / told["evaluation"] / "evaluation.json"
    assert file.samefile(told["file"]) and len(read_json(file)["cases"]) == 5
    kept = record.read(run)["results"]["evaluations"][told["evaluation"]]
    assert kept["difference"] == told["difference"] and not run.evaluation.exists()
    assert f"Evaluated later: {told['evaluation']}" in run.report.read_text(encoding="utf-8")
    shutil.rmtree(run.merged)
    shutil.rmtree(run.adapter)
    with_nothing = evaluate(capsys, *words, code=2)
    assert "no trained weights here" in with_nothing
    assert main(["show", "last"]) == 0
    shown = capsys.readouterr().out
    assert "perplexity" in shown and told["evaluation"] in shown and "well-formed replies" in shown


def test_what_is_there_is_shown_and_again_begins_anew(run, capsys):
    """The same settings are the same evaluation; others are another one."""
    first = evaluate(capsys, "evaluation=function_calls", *FEW)
    (run.evaluations / first["evaluation"] / "tuned.jsonl").write_text("")
    assert evaluate(capsys, "evaluation=function_calls", *FEW) == first
    again = evaluate(capsys, "evaluation=function_calls", *FEW, "--again")
    assert again["created"] >= first["created"] and again["tuned"]["seconds"] != first["tuned"]["seconds"]
    assert again["tuned"]["well_formed"] == first["tuned"]["well_formed"]
    other = evaluate(capsys, "evaluation=function_calls", *FEW, "evaluation.max_new_tokens=5")
    assert other["evaluation"] != first["evaluation"] and len(list(run.evaluations.iterdir())) == 2


def test_a_stopped_evaluation_goes_on(run, capsys, monkeypatch):
    """Ctrl-C in the middle: what was answered is kept, the command that goes on is said, and it does."""
    from ftcore.evaluation.answers import Answers

    keep, left = Answers.keep, iter(range(4))

    def stops(self, index, answer):
        if next(left, None) is None:
            raise KeyboardInterrupt
        keep(self, index, answer)

    words = ("evaluation=function_calls", *FEW, "evaluation.batch_size=2")
    monkeypatch.setattr(Answers, "keep", stops)
    said = evaluate(capsys, *words, code=1)
    assert "stopped" in said and "4 of 5 answers of base" in said
    assert f"goes on with: python -m ftcore evaluate {run.id}" in said
    monkeypatch.setattr(Answers, "keep", keep)
    told = evaluate(capsys, *words)
    whole = evaluate(capsys, *words, "--again")
    assert [told[who]["well_formed"] for who in ("base", "tuned")] == [
        whole[who]["well_formed"] for who in ("base", "tuned")
    ]


def test_a_served_model_is_measured(run, capsys):
    """Base and tuned under two names at one address; the same scoring."""

    def reply(body):
        return answers(body) if body["model"] == "tuned" else {"content": "what?"}

    with chat_server(reply, "base", "tuned") as server:
        words = ("--endpoint", server.url + "/", "--served-model", "tuned", "--base-model", "base")
        told = evaluate(capsys, "evaluation=function_calls", *FEW, *words)
    assert told["tuned"]["right_arguments"]["share"] == 1 == told["tuned"]["refused_rightly"]["share"]
    assert told["base"]["well_formed"]["count"] == 0
    assert told["difference"]["well_formed"] | {"low": 0, "high": 0, "p": 0} == {
        "difference": 1.0, "low": 0, "high": 0, "p": 0, "gained": 5, "lost": 0, "of": 5,
    }  # fmt: skip
    assert told["asked"] == {who: {"endpoint": server.url, "model": who} for who in ("base", "tuned")}


def test_bfcls_categories_have_a_share_each(run, capsys):
    """By BFCL's own checker, over all and by category; with the API's tools the base is asked there or not at
    all."""

    def reply(body):
        case = BY_QUESTION.get(body["messages"][0]["content"])
        name = body["tools"][0]["function"]["name"]
        call = {"type": "function", "function": {"name": name, "arguments": "{}"}}
        return {"content": "no"} if case and not case.accepted else {"content": None, "tool_calls": [call]}

    with chat_server(reply) as server:
        told = evaluate(
            capsys, "evaluation=bfcl", "evaluation.cases=40", "evaluation.refusal_cases=6",
            "evaluation.endpoint.prompt=tools", "--endpoint", server.url,
        )  # fmt: skip
    tuned = told["tuned"]
    assert tuned["irrelevance"]["share"] == 1
    assert tuned["correct"]["of"] == tuned["cases"] == 46 - told["trained_on"] > 40
    shares = [value for key, value in tuned.items() if key in ("simple_java", "live_multiple", "parallel")]
    assert shares and all(one["count"] == 0 for one in shares)
    assert told["base"] == {} == told["difference"]


def test_an_endpoint_that_fails_says_how_to_go_on(run, capsys):
    """Exit 1 with what was kept; the same command then asks the rest."""
    left = iter(range(2))

    def fails(body):
        if next(left, None) is None:
            raise Refused(400, "too long")
        return answers(body)

    with chat_server(fails, "base", "tuned") as server:
        words = ("--endpoint", server.url, "--served-model", "tuned", "--base-model", "base")
        words += ("evaluation=function_calls", *FEW, "evaluation.endpoint.concurrency=1")
        said = evaluate(capsys, *words, code=1)
        assert "too long" in said and "2 of 5 answers of base" in said
        assert f"goes on with: python -m ftcore evaluate {run.id}" in said and "Traceback" not in said
        server.reply = answers
        asked = len(server.asked)
        assert evaluate(capsys, *words)["tuned"]["right_arguments"]["share"] == 1
        assert len(server.asked) - asked == 3 + 5
    said = evaluate(capsys, *words, "--again", code=1)
    assert "refused" in said and "goes on with" in said


WRONG = {
    "nothing measured": (("evaluation=none",), "evaluation: nothing is measured", "evaluation=bfcl"),
    "unknown choice": (("evaluation=bfcll",), "evaluation: no choice named 'bfcll'", "did you mean bfcl?"),
    "unknown category": (
        ("evaluation=bfcl", "evaluation.categories=[multipel]"),
        "evaluation.categories: no BFCL category 'multipel'", "did you mean multiple?",
    ),
    "calls that would be executed": (
        ("evaluation=bfcl", "evaluation.categories=[multi_turn_base]"),
        "multi_turn_base is scored by executing its calls, which is not done", "multiple",
    ),
    "not for our scorer": (
        ("evaluation=function_calls", "evaluation.categories=[simple_java]"),
        "evaluation.categories: simple_java is scored by BFCL's own checker alone", "evaluation=bfcl",
    ),
    "trained on": (
        ("evaluation=bfcl", "evaluation.categories=[simple_python]"),
        "evaluation.categories: the run was trained on simple_python", "other categories",
    ),
    "another key": (("evaluation=bfcl", "lr=1e-3"), "lr: a finished run is as it is", "evaluation.KEY=VALUE"),
    "unknown key": (("evaluation=bfcl", "evaluation.case=3"), "evaluation.case: no such key", "ion.cases"),
    "not a number": (("evaluation=bfcl", "evaluation.cases=x"), "evaluation.cases", "got 'x'"),
    "text missing": (
        ("evaluation=perplexity", "evaluation.perplexity.text=gone.txt"),
        "evaluation.perplexity.text: no such file: gone.txt", "python_reference",
    ),
    "no text": (
        ("evaluation=perplexity", "evaluation.perplexity.text=null"),
        "evaluation.perplexity.text: is null, and nothing else is measured", "python_reference",
    ),
    "windows apart": (
        ("evaluation=perplexity", "evaluation.perplexity.stride=512"),
        "evaluation.perplexity.stride: is not under the window (512)", "1 to 511",
    ),
    "text of an endpoint": (
        ("evaluation=perplexity", "--endpoint", "http://h/v1"),
        "evaluation.perplexity.text: an endpoint does not say how likely a text is", "without --endpoint",
    ),
    "no address": (("evaluation=bfcl", "--endpoint", "h:80"), "--endpoint: h:80 is no address", "http://HOST"),
    "a name and no address": (
        ("evaluation=bfcl", "--served-model", "m"), "--served-model: is about a served model", "--endpoint",
    ),
    "nowhere to write": (("--write", "opencompass"), "--write: needs a folder", "--to FOLDER"),
    "nothing to write": (("evaluation=bfcl", "--to", "x"), "--to: is where --write writes", "opencompass"),
    "for nobody": (("--write", "lm_eval", "--to", "x"), "--write: lm_eval is not allowed", "opencompass"),
    "settings to write": (
        ("--write", "teval", "--to", "x", "evaluation=bfcl"), "--write takes no settings", "evaluation=bfcl",
    ),
    "served to T-Eval": (
        ("--write", "teval", "--to", "x", "--endpoint", "http://h/v1"), "--endpoint: T-Eval", "opencompass",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_told_and_leaves_nothing(run, capsys, name):
    """Exit 2 with the full key, what is allowed or the nearest, and nothing made."""
    words, said, allowed = WRONG[name]
    complaint = evaluate(capsys, *words, code=2)
    assert said in complaint and allowed in complaint and "Traceback" not in complaint
    assert not run.evaluations.exists() and not (run.path.parents[2] / "x").exists()


def test_everything_wrong_is_told_at_once(run, capsys):
    """Flags and settings together."""
    said = evaluate(capsys, "evaluation=bfcl", "evaluation.cases=-1", "--endpoint", "h", "--to", "x", code=2)
    assert all(part in said for part in ("evaluation.cases", "--endpoint: h", "--to: is where"))


def test_no_weights_and_no_run(run, capsys):
    """Neither adapter nor merged weights; T-Eval wants merged ones; no such run."""
    shutil.rmtree(run.merged)
    said = evaluate(capsys, "--write", "teval", "--to", "x", code=2)
    assert f"{run.id}: has no merged weights here" in said and f"python -m ftcore resume {run.id}" in said
    shutil.rmtree(run.adapter)
    assert "has no trained weights here" in evaluate(capsys, "evaluation=bfcl", code=2)
    assert main(["evaluate", "2019"]) == 2
    assert "no such run" in capsys.readouterr().err


def test_weights_that_are_not_what_they_should_be(run, capsys):
    """A base model that is gone is told before anything is made, torn weights with what was kept."""
    (run.merged / "model.safetensors").write_bytes(b"torn")
    words = ("evaluation=function_calls", *FEW)
    said = evaluate(capsys, *words, code=1)
    assert "merged: Error while deserializing header" in said and "goes on with" in said
    assert "Traceback" not in said and "5 of 5 answers of base" in said
    config = run.config.read_text(encoding="utf-8")
    base = json.dumps(record.read(run)["config"]["model"]["path"])[1:-1]
    run.config.write_text(config.replace(base, "/gone/model"), encoding="utf-8")
    assert "model.path: no such folder: /gone/model" in evaluate(capsys, *words, code=2)
    with chat_server(answers, "base", "tuned") as server:
        served = ("--endpoint", server.url, "--served-model", "tuned", "--base-model", "base")
        assert evaluate(capsys, *words, *served)["tuned"]["cases"] == 5


def test_questions_that_were_trained_on_are_left_out(run):
    """Of other categories than the run's own evaluation had, whose questions training knew to leave out."""
    from ftcore.config.compose import load
    from ftcore.evaluation.of_run import experiment, questions

    original = load(run.config)
    e = experiment(run, ["evaluation=bfcl", "evaluation.categories=[live_multiple,live_parallel]"])
    found = questions(e, original)
    asked = {case.question for case in found.cases}
    learnt = {case.question for name in original.data.categories for case in load_cases(name)}
    learnt -= BY_QUESTION.keys()  # the run's own evaluation asks those, so they were left out of training
    assert found.trained_on > 0 and not asked & learnt
    assert questions(original, original).trained_on == 0
