"""MSAgent-Bench (ModelScope, damo/MSAgent-Bench): tool use told as Thought, Action, Response, Final Answer.

Rows are {"conversations": [{"from", "value"}]}, the list often as the text of a Python literal. The texts
made of them are those of `msagent_react_map_fn` in XTuner 0.2.0, oddities included.
"""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ftcore.data.errors import RowError
from ftcore.data.sources.fields import json_name, json_object, row_id
from ftcore.data.sources.rows import Record, Row
from ftcore.data.sources.turns import exchanges

THINK = re.compile(r"(.*?)(<\|startofthink\|\>)(.*?)(<\|endofthink\|\>)", re.DOTALL)
EXEC = re.compile(r"(<\|startofexec\|\>)(.*?)(<\|endofexec\|\>)(.*?)$", re.DOTALL)
EXEC_BEGINS = "<|startofexec|>"
ANSWER = "Final Answer:"

Texts = tuple[str, str, str]
"""System text, prompt and reply of one exchange."""


class _Invalid(Exception):
    """XTuner leaves the row out."""


def parse(record: Record) -> Row:
    """The exchanges of a row; none where XTuner filters it out. RowError where it is not of this form."""
    row = json_object(record)
    turns = _turns(row)
    try:
        messages = exchanges(_exchanges(turns)) if len(turns) > 1 else ()
    except _Invalid:
        messages = ()
    return Row(row_id(row, record.place), messages)


def _turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    if "conversations" not in row:
        raise RowError(f"no 'conversations'; the keys are {', '.join(map(repr, row)) or 'none'}")
    turns = row["conversations"]
    if isinstance(turns, str):
        try:
            turns = ast.literal_eval(turns)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise RowError(f"'conversations' is text, but no Python literal: {error}") from error
    if not isinstance(turns, list | tuple):
        raise RowError(f"'conversations' must be a list, it is a {json_name(turns)}")
    for index, turn in enumerate(turns):
        said = turn if isinstance(turn, dict) else {}
        if not all(isinstance(said.get(key), str) for key in ("from", "value")):
            raise RowError(f"conversations[{index}] must be an object with texts 'from' and 'value'")
    return [(turn["from"], turn["value"]) for turn in turns]


def _exchanges(turns: list[tuple[str, str]]) -> Iterator[Texts]:
    system = prompt = ""
    for speaker, value in turns:
        if speaker == "system":
            system += _tools(value)
        elif speaker == "user":
            prompt += f"{value}\n"
        elif speaker == "assistant":
            reply, response = _reply(value)
            yield system, prompt, reply
            system = prompt = ""
            if response is not None:
                yield from _answer(response)


def _tools(text: str) -> str:
    tools = dict(map(_tool, _json_objects(text)))
    return (
        f"你是一个可以调用外部工具的助手，可以使用的工具包括：\n{tools}\n"
        "如果使用工具请遵循以下格式回复：\n```\n"
        "Thought:思考你当前步骤需要解决什么问题，是否需要使用工具\n"
        f"Action:工具名称，你的工具必须从 [{list(tools)}] 选择\n"
        "Action Input:工具输入参数\n```\n工具返回按照以下格式回复：\n```\n"
        "Response:调用工具后的结果\n```\n如果你已经知道了答案，或者你不需要工具，"
        "请遵循以下格式回复\n```\n"
        "Thought:给出最终答案的思考过程\n"
        "Final Answer:最终答案\n```\n开始!\n"
    )


def _tool(tool: dict[str, Any]) -> tuple[str, Any]:
    name, description = tool["name"], tool["description"]
    if not isinstance(name, str):
        raise RowError(f"a tool's 'name' must be a string, it is a {json_name(name)}")
    try:
        inputs = {given["name"]: given["description"] for given in tool["paths"][0]["parameters"]}
        return name, description + f"\n输入参数: {inputs}"
    except (LookupError, TypeError):
        return name, description


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects with a name and a description that stand in a text, in order."""
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position != -1:
        found, end = {}, position + 1
        with suppress(ValueError):
            found, after = decoder.raw_decode(text, position)
        if "name" in found and "description" in found:
            yield found
            end = after
        position = text.find("{", end)


def _reply(value: str) -> tuple[str, str | None]:
    """Thought and action, or the final answer; and the tool's response where one follows."""
    response = None
    try:
        if EXEC_BEGINS in value:
            value, response = value.split(EXEC_BEGINS)
            response = EXEC_BEGINS + response
        reply, thoughts = THINK.subn(_thought, value)
    except (ValueError, LookupError, TypeError) as error:
        raise _Invalid from error
    return (f"{reply}\n" if thoughts else f"{ANSWER}{reply}\n"), response


def _answer(response: str) -> Iterator[Texts]:
    """The final answer after a tool's response, which stands in the place of a system text."""
    try:
        told = EXEC.sub(_response, response)
    except ValueError:
        return
    if told.count(ANSWER) == 1:
        result, answer = told.split(ANSWER)
        yield result, "", ANSWER + answer


def _thought(match: re.Match[str]) -> str:
    before = match[1].strip()
    call = _json(match[3])
    thought = f"Thought:{before}\n" if before else ""
    return f"{thought}Action:{call['api_name']}\nAction Input:{call['parameters']}\n"


def _response(match: re.Match[str]) -> str:
    after = match[4].strip()
    answer = f"{ANSWER}{after}\n" if after else ""
    return f"Response:{_json(match[2])}\n{answer}"


def _json(text: str) -> Any:
    return json.loads(text.replace("```JSON", "").replace("```", "").replace("\n", ""))
