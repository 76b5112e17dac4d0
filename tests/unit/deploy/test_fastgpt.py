"""`deploy=fastgpt`: the entry, its token budget, FastGPT's rules, and a file that keeps all else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.config.errors import Problem
from ftcore.deploy.fastgpt import json_text
from ftcore.deploy.fastgpt.config_text import with_entry, without_entry
from ftcore.deploy.fastgpt.entry import RUN, USES, Budget, budget, entry, release, rule_problems
from tests.fixtures.deployed import Deploying
from tests.fixtures.served_runs import folders

NEWER = "20261125-2"
THEIRS = """{
    "feConfigs": {"lafEnv": "https://laf.dev", "unknown": [1e2, 1.50]},
    "systemEnv": { "vectorMaxProcess": 15 },
\t"llmModels": [
        {"model": "gpt-4o", "name": "四号", "datasetProcess": true, "usedInClassify": true,
         "usedInExtractFields": true, "usedInToolCall": true, "usedInQueryExtension": true,
         "mine": {"b": 1, "a": 2}}
    ],
    "vectorModels": [], "later": null
}
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return Deploying(folders(tmp_path_factory.mktemp("fastgpt")), "fastgpt")


@pytest.fixture
def deploy(target, tmp_path, monkeypatch):
    """The target, with somebody's config.json in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(THEIRS, encoding="utf-8")
    monkeypatch.setattr(target, "settings", target.settings.model_copy(update={"config": "config.json"}))
    return target


def made(deploy, version="4.8.5", **changed):
    return entry(
        deploy.model("1"),
        deploy.settings.model_copy(update={"version": version, **changed}),
        Budget(8000, 2000, 4000),
    )


@given(context=st.integers(1, 2_000_000), response=st.none() | st.integers(1, 2_000_000))
def test_a_budget_leaves_room_for_a_prompt(context, response):
    """Whatever the context, reply and quotation together leave a quarter of it, or it is refused."""
    found = budget(context, response)
    if isinstance(found, Problem):
        assert context < 256 or response is not None
    else:
        assert found.response >= 1 and found.quote >= 1
        assert found.context - found.response - found.quote >= context // 4


def test_the_budget_of_the_original():
    """8,000 tokens: not three times 8,000, which leaves no room for a prompt."""
    assert budget(8000) == Budget(8000, 2000, 4000)
    assert isinstance(budget(8000, 8000), Problem)


def test_forms_of_the_versions(deploy):
    """provider and fieldMap from 4.8.16, a list for the database with metadata from 4.8.20."""
    assert not {"provider", "fieldMap"} & {*made(deploy, "4.8.15")}
    assert made(deploy, "v4.8.16")["provider"] == "Other" and made(deploy, "4.8.16")["fieldMap"] == {}
    new = made(deploy, "4.8.20-fix2", request_url="http://a/v1/chat/completions")
    assert new["model"] == "x" and new["metadata"]["type"] == "llm" and new["metadata"]["isActive"]
    assert new["metadata"]["requestUrl"] == "http://a/v1/chat/completions"
    assert "requestUrl" not in made(deploy, "4.9")["metadata"] and release("4.9") == (4, 9, 0)


@pytest.mark.parametrize("use", USES)
def test_each_use_needs_a_model(deploy, use):
    """A file in which no model may be used for something is refused, and says for what."""
    alone = made(deploy, uses=tuple(name for name in USES if name != use))
    assert [problem.allowed for problem in rule_problems([alone])] == [f"with {use}"]
    assert not rule_problems([alone, made(deploy) | {"model": "other"}])


def test_all_that_was_in_the_file_stays_as_it_was_written(deploy):
    """The entry is put at the end of its list; every other byte is where it was, and the old file is kept."""
    code, told = deploy.make()
    assert code == 0, told
    text = Path("config.json").read_text(encoding="utf-8")
    before, after = THEIRS.split("\n    ],\n")
    assert text.startswith(before + ",") and text.endswith("\n    ],\n" + after)
    added = json.loads(text)["llmModels"][1]
    assert added["model"] == "x" and added["maxContext"] == 4096 and added["toolChoice"] is False
    (kept,) = Path().glob("config.json.*.bak")
    assert kept.read_text(encoding="utf-8") == THEIRS and kept.name in told
    assert deploy.state().made[0]["name"] == "x"


def test_a_newer_run_replaces_the_entry_and_down_takes_it_out(deploy):
    """One entry however often; the older run's --down leaves the newer one's; then the file is as it was."""
    deploy.make()
    assert deploy.make(NEWER, max_temperature=0.5)[0] == 0
    models = json.loads(Path("config.json").read_text())["llmModels"]
    assert [model["model"] for model in models] == ["gpt-4o", "x"] and models[1][RUN] == f"x/{NEWER}"
    assert "no longer this run's" in deploy.down()[1] and not deploy.state().made
    assert deploy.down(NEWER)[0] == 0 and Path("config.json").read_text(encoding="utf-8") == THEIRS


def test_the_same_again_writes_nothing(deploy):
    """No second copy of a file that is right already."""
    deploy.make()
    before = Path("config.json").stat().st_mtime_ns
    code, told = deploy.make()
    assert code == 0 and "already" in told and Path("config.json").stat().st_mtime_ns == before
    assert len([*Path().glob("*.bak")]) == 1 and len(deploy.state().made) == 1


def test_a_file_stays_as_private_as_it_was(deploy):
    """Neither the file nor the copy of it becomes readable to more."""
    Path("config.json").chmod(0o600)
    deploy.make()
    assert {path.stat().st_mode & 0o777 for path in Path().glob("config.json*")} == {0o600}


def test_the_exported_list_of_a_newer_version(deploy):
    """From 4.8.20 the file is the list that FastGPT exports, all of its models in it."""
    theirs = json.dumps([{"model": "a", "metadata": {"type": "embedding", "model": "a", "z": 1}}])
    Path("config.json").write_text(theirs)
    code, told = deploy.make(version="4.8.23", request_url="http://m/v1/chat/completions")
    assert code == 0 and "from its page" in told
    text = Path("config.json").read_text()
    assert text.startswith(theirs[:-1]) and [item["model"] for item in json.loads(text)] == ["a", "x"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"llmModels": [] // mine\n}', "comments cannot be kept"),
        ('{"llmModels": [], "a": 1, "a": 2}', "'a' stands twice"),
        ('{"llmModels": [], "a": NaN}', "NaN is no JSON"),
        ('{"llmModels": [],}', "is no JSON"),
        ('{"ChatModels": []}', "before 4.6.8"),
        ("[]", "has no llmModels"),
        ('{"llmModels": {}}', "something else than models"),
        ('{"llmModels": [3]}', "something else than models"),
        ('{"llmModels": [{"model": "x"}]}', "is not ftcore's"),
        ('{"llmModels": [{"model": "a"}, {"model": "a"}]}', "more than once"),
        ("", "is no JSON"),
    ],
)
def test_files_that_are_refused(deploy, text, part):
    """What could not be kept, or is not FastGPT's, is left alone, and the reason is said."""
    Path("config.json").write_text(text)
    code, told = deploy.make()
    assert code == 2 and part in told
    assert Path("config.json").read_text() == text and not [*Path().glob("*.bak")] and not deploy.state().made


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"config": "nowhere.json"}, "deploy.config"),
        ({"version": "4.8.23"}, "deploy.config"),
        ({"context": 5000}, "deploy.context"),
        ({"context": 100}, "deploy.context"),
        ({"max_response": 4000}, "deploy.max_response"),
        ({"request_url": "http://a/v1"}, "deploy.request_url"),
    ],
)
def test_requests_that_are_refused(deploy, changed, key):
    """Each with its key, and nothing written."""
    code, told = deploy.make(**changed)
    assert code == 2 and key in told and Path("config.json").read_text(encoding="utf-8") == THEIRS


