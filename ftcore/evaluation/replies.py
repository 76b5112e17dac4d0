"""A model's reply in Thought / Action / Action Input, or Thought / Final Answer, form, parsed."""

import json
import re
from dataclasses import dataclass
from typing import Any

LABEL = re.compile(r"^[ \t]*(Thought|Action[ \t]+Input|Action|Final[ \t]+Answer)[ \t]*[:：]", re.MULTILINE)
# A model that was not stopped at the end of its turn goes on with a turn that is not its own.
STOP = re.compile(r"<\|(?:im_end|endoftext|eot_id|end_of_text|end|im_start)\|>|</s>")
FENCE = re.compile(r"```[A-Za-z]*\s*")


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; `arguments` is None where the Action Input is missing or no JSON object."""

    name: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply's text says, as far as it can be read, and everything that is wrong with its form.

    thought and final_answer are "" where they are absent.
    """

    thought: str
    calls: tuple[Call, ...]
    final_answer: str
    problems: tuple[str, ...]

    @property
    def well_formed(self) -> bool:
        """Exactly a Thought and calls with JSON objects, or exactly a Thought and a Final Answer."""
        return not self.problems


def parse_reply(text: str) -> Reply:
    """Parse any text; never raises, what does not fit is named in `problems`.

    Forgiven: CRLF, full-width colons after a label, a code fence round the JSON, and whatever follows a
    stop token. Not forgiven: other text around the form, since an agent that reads it would act on it.
    """
    before, sections = _sections(text)
    problems = ["text before the first label"] if before.strip() else []
    problems += [f"empty {kind}" for kind, body in sections if not body]
    kinds = [kind for kind, _ in sections]
    thoughts = [body for kind, body in sections if kind == "Thought"]
    finals = [body for kind, body in sections if kind == "Final Answer"]
    calls = _calls(sections, problems)
    if len(thoughts) != 1:
        problems.append("more than one Thought" if thoughts else "no Thought")
    if "Thought" in kinds[1:]:
        problems.append("Thought after another part")
    if len(finals) > 1:
        problems.append("more than one Final Answer")
    if calls and finals:
        problems.append("both an Action and a Final Answer")
    if not calls and not finals:
        problems.append("neither an Action nor a Final Answer")
    return Reply("\n".join(thoughts), tuple(calls), "\n".join(finals), tuple(problems))


def _sections(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text before the first label, and each label with what stands up to the next."""
    text = STOP.split(text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), maxsplit=1)[0]
    before, *rest = LABEL.split(text)
    parts = zip(rest[::2], rest[1::2], strict=True)
    return before, [(" ".join(kind.split()), body.strip()) for kind, body in parts]


def _calls(sections: list[tuple[str, str]], problems: list[str]) -> list[Call]:
    """Every Action with the Action Input right after it; what does not pair up is added to `problems`."""
    calls: list[Call] = []
    for (before, _), (kind, body), (after, content) in zip(
        [("", ""), *sections], sections, [*sections[1:], ("", "")], strict=False
    ):
        if kind == "Action Input" and before != "Action":
            problems.append("Action Input without an Action")
        if kind != "Action":
            continue
        name, _, rest = body.partition("\n")
        arguments, problem = None, f"Action {name!r} without an Action Input"
        if after == "Action Input":
            arguments, problem = _arguments(content)
        problems += [text for text in (problem, rest and "text after the name in Action") if text]
        calls.append(Call(name.strip(), arguments))
    return calls


def _arguments(body: str) -> tuple[dict[str, Any] | None, str]:
    """The JSON object that an Action Input holds, or None; and what is wrong, or ""."""
    fence = FENCE.match(body)
    body = body[fence.end() :] if fence else body
    if not body.startswith("{"):
        return None, "Action Input is not a JSON object"
    try:
        arguments, end = json.JSONDecoder(parse_constant=_no_constant).raw_decode(body)
    except (ValueError, RecursionError) as error:
        return None, f"Action Input is not valid JSON: {error}"
    rest = body[end:].strip()
    rest = rest.removeprefix("```").strip() if fence else rest
    return arguments, "text after the JSON in Action Input" if rest else ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
