"""What a plan says of data that nobody prepared, beside what preparing it counts."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcore.data import spread
from ftcore.data.errors import DataError
from ftcore.data.prepare import prepare
from ftcore.plan.data import data_of, length_of
from ftcore.plan.lengths import lengths
from tests.fixtures.data_experiment import data_experiment
from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer

WORDS = ["a", "model", "answers", "questions", "about", "weather", "and", "tools", "天气", "很好", "数据"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_tokenizer(tmp_path_factory.mktemp("model"))


def chats(count: int, seed: int = 0, mean: float = 2.5):
    """Conversations of very different lengths."""
    dice = random.Random(seed)
    for _ in range(count):
        said = (
            " ".join(dice.choices(WORDS, k=1 + int(dice.lognormvariate(mean, 0.8)))) for _ in ("user", "me")
        )
        yield {
            "messages": [
                {"role": "user", "content": next(said)},
                {"role": "assistant", "content": next(said)},
            ]
        }


def lines(path, rows) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def experiment(tmp_path, model):
    """On 60 rows unless `path` says otherwise."""

    def make(**changes):
        given = {"path": lines(tmp_path / "rows.jsonl", chats(60)), "format": "openai", **changes}
        return data_experiment(tmp_path / "cache", given.pop("model_path", model), **given)

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"packing": False}, {"max_length": 48}, {"long_rows": "drop", "max_length": 48},
        {"max_rows": 17}, {"shuffle_before_packing": False},
        {"model": {"template": "llama3_chat", "bos": True}},
    ],
    ids=str,
)  # fmt: skip
def test_small_data_is_counted_to_the_token(experiment, changes):
    """Every row is looked at, by the same tokenizer, template, draw and packing as in preparing."""
    e = experiment(**changes)
    found, manifest = lengths(e), prepare(e).manifest
    assert found.whole and found.tokenizer
    counted = (manifest["rows"]["kept"], manifest["tokens"], manifest["samples"])
    for one, truth in zip((found.rows, found.tokens, found.samples), counted, strict=True):
        assert one.low == one.likely == one.high == truth
    assert found.labelled == pytest.approx(manifest["labelled_tokens"] / manifest["tokens"])
    assert found.longest == manifest["longest_row"]


def test_several_sources_are_counted_together(experiment, tmp_path):
    more = {"path": lines(tmp_path / "more.jsonl", chats(30, seed=5)), "format": "openai"}
    e = experiment(mix={"more": more})
    assert lengths(e).tokens.likely == prepare(e).manifest["tokens"]


@pytest.mark.parametrize("packing", [True, False])
def test_ranges_of_a_sample_hold_the_truth(experiment, tmp_path, monkeypatch, packing):
    """A range of two standard errors has the truth in it in nine files of ten at least, and there is no lean
    to one side. The truth is that of all rows, which is what preparing counts (above)."""
    held, shares = [], []
    for seed in range(30):
        path = lines(tmp_path / "rows.jsonl", chats(400, seed))
        e = experiment(path=path, packing=packing, max_length=128)
        truth = lengths(e)
        with monkeypatch.context() as patched:
            patched.setattr(spread, "BYTES", 12_000)
            found = lengths(e)
        assert truth.whole and not found.whole and found.looked_at < 100
        assert found.rows.low <= truth.rows.likely <= found.rows.high
        held.append(found.tokens.low <= truth.tokens.likely <= found.tokens.high)
        shares.append(found.tokens.likely / truth.tokens.likely)
        assert found.samples.likely == pytest.approx(truth.samples.likely, rel=0.3)
    assert sum(held) >= 27
    assert sum(shares) / len(shares) == pytest.approx(1, abs=0.05)


def test_rows_of_a_large_file_are_estimated_without_reading_it(experiment, tmp_path, monkeypatch):
    """Over COUNTED bytes nobody counts lines."""
    monkeypatch.setattr(spread, "BYTES", 12_000)
    monkeypatch.setattr(spread, "COUNTED", 10_000)
    monkeypatch.setattr(spread, "line_records", None)
    e = experiment(path=lines(tmp_path / "many.jsonl", chats(700)))
    found = lengths(e)
    assert found.rows.low < 700 < found.rows.high


def test_a_list_is_looked_at_from_its_beginning(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(spread, "BYTES", 12_000)
    path = tmp_path / "list.json"
    path.write_text(json.dumps(list(chats(700)), ensure_ascii=False), encoding="utf-8")
    e = experiment(path=str(path))
    found = lengths(e)
    assert found.head and found.tokens.likely == pytest.approx(prepare(e).manifest["tokens"], rel=0.3)


def test_documents_are_one_a_file(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(spread, "BYTES", 4_000)
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text("the model answers 天气 " * (10 + number), encoding="utf-8")
    e = experiment(path=str(folder), format="text")
    found = lengths(e)
    assert found.rows.likely == 40
    assert found.tokens.likely == pytest.approx(prepare(e).manifest["tokens"], rel=0.2)


def test_without_a_tokenizer_a_range_says_how_little_is_known(experiment, tmp_path):
    """Another tokenizer's count lies in it, of English and of Chinese."""
    e = experiment(model_path="nobody/nothing")
    found = lengths(e)
    assert not found.tokenizer and found.tokens.low < found.tokens.likely < found.tokens.high
    assert found.tokens.high > 2 * found.tokens.low


