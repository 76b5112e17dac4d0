"""Rows that come tokenised, and InternEvo's folders."""

import json

import numpy as np
import pytest

from ftcore.data import prepare
from ftcore.data.dataset import PackedDataset
from ftcore.data.encode import Encoder
from ftcore.data.errors import DataError, RowError
from ftcore.data.sources import FORMATS, Record
from ftcore.data.sources.files import data_files
from ftcore.data.templates import prompt_template
from ftcore.data.tokenizer import codec
from tests.fixtures.data_experiment import data_experiment
from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer, tiny_tokenizer

SIGNED = [[5, -6, 7, 0, -8, 9], [3], [-4, 4], [11] * 60]


def parsed(name, row):
    return FORMATS[name].parse(Record("file", 2, row, 0))


def encoder(template="qwen_chat", max_length=256):
    made = codec(tiny_tokenizer(), True)
    return Encoder(
        made.open(), prompt_template(template), made.bos_ids, made.eos_ids, max_length, None, made.vocabulary
    )


def read(name, folder):
    """Every row of a folder, encoded: the sequences of each."""
    form = FORMATS[name]
    records = form.records(data_files(str(folder), form.suffixes, form.deep))
    return encoder().rows([form.parse(record) for record in records])


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
    path.write_bytes(b"".join(lines))
    return np.cumsum([0, *map(len, lines)])[:-1]


@pytest.fixture
def intern_folder(tmp_path):
    """Three folders one in another, with the .meta files that XTuner needs."""
    for index, name in enumerate(("b.bin", "a.bin", "inner/z.bin", "inner/deeper/y.bin")):
        rows = SIGNED[index:] + SIGNED[:index]
        offsets = write_lines(tmp_path / name, [{"tokens": row} for row in rows])
        with open(tmp_path / f"{name}.meta", "wb") as file:
            np.save(file, np.stack([offsets, [len(row) for row in rows]], axis=1))
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_internevo_files_are_xtuners(stock, intern_folder):
    """Files, rows, tokens and labels in the same order."""
    found = stock.intern_repo.load_intern_repo_tokenized_dataset(str(intern_folder))
    expected = [dataset[index] for dataset in found for index in range(len(dataset))]
    ours = [each for [each] in read("intern_tokens", intern_folder)]
    assert len(ours) == 16
    assert [each.input_ids for each in ours] == [row["input_ids"] for row in expected]
    assert [each.labels for each in ours] == [row["labels"] for row in expected]


def test_internevo_chats_are_xtuners(stock, tmp_path, monkeypatch):
    """A line is a list of messages; the rows are those that XTuner tokenises, template and all."""
    chats = [
        [{"role": "system", "content": "s"}, {"role": "user", "content": "你好 {x}"},
         {"role": "assistant", "content": "a\n"}],
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"},
         {"role": "user", "content": "left over"}],
    ]  # fmt: skip
    write_lines(tmp_path / "b.json", chats)
    write_lines(tmp_path / "inner" / "a.json", chats[::-1])
    template = stock.templates.PROMPT_TEMPLATE.qwen_chat

    def process_here(*rows, map_num_proc, **settings):
        return process(*rows, map_num_proc=None, **settings)

    process = stock.intern_repo.process
    monkeypatch.setattr(stock.intern_repo, "process", process_here)
    found = stock.intern_repo.load_intern_repo_untokenized_dataset(
        folder=str(tmp_path), tokenizer=tiny_tokenizer(), max_length=256,
        template_map_fn=stock.map_fns.template_map_fn_factory(template),
    )  # fmt: skip
    expected = [(row["input_ids"], row["labels"]) for dataset in found for row in dataset]
    assert [(each.input_ids, each.labels) for [each] in read("intern_messages", tmp_path)] == expected


