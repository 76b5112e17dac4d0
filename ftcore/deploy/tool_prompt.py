"""A client's conversation with tools as the text that training taught the model to answer.

Training knows system, user and assistant texts alone: tools stand in the prompt, calls in the assistant's
text, and results arrive as user text.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.data import wording
from ftcore.data.bfcl import Case
from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.tools import Tool

Message = dict[str, str]
"""{"role": system, user or assistant, "content": text}"""


@dataclass(frozen=True, slots=True)
class Wording:
    """How one kind of training data tells of tools."""

    tools: Callable[[Sequence[Tool]], str]
    """The system text that offers them."""

    colon: str
    """Between a label and its text."""

    system_first: bool
    """Whether a client's own system text stands before the tools; otherwise it begins the first question."""


def _as_function_calls(tools: Sequence[Tool]) -> str:
    functions = tuple(tool.in_training_form() for tool in tools)
    return wording.prompt_messages(Case("", "", "", functions, ()))[0]["content"]


def _as_agent_flan(tools: Sequence[Tool]) -> str:
    described = ",".join(map(_agent_flan_tool, tools))
    names = repr([tool.name for tool in tools])
    return (
        f"You are a assistant who can utilize external tools.\n[{described}]\n"
        "To use a tool, please use the following format:\n```\n"
        "Thought:Think what you need to solve, do you need to use tools?\n"
        f"Action:the tool name, should be one of [{names}]\n"
        "Action Input:the input to the action\n```\n"
        "The response after utilizing tools should using the following format:\n```\n"
        "Response:the results after call the tool.\n```\n"
        "If you already know the answer, or you do not need to use tools,\n"
        "please using the following format to reply:\n```\n"
        "Thought:the thought process to get the final answer\n"
        "Final Answer:final answer\n```\nBegin!\n"
    )


def _agent_flan_tool(tool: Tool) -> str:
    schema = tool.parameters
    parameters = [
        {
            "name": name,
            "type": str(inner.get("type", "any") if isinstance(inner, dict) else "any").upper(),
            "description": inner.get("description", "") if isinstance(inner, dict) else "",
        }
        for name, inner in schema["properties"].items()
    ]
    return repr(
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": parameters,
            "required": schema.get("required", []),
            "parameter_description": "If you call this tool, you must pass arguments in the JSON format "
            "{key: value}, where the key is the parameter name.",
        }
    )


WORDINGS = {
    "function_calls": Wording(_as_function_calls, ": ", system_first=False),
    "agent_flan": Wording(_as_agent_flan, ":", system_first=True),
}
"""By `data.format`. That of Agent-FLAN is the system text of `conf/experiment/agentflan_llama3_8b.yaml`."""


def trained_wording(formats: Iterable[str]) -> str:
    """The name of the wording that data of those formats taught, the first that did; else ftcore's own."""
    return next((name for name in formats if name in WORDINGS), "function_calls")


def is_about_tools(messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]) -> bool:
    """Whether a conversation has to be put into words: tools are offered, or were called before."""
    return bool(tools) or any(m.get("role") == "tool" or m.get("tool_calls") for m in messages)


def plain(messages: Any) -> list[Message]:
    """A conversation without tools, contents as texts. Raises BadRequest where it is not of OpenAI's form."""
    return [
        {"role": message["role"], "content": text(message, index)}
        for index, message in enumerate(checked(messages))
    ]


def worded(messages: Any, tools: Sequence[Tool], how: Wording) -> list[Message]:
    """The conversation as training would have it. Raises BadRequest where it is not of OpenAI's form."""
    system: list[str] = []
    turns: list[Message] = []
    for index, message in enumerate(checked(messages)):
        said = text(message, index)
        match message["role"]:
            case "system" | "developer":
                system.append(said)
            case "tool":
                _add(turns, "user", f"Response{how.colon}{said}")
            case "assistant":
                _add(turns, "assistant", reply(message, said, how.colon, index))
            case _:
                _add(turns, "user", said)
    offer = [how.tools(tools)] if tools else []
    if not how.system_first and tools and system:
        first = next((turn for turn in turns if turn["role"] == "user"), None)
        if first is not None:
            first["content"] = "\n".join([*system, first["content"]])
            system = []
    whole = "\n".join(system + offer if how.system_first else offer + system)
    return [*([{"role": "system", "content": whole}] if whole else []), *turns]


def reply(message: Mapping[str, Any], said: str, colon: str, index: int = 0) -> str:
    """An assistant's earlier message as the text it would have written: Thought, then calls or an answer."""
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise BadRequest(f"messages[{index}].tool_calls", "must be a list")
    reasoning = message.get("reasoning_content")
    thought = reasoning if isinstance(reasoning, str) and reasoning else said if calls else ""
    lines = [f"Thought{colon}{thought}"] if thought else []
    for number, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadRequest(f"messages[{index}].tool_calls[{number}]", "must have a function with a name")
        lines += [f"Action{colon}{function['name']}", f"Action Input{colon}{_arguments(function)}"]
    if not calls:
        lines.append(f"Final Answer{colon}{said}")
    return "\n".join(lines)


def checked(messages: Any) -> list[dict[str, Any]]:
    """`messages`, which are a list of objects with a role that is known."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages", "must be a list of messages, and not empty")
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "developer", "user", "assistant", "tool"):
            raise BadRequest(f"messages[{index}].role", f"{role!r} is none of system, user, assistant, tool")
    return messages


def text(message: Mapping[str, Any], index: int) -> str:
    """A message's content as one text; null is none."""
    content, where = message.get("content"), f"messages[{index}].content"
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise BadRequest(where, "must be a text or a list of parts")
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            kind = part.get("type") if isinstance(part, dict) else type(part).__name__
            raise BadRequest(where, f"the model reads text alone, not {kind}")
    return "\n".join(part["text"] for part in content)


def _arguments(function: Mapping[str, Any]) -> str:
    """Arguments as training spells them; those that are no JSON stay as they are."""
    given = function.get("arguments") or "{}"
    try:
        return json.dumps(json.loads(given) if isinstance(given, str) else given, ensure_ascii=False)
    except ValueError:
        return str(given)


def _add(turns: list[Message], role: str, content: str) -> None:
    """A further turn; one of the same speaker goes on with the one before, as chat templates want it."""
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += f"\n{content}"
    else:
        turns.append({"role": role, "content": content})
