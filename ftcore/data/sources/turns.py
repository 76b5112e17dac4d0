"""Conversations that XTuner gives as text or as lists of turns: its own form, ShareGPT's and OpenAssistant's.

Each equals what XTuner 0.2.0 makes of such a row; a row without an exchange has no message, and is dropped
and counted where rows are tokenised.
"""

from collections.abc import Iterable
from typing import Any

from ftcore.data.errors import RowError
from ftcore.data.sources.fields import json_name, json_object, list_field, row_id, stated_loss, text_field
from ftcore.data.sources.rows import Message, Record, Row

WIZARDLM_ROLES = {"human": "user", "gpt": "assistant"}


def parse_conversation(record: Record) -> Row:
    """{"conversation": [{"input"?, "output", "system"?, "output_with_loss"?}]}: XTuner's own form.

    Null is as good as absent, since a table of rows holds null where a turn lacks a key.
    """
    row = json_object(record)
    turns = list_field(row, "conversation")
    messages = (m for index, turn in enumerate(turns) for m in _turn(turn, f"conversation[{index}]"))
    return Row(row_id(row, record.place), tuple(messages))


def parse_wizardlm(record: Record) -> Row:
    """{"conversations": [{"from": human or gpt, "value"}]}, as in `wizardlm_map_fn`."""
    row = json_object(record)
    messages = []
    for index, turn in enumerate(list_field(row, "conversations")):
        where = f"conversations[{index}]"
        speaker = _object(turn, where).get("from")
        if not isinstance(speaker, str) or speaker not in WIZARDLM_ROLES:
            raise RowError(f"{where}: unknown speaker {speaker!r}, known are {', '.join(WIZARDLM_ROLES)}")
        role = WIZARDLM_ROLES[speaker]
        messages.append(Message(role, _text(turn, "value", where), role == "assistant"))
    return Row(row_id(row, record.place), tuple(messages))


def parse_oasst1(record: Record) -> Row:
    """{"text": "### Human: ...### Assistant: ..."}, as in `oasst1_map_fn`.

    Texts are paired by their order, whoever speaks; a last one without a pair is left out.
    """
    row = json_object(record)
    said = list(_said(text_field(row, "text")))
    pairs = zip(said[::2], said[1::2], strict=False)
    return Row(row_id(row, record.place), exchanges(("", prompt, reply) for prompt, reply in pairs))


def exchanges(texts: Iterable[tuple[str, str, str]]) -> tuple[Message, ...]:
    """Messages of (system, prompt, reply) each, every reply with loss; an empty system text is none."""
    messages: list[Message] = []
    for system, prompt, reply in texts:
        messages += [Message("system", system, False)] if system else []
        # An empty prompt is a message too: without it, a first reply would look like nobody's answer.
        messages += [Message("user", prompt, False), Message("assistant", reply, True)]
    return tuple(messages)


def _said(text: str) -> Iterable[str]:
    for part in map(str.strip, text.strip().split("###")):
        for speaker in ("Human:", "Assistant:"):
            if part.startswith(speaker):
                yield part.removeprefix(speaker).strip()


def _turn(turn: Any, where: str) -> tuple[Message, ...]:
    given = {key: value for key, value in _object(turn, where).items() if value is not None}
    prompt, system = (_text({key: "", **given}, key, where) for key in ("input", "system"))
    *before, reply = exchanges([(system, prompt, _text(given, "output", where))])
    loss = stated_loss(given.get("output_with_loss"), f"{where}: 'output_with_loss'")
    return *before, Message("assistant", reply.content, loss)


def _object(turn: Any, where: str) -> dict[str, Any]:
    if not isinstance(turn, dict):
        raise RowError(f"{where} must be an object, it is a {json_name(turn)}")
    return turn


def _text(turn: dict[str, Any], key: str, where: str) -> str:
    try:
        return text_field(turn, key)
    except RowError as error:
        raise RowError(f"{where}: {error}") from error
