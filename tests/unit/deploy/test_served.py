"""What a run has to serve, and what keeps it from being served."""

import json
from dataclasses import replace

import pytest

from ftcore.config.compose import load
from ftcore.config.errors import RequestError
from ftcore.deploy.folder import chat_template, parameters
from ftcore.deploy.served import served, stops
from ftcore.runs import record
from ftcore.runs.files import write_json
from tests.fixtures.served_runs import folders, note_artifacts, safetensors, small_run
from tests.fixtures.tiny import CHAT_TEMPLATE


@pytest.fixture(scope="module")
def template_folder(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("served"))


@pytest.fixture
def run(template_folder, tmp_path):
    """A completed run with a merged model."""
    return small_run(replace(template_folder, runs=tmp_path / "runs"))


def problems(run) -> str:
    """What is wrong with serving that run."""
    with pytest.raises(RequestError) as error:
        served(run, load(run.config), "m")
    return str(error.value)


def test_what_is_served(run):
    """Everything that a server has to be told stands in the record and the folder's JSON."""
    model = served(run, load(run.config), "mine")
    assert (model.run_id, model.run_name, model.model_name) == (run.id, "x", "mine")
    assert model.folder == run.merged and model.folder.is_absolute()
    assert model.parameters == 36 and model.billions == 0.0
    assert (model.family, model.architecture) == ("llama", "LlamaForCausalLM")
    assert model.context_length == 4096
    assert model.context_source == "config.json: max_position_embeddings"
    assert model.max_length == 640
    assert model.chat_template == CHAT_TEMPLATE
    assert model.stop == ("<|im_end|>", "<|endoftext|>") and model.stop_token_ids == (2, 0)
    assert model.abilities == ("chat", "tools") and model.formats == ("function_calls",)


def test_a_model_without_a_context_of_its_own(run):
    """Where config.json says nothing, what was trained on is what is known."""
    write_json(run.merged / "config.json", {"model_type": "x"})
    note_artifacts(run)
    model = served(run, load(run.config), "m")
    assert (model.context_length, model.context_source) == (640, "max_length")
    assert model.architecture == ""


def test_parameters_of_several_files(run):
    """Shards add up; what is no tensor does not count."""
    (run.merged / "model-2.safetensors").write_bytes(safetensors([(10, 10)]))
    assert parameters(run.merged) == 136


def test_a_run_that_is_not_completed(run):
    """Its state, and the command that goes on."""
    write_json(run.record, record.read(run) | {"state": "failed"})
    assert "is failed" in problems(run) and f"python -m ftcore resume {run.id}" in problems(run)


def test_a_run_without_a_merged_model(run):
    """It is said, with everything else that is wrong."""
    write_json(run.record, record.read(run) | {"state": "cancelled"})
    for file in run.merged.iterdir():
        file.unlink()
    run.merged.rmdir()
    text = problems(run)
    assert "is cancelled" in text and "has no merged/" in text


def test_files_that_are_not_what_the_record_says(run):
    """A missing file and one of another size are both named."""
    (run.merged / "chat_template.jinja").unlink()
    (run.merged / "model.safetensors").write_bytes(safetensors([(1,)]))
    text = problems(run)
    assert "merged/chat_template.jinja is missing" in text
    assert "merged/model.safetensors has" in text


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b"[]", "config.json is no JSON object"),
        ("model.safetensors", b"no weights", "model.safetensors is no safetensors file"),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0[]", "model.safetensors is no safetensors file"),
        ("tokenizer.json", b"{}", "the tokenizer has no token"),
    ],
)
def test_a_folder_that_is_no_model(run, name, content, expected):
    """Files of the right size whose contents are wrong."""
    (run.merged / name).write_bytes(content)
    note_artifacts(run)
    assert expected in problems(run)


def test_a_folder_without_weights(run):
    """Config and tokenizer alone are no model."""
    (run.merged / "model.safetensors").unlink()
    note_artifacts(run)
    assert "holds no *.safetensors" in problems(run)


@pytest.mark.parametrize("value", ["{{ x }}", [{"name": "default", "template": "{{ x }}"}]])
def test_chat_templates_of_older_folders(run, value):
    """In tokenizer_config.json, alone or among several."""
    (run.merged / "chat_template.jinja").unlink()
    assert chat_template(run.merged) is None
    (run.merged / "tokenizer_config.json").write_text(json.dumps({"chat_template": value}))
    assert chat_template(run.merged) == "{{ x }}"


def test_a_model_without_a_chat_template_cannot_chat(run):
    """Then it has no ability to."""
    (run.merged / "chat_template.jinja").unlink()
    note_artifacts(run)
    assert served(run, load(run.config), "m").abilities == ("tools",)


def test_stops_are_those_of_the_evaluation(tiny):
    """Read from JSON, they are what the evaluation finds with the tokenizer in memory."""
    from ftcore.config.compose import compose
    from ftcore.data.templates import prompt_template
    from ftcore.evaluation.generate import stop_ids
    from ftcore.models.load import load_tokenizer

    for words in (["model=qwen2_5_7b_instruct"], ["model=llama2_7b_chat"]):
        e = compose([*words, f"model.path={tiny.model}", "model.stop_tokens=null", "hardware=cpu"]).experiment
        tokenizer = load_tokenizer(tiny.model, e.model)
        template_words = prompt_template(e.model.template).get("STOP_WORDS", ())
        assert set(stops(tiny.model, e)[1]) == set(stop_ids(tokenizer, None, template_words))