def test_folders_are_walked_by_name(tmp_path):
    """A folder's own files first, then its folders by name; hidden ones are no data."""
    for name in ("b/x.bin", "a/y.bin", "z.bin", ".hidden/x.bin", "a/.x.bin", "a/n.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = data_files(str(tmp_path), (".bin",), deep=True)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["z.bin", "a/y.bin", "b/x.bin"]
    with pytest.raises(DataError, match=r"no \*\.tok file in this folder or one inside it"):
        data_files(str(tmp_path), (".tok",), deep=True)


def test_labels_say_what_is_trained_on():
    """Without labels everything is."""
    row = parsed("tokens", {"input_ids": [5, 6, 7], "labels": [-100, 6, -100]})
    assert (row.input_ids, row.trained) == ([5, 6, 7], [False, True, False])
    assert parsed("tokens", {"input_ids": [5, 6], "labels": None}).trained == [True, True]


def test_long_rows_are_cut_and_long_lines_of_internevo_are_divided(tmp_path):
    """A row keeps its first tokens; InternEvo's lose none."""
    [[cut]] = encoder(max_length=16).rows([parsed("tokens", {"input_ids": [5] * 40})])
    assert (len(cut.input_ids), cut.cut) == (16, 24)
    [parts] = encoder(max_length=16).rows([parsed("intern_tokens", {"tokens": [5, -6] * 20})])
    assert [token for part in parts for token in part.input_ids] == [5, 6] * 20
    assert all(len(part.input_ids) <= 16 and part.cut == 0 for part in parts)


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("tokens", {}, "no 'input_ids'; the keys are none"),
        ("tokens", {"input_ids": []}, "'input_ids' is empty"),
        ("tokens", {"input_ids": "5 6"}, "'input_ids' must be a list, it is a string"),
        ("tokens", {"input_ids": [5, True]}, r"input_ids\[1\] must be an integer, it is a boolean: True"),
        ("tokens", {"input_ids": [5.0]}, r"input_ids\[0\] must be an integer, it is a number: 5.0"),
        ("tokens", {"input_ids": [5, -1]}, r"input_ids\[1\] is -1, which is no token"),
        ("tokens", {"input_ids": [2**31]}, "which is no token"),
        ("tokens", {"input_ids": [5, 6], "labels": [5]}, "2 'input_ids' but 1 'labels'"),
        (
            "tokens",
            {"input_ids": [5, 6], "labels": [5, 7]},
            r"labels\[1\] is 7, neither its token 6 nor -100",
        ),
        ("intern_tokens", {"input_ids": [5]}, "no 'tokens'; the keys are 'input_ids'"),
        ("intern_tokens", {"tokens": [None]}, r"tokens\[0\] must be an integer, it is a null"),
        ("intern_messages", {"messages": []}, "must be a JSON list of messages, this is a object"),
        ("intern_messages", [{"role": "user", "content": "q"}], "no assistant turn"),
    ],
)
def test_bad_rows_are_refused_with_their_reason(name, row, reason):
    """What is no token, and labels that no prepared data can hold."""
    with pytest.raises(RowError, match=reason):
        parsed(name, row)


def test_a_token_that_the_tokenizer_lacks_is_named_with_its_place():
    """On a device it would end as an assertion of a kernel, far from here."""
    with pytest.raises(DataError, match=r"file, line 2: token 99999 is none of the tokenizer's \d+"):
        encoder().rows([parsed("tokens", {"input_ids": [5, 99999]})])


def test_tokenised_rows_are_prepared_as_they_are(tmp_path):
    """No template and no special token comes to them, and the template has no part in the key."""
    rows = [{"input_ids": [5, 6, 7], "labels": [-100, 6, 7]}, {"input_ids": [8, 9]}]
    write_lines(tmp_path / "rows.jsonl", rows)
    model = save_tiny_tokenizer(tmp_path / "model")
    settings = {"format": "tokens", "path": str(tmp_path / "rows.jsonl"), "packing": False}

    def experiment(template):
        return data_experiment(tmp_path / "cache", model, model={"template": template}, **settings)

    keys = [prepare.cache_key(experiment(template)) for template in ("qwen_chat", "default")]
    dataset = PackedDataset(prepare.prepare(experiment("qwen_chat")).path)
    assert [dataset[index]["input_ids"].tolist() for index in range(2)] == [[5, 6, 7], [8, 9]]
    assert dataset[0]["labels"].tolist() == [-100, 6, 7]
    assert keys[0] == keys[1]
