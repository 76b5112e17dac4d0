"""Readers: what they make of good rows, and what they say about bad ones."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.data.errors import DataError, RowError
from ftcore.data.sources import FORMATS, BadRows, Message, Record, read_records
from ftcore.data.sources import files as source_files
from ftcore.data.sources.files import data_files, json_records
from tests.fixtures.agent_flan import FILES, rows, write_agent_flan


def parsed(format_name, payload):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return FORMATS[format_name].parse(Record("file.jsonl", 3, raw, len(raw)))


def refused(format_name, payload):
    with pytest.raises(RowError) as caught:
        parsed(format_name, payload)
    return str(caught.value)


def read_all(format_name, path, on_bad_row="error"):
    bad = BadRows()
    form = FORMATS[format_name]
    records = form.records(data_files(str(path), form.suffixes, form.deep))
    found = list(read_records(records, form.parse, on_bad_row, bad))
    return found, bad


USER = {"role": "user", "content": "q"}
ASSISTANT = {"role": "assistant", "content": "a"}


def test_agent_flan_reads_every_row_of_its_seven_files_in_name_order(tmp_path):
    """Rows come file by file, sorted by name, whatever the order on disk."""
    write_agent_flan(tmp_path, 30)
    found, bad = read_all("agent_flan", tmp_path)
    made = rows(30)
    expected = [row["id"] for index in range(len(FILES)) for row in made[index :: len(FILES)]]
    assert [row.id for row in found] == expected
    assert bad.count == 0


def test_loss_is_true_for_assistants_and_false_for_others_unless_stated():
    """`loss` becomes an explicit bool; strings are understood; on other roles it is ignored."""
    turns = [
        {"role": "system", "content": "s"}, {**USER, "loss": True}, ASSISTANT, {**ASSISTANT, "loss": False},
        {**ASSISTANT, "loss": "True"}, {**ASSISTANT, "loss": "false"}, {**ASSISTANT, "loss": None},
    ]  # fmt: skip
    row = parsed("agent_flan", {"conversation": turns, "id": "x"})
    assert [message.loss for message in row.messages] == [False, False, True, False, True, False, True]
    assert all(type(message.loss) is bool for message in row.messages)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"conversation": []}, "'conversation' is empty"),
        ({"conversation": [USER]}, "no assistant turn"),
        ({"conversation": "hello"}, "must be a list, it is a string"),
        ({"conversation": [USER, "x"]}, r"conversation\[1\] must be an object"),
        ({"conversation": [{**USER, "role": "tool"}, ASSISTANT]}, "unknown role 'tool'.*as user text"),
        ({"conversation": [{"content": "q"}, ASSISTANT]}, r"conversation\[0\]: unknown role None"),
        ({"conversation": [{"role": ["user"], "content": "q"}, ASSISTANT]}, "unknown role"),
        (
            {"conversation": [USER, {**ASSISTANT, "content": None}]},
            "'content' must be a string, it is a null",
        ),
        ({"conversation": [USER, {**ASSISTANT, "content": 3}]}, "it is a number"),
        ({"conversation": [USER, {**ASSISTANT, "loss": 1}]}, "'loss' must be true or false, it is 1"),
        ({"conversation": [USER, {**ASSISTANT, "loss": "yes"}]}, "it is 'yes'"),
        ({"conversation": [USER, ASSISTANT], "id": True}, "'id' must be a string or an integer"),
        ({"messages": [USER, ASSISTANT]}, "no 'conversation'; the keys are 'messages'"),
        ({}, "the keys are none"),
        ([USER], "must be a JSON object, this is a list"),
        (b'{"conversation": [', "invalid JSON"),
        (b"[" * 100_000, "invalid JSON: nested too deeply"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at offset 7"),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        (b'{"conversation": [{"role": "assistant", "content": "\\ud800"}]}', "lone surrogate"),
    ],
)
def test_a_bad_agent_flan_row_is_refused_with_its_reason(payload, reason):
    """Each thing that can be wrong with a row is named."""
    assert re.search(reason, refused("agent_flan", payload))


def test_a_surrogate_pair_is_text():
    """An escaped emoji is no lone surrogate."""
    raw = b'{"conversation": [{"role": "assistant", "content": "\\ud83d\\ude00"}]}'
    assert parsed("agent_flan", raw).messages[0].content == "\U0001f600"


def test_the_place_stands_in_for_a_missing_id():
    """A row without an id can still be found."""
    assert parsed("openai", {"messages": [USER, ASSISTANT]}).id == "file.jsonl, line 3"
    assert parsed("openai", {"messages": [USER, ASSISTANT], "id": 7}).id == "7"


def test_openai_refuses_tool_turns_and_tool_calls():
    """What no prompt template can express is not read as something else."""
    assert "as user text" in refused(
        "openai", {"messages": [USER, ASSISTANT, {"role": "tool", "content": "3"}]}
    )
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert "tool_calls" in refused("openai", {"messages": [USER, call]})


def test_alpaca_forms_the_prompt_as_xtuner_does():
    """Instruction, line break, input; a missing input is empty."""
    row = parsed("alpaca", {"instruction": "Add", "input": "1 2", "output": "3"})
    assert row.messages == (Message("user", "Add\n1 2", False), Message("assistant", "3", True))
    assert parsed("alpaca", {"instruction": "Add", "output": "3"}).messages[0].content == "Add\n"


def test_alpaca_does_not_train_on_nooutput():
    """XTuner filters such rows out; here their reply carries no loss, so they are dropped and counted."""
    assert not parsed("alpaca", {"instruction": "x", "output": "<nooutput>"}).messages[1].loss


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"input": "x", "output": "y"}, "no 'instruction'; the keys are 'input', 'output'"),
        ({"instruction": "x"}, "no 'output'; the keys are 'instruction'"),
        ({"instruction": 1, "output": "y"}, "'instruction' must be a string, it is a number"),
        ({"instruction": "x", "input": None, "output": "y"}, "'input' must be a string, it is a null"),
    ],
)
def test_alpaca_refuses_missing_and_wrong_fields(row, reason):
    """Instruction and output must be there, and all three be strings."""
    assert refused("alpaca", row) == reason


def test_text_is_one_document_a_line_and_one_a_txt_file(tmp_path):
    """Both kinds may lie in one folder; files are taken by name."""
    (tmp_path / "a.txt").write_text("\n first\nsecond \n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "third"}\n\n{"text": " 第四 "}\n', encoding="utf-8")
    found, _ = read_all("text", tmp_path)
    assert [document.text for document in found] == ["first\nsecond", "third", "第四"]


def test_text_refuses_empty_documents(tmp_path):
    """A document of white space teaches nothing and is not read in silence."""
    (tmp_path / "a.txt").write_text("  \n")
    with pytest.raises(DataError, match=r"a\.txt, line 1: the text is empty"):
        read_all("text", tmp_path)


def test_a_bad_row_stops_with_file_and_line(tmp_path):
    """Empty lines are no rows but count as lines."""
    good = json.dumps({"conversation": [USER, ASSISTANT]})
    (tmp_path / "data.jsonl").write_text(f"{good}\n\n  \r\n{good}\nnot json\n")
    with pytest.raises(DataError, match=r"data\.jsonl, line 5: invalid JSON"):
        read_all("agent_flan", tmp_path)


def test_skipped_rows_are_counted_and_the_first_reasons_kept(tmp_path):
    """With on_bad_row=skip the good rows remain and nothing is silent."""
    good = json.dumps({"conversation": [USER, ASSISTANT]})
    (tmp_path / "data.jsonl").write_text("\n".join([good, *["{}"] * 9, good]))
    found, bad = read_all("agent_flan", tmp_path, "skip")
    assert len(found) == 2
    assert bad.count == 9
    assert len(bad.reasons) == 5
    assert "line 2: no 'conversation'" in bad.reasons[0]


def test_a_missing_path_and_a_folder_without_data_are_named(tmp_path):
    """The error says what was looked for, and where it lies if one folder deeper."""
    with pytest.raises(DataError, match="no such file or folder"):
        data_files(str(tmp_path / "nowhere"), (".jsonl",))
    with pytest.raises(DataError, match=r"no \*\.json or \*\.jsonl file"):
        data_files(str(tmp_path), (".json", ".jsonl"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.jsonl").touch()
    with pytest.raises(DataError, match=r"did you mean .*/data\?"):
        data_files(str(tmp_path), (".jsonl",))


def test_hidden_and_other_files_are_not_data(tmp_path):
    """An editor's or a download's leftovers are not read."""
    for name in (".hidden.jsonl", "b.jsonl", "a.jsonl", "README.md"):
        (tmp_path / name).touch()
    assert [file.name for file in data_files(str(tmp_path), (".jsonl",))] == ["a.jsonl", "b.jsonl"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(VALUES, max_size=6), chunk=st.integers(1, 9), indent=st.sampled_from([None, 1]))
def test_a_json_list_streams_to_its_elements(values, chunk, indent, tmp_path_factory):
    """However the reads cut it, a list yields the elements that json.load would, with their lines."""
    path = tmp_path_factory.mktemp("list") / "list.json"
    path.write_text(json.dumps(values, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_files, "READ_BYTES", chunk)
        records = list(json_records([path]))
    assert [record.payload for record in records] == values
    if indent is None:
        assert all(record.line == 1 for record in records)


def test_elements_of_a_json_list_know_their_lines(tmp_path):
    """A reason can be found in the file."""
    path = tmp_path / "list.json"
    path.write_text('[\n {"a":\n 1},\n\n {"b": 2}]')
    assert [record.line for record in json_records([path])] == [2, 5]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}', "line 1: the JSON list is not closed"),
        ('[{"a": 1}\n{"a": 2}]', "line 2: expected ',' or '\\]', found '{'"),
        ('[{"a": 1},\n{"a": }]', "line 2: invalid JSON"),
        ('[{"a": 1},]', "invalid JSON"),
        ("[1] 2", "text after the end"),
        ("[", "not closed"),
    ],
)
def test_a_broken_json_list_always_stops(tmp_path, text, reason):
    """A list that cannot be told apart into rows is no matter of skipping rows."""
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(DataError, match=reason):
        list(read_records(json_records([path]), FORMATS["alpaca"].parse, "skip", BadRows()))


def test_a_json_list_in_another_encoding_stops(tmp_path):
    """Bad UTF-8 within a list names the file."""
    path = tmp_path / "list.json"
    path.write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(DataError, match=r"list\.json, after line 1: not UTF-8 \(byte 0xff\)"):
        list(json_records([path]))


def test_json_lines_in_a_file_called_json_are_read_as_lines(tmp_path):
    """The first character tells, not the name."""
    path = tmp_path / "data.json"
    path.write_text('{"instruction": "a", "output": "b"}\n{"instruction": "c", "output": "d"}\n')
    found, _ = read_all("alpaca", path)
    assert [row.messages[1].content for row in found] == ["b", "d"]
