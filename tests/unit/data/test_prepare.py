"""The prepare stage: right tokens, one entry a key, the same whatever the number of processes."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from ftcore.data import fingerprints, prepare, tokenise, writing
from ftcore.data.dataset import PackedDataset
from ftcore.data.errors import DataError
from ftcore.data.layout import LABELS, ROW_ORDER, ROWS, SAMPLES, TOKENS
from ftcore.data.prepare import cache_key, find_prepared
from tests.fixtures.agent_flan import FILES, write_agent_flan
from tests.fixtures.data_experiment import data_experiment
from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer, tiny_tokenizer

ARRAYS = (TOKENS, LABELS, ROWS, SAMPLES, ROW_ORDER)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return save_tiny_tokenizer(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_agent_flan(tmp_path_factory.mktemp("source"), 80, words=8)


@pytest.fixture
def experiment(tmp_path, tokenizer, source):
    """An experiment on the fixture data; keywords change it."""

    def make(**changes):
        return data_experiment(
            changes.pop("cache_dir", tmp_path / "cache"), tokenizer, **{"path": str(source), **changes}
        )

    return make


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def chat(reply="a", **extra):
    return {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": reply, **extra}]}


def test_the_manifest_agrees_with_the_arrays(experiment):
    """Counts are of what is there, and files are those that were read."""
    prepared = prepare.prepare(experiment())
    manifest, dataset = prepared.manifest, PackedDataset(prepared.path)
    samples = [dataset[index] for index in range(len(dataset))]
    assert manifest["tokens"] == sum(len(sample["input_ids"]) for sample in samples)
    assert manifest["labelled_tokens"] == sum(int((sample["labels"] >= 0).sum()) for sample in samples)
    assert manifest["sequences"] == sum(len(sample["lengths"]) for sample in samples)
    assert manifest["fill_share"] == pytest.approx(manifest["tokens"] / (len(samples) * 256), abs=1e-6)
    rows = manifest["rows"]
    assert rows["read"] == 80 == rows["kept"] + rows["skipped"] + rows["dropped"]
    assert [os.path.basename(file["path"]) for file in manifest["sources"]] == list(FILES)
    assert all(os.path.getsize(file["path"]) == file["bytes"] for file in manifest["sources"])
    assert max(len(sample["input_ids"]) for sample in samples) <= 256


def test_progress_ends_at_the_total(experiment):
    """Bytes of the sources, never backwards."""
    seen = []
    prepare.prepare(experiment(), lambda done, total, unit: seen.append((done, total, unit)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert {unit for _, _, unit in seen} == {"bytes"}


def test_packing_changes_samples_but_not_rows(experiment):
    """Unpacked, each row is its own sample; the tokens are the same."""
    packed, single = (prepare.prepare(experiment(packing=packing)) for packing in (True, False))
    assert (packed.path / TOKENS).read_bytes() == (single.path / TOKENS).read_bytes()
    assert single.manifest["samples"] == single.manifest["sequences"] > packed.manifest["samples"]
    assert all(
        len(sample["lengths"]) == 1 for sample in map(PackedDataset(single.path).__getitem__, range(5))
    )


def test_a_second_start_builds_nothing(experiment, monkeypatch):
    """The entry is found by its key, without a tokenizer."""
    first = prepare.prepare(experiment())
    monkeypatch.setattr(writing, "load_tokenizer", lambda *_: pytest.fail("tokenised again"))
    assert prepare.prepare(experiment()) == first
    assert find_prepared(experiment().cache_dir, cache_key(experiment())) == first


def test_the_sources_are_not_read_again(experiment, source, tokenizer, monkeypatch):
    """Settled files are known by their time stamps."""
    for file in [*source.iterdir(), *tokenizer.iterdir()]:
        os.utime(file, (time.time() - 60,) * 2)
    key = cache_key(experiment())
    monkeypatch.setattr(fingerprints, "sha256_of", lambda path: pytest.fail(f"{path} was read"))
    assert cache_key(experiment()) == key


def test_an_unknown_key_is_not_found(tmp_path):
    """Nothing there is None, not an error."""
    assert find_prepared(tmp_path, "0" * 64) is None


@pytest.mark.parametrize(
    "change",
    [{"max_length": 255}, {"seed": 1}, {"packing": False}, {"shuffle_before_packing": False}, {"max_rows": 7},
     {"model": {"bos": True}}, {"model": {"bos": None}}, {"model": {"template": "llama3_chat"}}],
)  # fmt: skip
def test_what_decides_the_samples_changes_the_key(experiment, change):
    """Another length, seed, packing, draw, bos or template is another entry."""
    assert cache_key(experiment(**change)) != cache_key(experiment())


@pytest.mark.parametrize("change", [{"num_workers": 3}, {"prepare_workers": 2}, {"name": "other"},
                                    {"micro_batch_size": 4}, {"on_bad_row": "skip"}, {"shuffle": False},
                                    {"varlen": True}, {"sampler": "intern_repo"},
                                    {"model": {"bot_name": "Ann"}}])  # fmt: skip
def test_what_does_not_decide_them_leaves_the_key(experiment, change):
    """Trials of a sweep that differ elsewhere share the entry."""
    assert cache_key(experiment(**change)) == cache_key(experiment())


def test_a_seed_that_draws_nothing_leaves_the_key(experiment):
    """Without packing by draw and without max_rows the seed has no part."""
    unshuffled = [cache_key(experiment(shuffle_before_packing=False, seed=seed)) for seed in (0, 1)]
    unpacked = [cache_key(experiment(packing=False, seed=seed)) for seed in (0, 1)]
    assert unshuffled[0] == unshuffled[1]
    assert unpacked[0] == unpacked[1]


def test_where_the_data_lies_leaves_the_key_and_what_it_says_does_not(experiment, source, tmp_path):
    """Contents decide: a copy is the same data, a changed file is not."""
    copied = shutil.copytree(source, tmp_path / "copy")
    assert cache_key(experiment(path=str(copied))) == cache_key(experiment())
    with open(copied / FILES[3], "a") as file:
        file.write("\n")
    assert cache_key(experiment(path=str(copied))) != cache_key(experiment())


def test_another_tokenizer_changes_the_key(experiment, tokenizer, tmp_path):
    """Its files decide, whatever the model is called."""
    other = shutil.copytree(tokenizer, tmp_path / "other")
    config = json.loads((other / "tokenizer_config.json").read_text())
    (other / "tokenizer_config.json").write_text(json.dumps({**config, "bos_token": "<|im_start|>"}))
    assert cache_key(experiment(model={"path": str(other)})) != cache_key(experiment())


def test_the_result_does_not_depend_on_the_number_of_processes(experiment, tmp_path, monkeypatch):
    """Two processes with small batches write the same bytes as one."""
    one = prepare.prepare(experiment(cache_dir=tmp_path / "one"))
    monkeypatch.setattr(tokenise, "SMALL_ROWS", 10)
    monkeypatch.setattr(tokenise, "BATCH_ROWS", 7)
    two = prepare.prepare(experiment(cache_dir=tmp_path / "two", prepare_workers=2))
    assert one.key == two.key
    for name in ARRAYS:
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()
    assert one.manifest["rows"] == two.manifest["rows"]
    messages = [prepared.messages[None] / "data-00000-of-00001.arrow" for prepared in (one, two)]
    assert messages[0].read_bytes() == messages[1].read_bytes()


def test_a_bad_row_in_another_process_stops_with_its_place(experiment, tmp_path, monkeypatch):
    """The first bad row in file order is named, and nothing is published."""
    monkeypatch.setattr(tokenise, "SMALL_ROWS", 4)
    monkeypatch.setattr(tokenise, "BATCH_ROWS", 2)
    path = jsonl(tmp_path / "bad.jsonl", [chat()] * 9 + [{}] * 9)
    with pytest.raises(DataError, match=r"bad\.jsonl, line 10: no 'messages'"):
        prepare.prepare(experiment(format="openai", path=path, prepare_workers=2))
    assert list((tmp_path / "cache" / "data").iterdir()) == []


def test_skipped_truncated_and_dropped_rows_are_counted_apart(experiment, tmp_path):
    """Each row that is not trained on whole is in a number of its own."""
    long = chat("word " * 40)
    hidden = {"messages": [{"role": "user", "content": "word " * 40}, {"role": "assistant", "content": "a"}]}
    path = jsonl(tmp_path / "rows.jsonl", [chat(), chat(loss=False), long, hidden, {}, chat()])
    prepared = prepare.prepare(experiment(format="openai", path=path, on_bad_row="skip", max_length=24))
    rows = prepared.manifest["rows"]
    assert rows == {
        "read": 6, "kept": 3, "skipped": 1, "truncated": 2, "dropped": 2, "too_long": 0, "held_out": 0,
    }  # fmt: skip
    assert prepared.manifest["tokens_cut"] > 40
    assert "line 5: no 'messages'" in prepared.manifest["skipped_reasons"][0]


def test_long_rows_are_left_out_whole_where_they_may_not_be_cut(experiment, tmp_path):
    """Dropped for their length, counted apart, under another key."""
    path = jsonl(tmp_path / "rows.jsonl", [chat(), chat("word " * 40), chat()])
    cut = prepare.prepare(experiment(format="openai", path=path, max_length=24))
    whole = prepare.prepare(experiment(format="openai", path=path, max_length=24, long_rows="drop"))
    rows = whole.manifest["rows"]
    assert (rows["kept"], rows["too_long"], rows["truncated"]) == (2, 1, 0)
    assert whole.manifest["tokens_cut"] == 0
    assert whole.key != cut.key


def test_an_entry_with_skipped_rows_does_not_serve_a_run_that_forbids_them(experiment, tmp_path):
    """The key is the same, the promise is not."""
    path = jsonl(tmp_path / "rows.jsonl", [chat(), {}])
    prepare.prepare(experiment(format="openai", path=path, on_bad_row="skip"))
    with pytest.raises(DataError, match=r"line 2: no 'messages'.*\(1 bad rows in all\)"):
        prepare.prepare(experiment(format="openai", path=path))


def test_data_without_a_row_left_is_refused(experiment, tmp_path):
    """An empty training set says where its rows went."""
    path = jsonl(tmp_path / "rows.jsonl", [chat(loss=False)] * 3)
    with pytest.raises(DataError, match="no row is left to train on: 3 read, 0 bad, 3 without a label"):
        prepare.prepare(experiment(format="openai", path=path))


def test_max_rows_draws_by_seed_and_keeps_the_order(experiment, tmp_path):
    """The same seed draws the same rows; more than there are is all of them."""
    path = jsonl(tmp_path / "rows.jsonl", [{"text": f"row {index:03d}"} for index in range(50)])

    def drawn(**changes):
        settings = {"format": "text", "path": path, "packing": False, "max_rows": 10, **changes}
        dataset = PackedDataset(prepare.prepare(experiment(**settings)).path)
        return [tiny_tokenizer().decode(dataset[index]["input_ids"]) for index in range(len(dataset))]

    first = drawn()
    assert len(first) == 10
    assert first == sorted(first) == drawn()
    assert first != drawn(seed=1)
    assert len(drawn(max_rows=99)) == 50


def test_documents_are_chunked_without_losing_a_token(experiment, tmp_path):
    """The sequences in order are the documents, each with its eos."""
    texts = ["the weather in the city " * count for count in (1, 30, 7)]
    path = jsonl(tmp_path / "rows.jsonl", [{"text": text} for text in texts])
    prepared = prepare.prepare(experiment(format="text", path=path, max_length=32))
    tokens = np.load(prepared.path / TOKENS)
    encode = tiny_tokenizer().encode
    expected = [
        i
        for text in texts
        for i in [*encode(text.strip(), add_special_tokens=False), tiny_tokenizer().eos_token_id]
    ]
    assert tokens.tolist() == expected
    assert prepared.manifest["rows"]["truncated"] == 0
    assert np.load(prepared.path / LABELS).all()
    assert prepared.messages == {}


def test_messages_are_what_stock_xtuner_reads(experiment):
    """load_from_disk and openai_map_fn give the rows, each `loss` a bool."""
    import transformers.utils

    transformers.utils.is_safetensors_available = lambda: True
    from datasets import load_from_disk
    from xtuner.dataset.map_fns import openai_map_fn

    from ftcore.data.sources import agent_flan
    from ftcore.data.sources.files import data_files, json_records

    settings = experiment()
    dataset = load_from_disk(str(prepare.prepare(settings).messages[None]))
    rows = [agent_flan.parse(record) for record in json_records(data_files(settings.data.path, (".jsonl",)))]
    assert len(dataset) == len(rows)
    for row, stored in zip(rows, dataset, strict=True):
        assert [tuple(m.values()) for m in stored["messages"]] == [
            (m.role, m.content, m.loss) for m in row.messages
        ]
        replies = [message.loss for message in row.messages if message.role == "assistant"]
        assert [turn["output_with_loss"] for turn in openai_map_fn(stored)["conversation"]] == replies


def test_a_torn_entry_is_built_again(experiment):
    """What a full disk or a kill left behind does not reach training."""
    prepared = prepare.prepare(experiment())
    (prepared.path / TOKENS).write_bytes(b"")
    assert find_prepared(experiment().cache_dir, prepared.key) is None
    assert PackedDataset(prepare.prepare(experiment()).path)[0]["input_ids"].numel() > 0


def test_messages_that_went_missing_are_written_again(experiment):
    """The two entries of one preparation may be cleared apart."""
    prepared = prepare.prepare(experiment())
    shutil.rmtree(prepared.messages[None])
    assert prepare.prepare(experiment()).messages[None].is_dir()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"path": "/nowhere/at/all"}, "no such file or folder"),
        ({"path": None}, r"data\.path is null"),
        ({"model": {"path": "/nowhere"}}, "neither a folder nor a hub id"),
        ({"format": "function_calls", "path": None}, r"data\.categories is empty"),
        (
            {"format": "function_calls", "path": None, "categories": {"simple_pyton": None}},
            "did you mean 'simple_python'",
        ),
    ],
)
def test_missing_data_is_named_before_anything_is_read(experiment, changes, reason):
    """A key cannot be made of what is not there."""
    with pytest.raises(DataError, match=reason):
        cache_key(experiment(**changes))


def test_a_folder_without_a_tokenizer_is_named(experiment, tmp_path):
    """A model that was not yet unpacked has a folder but no tokenizer."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"model\.path: no tokenizer files in"):
        cache_key(experiment(model={"path": str(tmp_path / "empty")}))