def test_bad_rows_are_no_rows(experiment, tmp_path):
    """They are no rows here, whatever `on_bad_row` says, and told; preparing tells of their lines too."""
    path = tmp_path / "bad.jsonl"
    lines(path, chats(10))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"messages": 3}\nnot json\n')
    found = lengths(experiment(path=str(path)))
    assert found.rows.likely == 10
    assert len(found.unreadable) == 2 and found.unreadable[0].startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"path": "/no/such/file.jsonl"}, "no such file"),
        ({"path": "somebody/data", "hub": "huggingface"}, "fetches nothing"),
        ({"path": None}, "data.path is null"),
        ({"max_length": 2, "long_rows": "drop"}, "none is left"),
    ],
)
def test_what_is_unknown_says_why(experiment, changes, says):
    with pytest.raises(DataError, match=says):
        lengths(experiment(**changes))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=60), ends=st.booleans())
def test_lines_are_drawn_whole_and_once(tmp_path, sizes, ends):
    """Whatever the lines' lengths: what is drawn are lines of the file, none twice, bytes in bounds."""
    rows = [f"{number}:".encode() + b"x" * size for number, size in enumerate(sizes)]
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n" * ends)
    drawn = [record.payload.rstrip(b"\n") for record in spread._lines([path], [path.stat().st_size])]
    assert len(set(drawn)) == len(drawn) and set(drawn) <= set(rows)
    assert drawn[0] == rows[0]


def test_an_estimate_becomes_a_count_once_data_is_prepared(tmp_path, model, monkeypatch):
    """`plan` says which of the two it has."""
    from ftcore.config.compose import compose

    path = lines(tmp_path / "rows.jsonl", chats(60))
    words = [
        "data=openai_jsonl", f"data.path={path}", f"model.path={model}", f"runs_dir={tmp_path}/runs",
        "hardware=cpu", "evaluation=none", "max_length=128", "data.prepare_workers=1",
    ]  # fmt: skip
    e = compose(words).experiment
    before = data_of(e)
    prepare(e)
    after = data_of(e)
    assert (before["basis"], after["basis"]) == ("sampled", "prepared")
    same = ("rows", "tokens", "samples", "fill_share", "labelled_share", "longest")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert length_of(e, before)["steps"] == length_of(e, after)["steps"]
    assert length_of(e, before)["between"] == [length_of(e, after)["steps"]] * 2
