"""Several sources as one: their order, their counts, and what decides the key."""

import json

import pytest

from ftcore.data.dataset import PackedDataset
from ftcore.data.errors import DataError
from ftcore.data.prepare import cache_key, find_prepared, prepare
from tests.fixtures.agent_flan import write_agent_flan
from tests.fixtures.data_experiment import data_experiment
from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer, tiny_tokenizer


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model and one file of each of three forms."""
    folder = tmp_path_factory.mktemp("mix")
    save_tiny_tokenizer(folder / "model")
    rows = {
        "alpaca": [{"instruction": "q", "output": f"alpaca {number}"} for number in range(6)],
        "oasst1": [{"text": f"### Human: q### Assistant: oasst {number}"} for number in range(4)],
        "text": [{"text": f"document {number}"} for number in range(3)],
    }
    for name, made in rows.items():
        (folder / f"{name}.json").write_text(json.dumps(made))
    return folder


@pytest.fixture
def experiment(tmp_path, files):
    """Alpaca rows and what is mixed into them: names of forms, or sources in full."""

    def make(*mix, **changes):
        sources = {name: {"format": name, "path": str(files / f"{name}.json")} for name in mix}
        sources |= changes.pop("sources", {})
        settings = {"format": "alpaca", "path": str(files / "alpaca.json"), "packing": False, **changes}
        return data_experiment(tmp_path / "cache", files / "model", mix=sources, **settings)

    return make


def texts(prepared):
    dataset = PackedDataset(prepared.path)
    return [tiny_tokenizer().decode(dataset[index]["input_ids"]) for index in range(len(dataset))]


def test_sources_follow_one_another_each_in_its_own_form(experiment):
    """The first source, then those of the mix in their order."""
    found = texts(prepare(experiment("oasst1", "text")))
    expected = [f"alpaca {n}" for n in range(6)] + [f"oasst {n}" for n in range(4)]
    assert all(text in whole for text, whole in zip(expected, found[:10], strict=True))
    assert [text.removesuffix("</s>") for text in found[10:]] == [f"document {n}" for n in range(3)]
    assert texts(prepare(experiment("text", "oasst1"))) == found[:6] + found[10:] + found[6:10]


def test_sources_are_packed_together(experiment):
    """A sequence may hold rows of several."""
    prepared = prepare(experiment("oasst1", packing=True, max_length=2048))
    [whole] = texts(prepared)
    assert "alpaca 5" in whole and "oasst 3" in whole
    assert prepared.manifest["samples"] == 1


def test_counts_are_the_sum_and_told_apart(experiment, files):
    """Rows of each source, and all files in the order they were read."""
    manifest = prepare(experiment("oasst1", "text", max_rows=2)).manifest
    assert [(part["name"], part["format"], part["rows"]["kept"]) for part in manifest["parts"]] == [
        (None, "alpaca", 2), ("oasst1", "oasst1", 4), ("text", "text", 3),
    ]  # fmt: skip
    assert manifest["rows"]["kept"] == manifest["rows"]["read"] == manifest["sequences"] == 9
    assert [file["path"] for file in manifest["sources"]] == [
        str(files / f"{name}.json") for name in ("alpaca", "oasst1", "text")
    ]


def test_progress_goes_on_from_source_to_source(experiment):
    """Never backwards, and to the sum of all."""
    seen = []
    prepare(experiment("oasst1"), lambda done, total, unit: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({total for _, total in seen}) == 1


def test_the_key_covers_every_source_and_no_name(experiment, files):
    """Another order, form or number of rows is other data; what a source is called is not."""
    named = [{name: {"format": "oasst1", "path": str(files / "oasst1.json")}} for name in ("a", "b")]
    drawn = {"a": {**named[0]["a"], "max_rows": 2}}
    keys = [
        cache_key(experiment()), cache_key(experiment("oasst1")), cache_key(experiment("oasst1", "text")),
        cache_key(experiment("text", "oasst1")), cache_key(experiment(sources=drawn)),
    ]  # fmt: skip
    assert len(set(keys)) == 5
    assert {cache_key(experiment(sources=source)) for source in named} == {keys[1]}


def test_a_source_without_a_row_left_is_named(experiment, tmp_path):
    """Mixed in for nothing, it is a mistake however much the others hold."""
    (tmp_path / "none.json").write_text('[{"text": "nobody speaks"}]')
    source = {"empty": {"format": "oasst1", "path": str(tmp_path / "none.json")}}
    with pytest.raises(DataError, match=r"no row of data\.mix\.empty is left to train on: 1 read, 0 bad, 1"):
        prepare(experiment(sources=source))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"format": "text", "path": None}, r"data\.mix\.x\.path is null"),
        ({"format": "function_calls"}, r"data\.mix\.x\.categories is empty"),
        ({"format": "text", "path": "/nowhere/x"}, "/nowhere/x: no such file or folder"),
        ({"format": "text", "path": "a/b", "hub": "openmind"}, r"data\.mix\.x\.path: openMind is not asked"),
    ],
)
def test_a_source_that_is_not_there_is_named_by_its_key(experiment, source, reason):
    """As the user types it."""
    with pytest.raises(DataError, match=reason):
        cache_key(experiment(sources={"x": source}))


def test_a_bad_row_of_any_source_stops_with_its_place(experiment, tmp_path):
    """Read by the form of its own source."""
    (tmp_path / "bad.json").write_text('{"text": "a"}\n{"txt": "b"}\n')
    source = {"bad": {"format": "text", "path": str(tmp_path / "bad.json")}}
    with pytest.raises(DataError, match=r"bad\.json, line 2: no 'text'"):
        prepare(experiment(sources=source))
    prepared = prepare(experiment(sources=source, on_bad_row="skip"))
    assert [part["rows"]["skipped"] for part in prepared.manifest["parts"]] == [0, 1]


def test_messages_are_written_for_the_sources_that_need_them(experiment, tmp_path):
    """Under the name of each; one that went missing is written again."""
    from datasets import load_from_disk

    folders = {
        name: str(write_agent_flan(tmp_path / name, size, words=4)) for name, size in (("a", 5), ("b", 7))
    }
    flan = {name: {"format": "agent_flan", "path": folder} for name, folder in folders.items()}
    made = experiment("text", sources=flan)
    prepared = prepare(made)
    assert {name: len(load_from_disk(str(path))) for name, path in prepared.messages.items()} == {
        "a": 5,
        "b": 7,
    }
    (prepared.messages["b"] / "state.json").unlink()
    assert find_prepared(made.cache_dir, prepared.key) is None
    assert prepare(made).messages == prepared.messages


def test_questions_held_out_are_added_up(experiment):
    """What the evaluation asks is left out of every source."""
    asked = {"kind": "function_calls", "categories": ["multiple"]}
    names = ("simple_python", "live_simple")
    calls = {name: {"format": "function_calls", "categories": {name: None}} for name in names}

    def rows(*mixed):
        sources = {name: calls[name] for name in mixed}
        made = experiment(sources=sources, evaluation=asked, max_length=2048)
        return prepare(made).manifest["rows"]

    apart, together = [rows(name) for name in names], rows(*names)
    assert together["held_out"] == sum(each["held_out"] for each in apart) > 0
    assert together["read"] == sum(each["read"] for each in apart) - 6