ASKED = {"kind": "function_calls", "categories": ["multiple"], "refusal_categories": ["irrelevance"]}


def test_function_calls_leave_out_what_the_evaluation_asks(experiment):
    """Training questions that recur in held-out categories are dropped and counted."""
    from ftcore.data import bfcl

    call = {
        "format": "function_calls",
        "path": None,
        "categories": {"simple_python": None, "live_irrelevance": None},
    }
    kept = bfcl.training_cases(tuple(call["categories"]), ["multiple", "irrelevance"])
    prepared = prepare.prepare(experiment(**call, evaluation=ASKED, max_length=2048))
    assert prepared.manifest["rows"]["held_out"] == len(kept.dropped) > 0
    assert prepared.manifest["rows"]["read"] == len(kept.cases)
    assert cache_key(experiment(**call, max_length=2048)) != prepared.key


def test_rows_are_drawn_from_each_category_by_the_seed(experiment):
    """As many as asked, the same ones for the same seed, without touching the other categories."""
    call = {"format": "function_calls", "path": None, "max_length": 2048, "packing": False}
    some = {"simple_python": 7, "live_irrelevance": 3}
    first = prepare.prepare(experiment(**call, categories=some))
    assert first.manifest["rows"]["read"] == 10
    assert cache_key(experiment(**call, categories=dict(some))) == first.key
    assert cache_key(experiment(**call, categories=some, seed=1)) != first.key
    more = prepare.prepare(experiment(**call, categories={"simple_python": 10**6}))
    assert more.manifest["rows"]["read"] == 400


def test_a_category_cannot_be_trained_on_and_held_out(experiment):
    """Such a score would measure memory."""
    call = {"format": "function_calls", "path": None, "categories": {"multiple": None}}
    with pytest.raises(DataError, match="both trained on and held out: multiple"):
        cache_key(experiment(**call, evaluation=ASKED))


def test_keys_and_manifests_are_had_without_torch():
    """Planning asks for both and must answer at once."""
    heavy = "{'torch', 'transformers', 'datasets', 'xtuner', 'tokenizers', 'pyarrow'}"
    code = f"import sys, ftcore.data.prepare; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