def test_a_model_that_cannot_chat(deploy):
    """FastGPT only chats."""
    assert "no chat template" in deploy.make(model={"abilities": ()})[1]


def test_without_a_file_the_entry_is_told(deploy):
    """The entry to paste, and nothing to take back."""
    code, told = deploy.make(config=None)
    assert code == 0 and json.loads(told)["model"] == "x" and not deploy.state().made
    assert deploy.down()[0] == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
MODELS = st.lists(
    st.dictionaries(st.text(), JSON, max_size=3), max_size=4
).map(lambda found: [one | {"model": f"m{at}"} for at, one in enumerate(found)])  # fmt: skip


@given(
    others=st.dictionaries(st.text().filter(lambda key: key != "llmModels"), JSON, max_size=4),
    models=MODELS,
    indent=st.sampled_from([None, 0, 2, "\t"]),
    ascii=st.booleans(),
)
def test_in_and_out_again_leaves_the_file(others, models, indent, ascii):
    """Of any JSON file: the entry comes in with all else equal, and taking it out gives an equal file."""
    text = json.dumps({**others, "llmModels": models, "z": 1}, indent=indent, ensure_ascii=ascii)
    mine = {"model": "x", RUN: "x/1", **dict.fromkeys(USES.values(), True)}
    merged = with_entry(text, "4.8.5", mine)
    assert json.loads(merged) == {**others, "llmModels": [*models, mine], "z": 1}
    assert with_entry(merged, "4.8.5", mine) == merged
    out = without_entry(merged, "4.8.5", "x", "x/1")
    assert out == text if models else json.loads(out) == json.loads(text)
    assert without_entry(text, "4.8.5", "x", "x/1") == text


@given(value=JSON)
def test_parts_stand_where_they_are_said_to(value):
    """Each part's text is its value."""
    text = json.dumps({"k": value, "list": [value, 1]}, indent=1)
    for part in json_text.parts(text, 0):
        assert json.loads(text[part.start : part.end]) == part.value
