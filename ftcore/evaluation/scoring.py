"""A reply measured against a case, by the rules of BFCL's own checker, and the shares over many.

The rules are those of bfcl_eval/eval_checker/ast_eval/ast_checker.py for Python, with two differences:
an empty list is right where BFCL accepts no value at all (its checker can pass no reply there), and true
and false are no numbers inside dicts and lists either.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.data.bfcl import Case
from ftcore.evaluation.replies import Call, Reply

Z95 = 1.959963984540054
TYPES = {
    "string": str, "integer": int, "float": float, "boolean": bool,
    "array": list, "tuple": list, "dict": dict, "any": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """What one reply got right.

    right_tool: exactly the tools that are due are called, in any order; right_arguments: and with accepted
    arguments. Both are None where no call is due. refused: a Final Answer and no call, whatever it says.
    """

    well_formed: bool
    right_tool: bool | None
    right_arguments: bool | None
    refused: bool


def score(reply: Reply, case: Case) -> Score:
    """Measure a reply; its form and what it calls count apart, so a stray line costs only well_formed."""
    refused = bool(reply.final_answer) and not reply.calls
    if not case.accepted:
        return Score(reply.well_formed, None, None, refused)
    due = [next(iter(answer.items())) for answer in case.accepted]
    right_tool = Counter(call.name for call in reply.calls) == Counter(name for name, _ in due)
    schemas = {function["name"]: function["parameters"] for function in case.functions}
    fits = [[_fits(call, name, accepted, schemas[name]) for call in reply.calls] for name, accepted in due]
    return Score(reply.well_formed, right_tool, right_tool and _matching(fits), refused)


MEASURES = ("well_formed", "right_tool", "right_arguments", "refused_wrongly", "refused_rightly")


def verdicts(one: Score) -> dict[str, bool]:
    """The measures that a score is about: right_tool, right_arguments and refused_wrongly where a call is
    due, refused_rightly where none is."""
    if one.right_tool is None:
        return {"well_formed": one.well_formed, "refused_rightly": one.refused}
    return {
        "well_formed": one.well_formed,
        "right_tool": one.right_tool,
        "right_arguments": bool(one.right_arguments),
        "refused_wrongly": one.refused,
    }


def summarise(scores: Iterable[Score]) -> dict[str, Any]:
    """`shares` of the MEASURES."""
    return shares([verdicts(one) for one in scores], MEASURES)


def shares(found: Sequence[Mapping[str, bool]], measures: Iterable[str]) -> dict[str, Any]:
    """{"cases": n, measure: {"count", "of", "share", "low", "high"}}, with Wilson's 95 % interval.

    Each over the cases that have a verdict on it; share, low and high are None where there is no such case.
    """
    return {
        "cases": len(found),
        **{name: _share([one[name] for one in found if name in one]) for name in measures},
    }


def wilson(count: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % score interval for `count` successes in `of` > 0 trials (Wilson 1927)."""
    share, z2 = count / of, Z95**2
    centre = share + z2 / (2 * of)
    half = Z95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    low, high = (centre - half) / (1 + z2 / of), (centre + half) / (1 + z2 / of)
    return (0.0 if count == 0 else low), (1.0 if count == of else high)


def standardise(text: str) -> str:
    """BFCL's standardize_string: lower case, without spaces and ,./-_*^, single quotes made double."""
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"')


def _fits(call: Call, name: str, accepted: dict[str, list[Any]], schema: dict[str, Any]) -> bool:
    """Whether a call is the one due; `schema` is the tool's {"properties", "required"}."""
    if call.name != name or call.arguments is None:
        return False
    arguments = call.arguments
    properties, required = schema["properties"], schema.get("required", ())
    if any(name not in properties or name not in accepted for name in arguments):
        return False
    if any(name not in arguments and (name in required or "" not in accepted[name]) for name in accepted):
        return False
    if any(name not in arguments for name in required):
        return False
    return all(_value_fits(value, accepted[name], properties[name]) for name, value in arguments.items())


def _matching(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether every due call (row) can be given a made call (column) of its own: augmenting paths.

    BFCL takes the first that fits, which can fail a right reply when accepted answers overlap.
    """
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(fits)))


def _value_fits(value: Any, accepted: list[Any], schema: dict[str, Any]) -> bool:
    if not accepted:
        return value == []
    kind = schema.get("type", "any")
    expected = TYPES[kind]
    inner = TYPES[(schema.get("items") or {}).get("type", "any")] if kind in ("array", "tuple") else None
    actual = float if kind == "float" and type(value) is int else type(value)
    stated = _stated_type(accepted)
    if actual is not expected:
        # An accepted value of another type than the schema's stands for itself: a null, or a variable's name.
        return actual is stated and _equals_any(value, accepted)
    if inner is not None and not any(_items_typed(value, option, inner) for option in accepted):
        return False
    if stated not in (expected, None):
        return _equals_any(value, accepted)
    if expected is dict:
        return any(_dict_fits(value, option) for option in accepted if option != "")
    if inner is dict:
        return any(_dicts_fit(value, option) for option in accepted)
    if expected is str:
        return standardise(value) in [standardise(option) for option in accepted if isinstance(option, str)]
    if expected is list:
        return any(_same([_plain(v) for v in value], [_plain(o) for o in option]) for option in accepted)
    return _equals_any(value, accepted)


def _stated_type(accepted: list[Any]) -> type | None:
    return next((type(option) for option in accepted if option != ""), None)


def _items_typed(value: list[Any], option: Any, inner: type) -> bool:
    if not isinstance(option, list):
        return True
    stated = _stated_type(option)
    return all(type(item) is inner or (stated is not None and type(item) is stated) for item in value)


def _dict_fits(value: dict[str, Any], option: dict[str, list[Any]]) -> bool:
    known = all(
        key in option and _equals_any(_plain(item), [_plain(o) for o in option[key]])
        for key, item in value.items()
    )
    return known and all(key in value or "" in options for key, options in option.items())


def _dicts_fit(value: list[Any], option: list[dict[str, list[Any]]]) -> bool:
    return len(value) == len(option) and all(
        isinstance(item, dict) and _dict_fits(item, keys) for item, keys in zip(value, option, strict=True)
    )


def _plain(value: Any) -> Any:
    return standardise(value) if isinstance(value, str) else value


def _equals_any(value: Any, options: list[Any]) -> bool:
    return any(_same(value, option) for option in options)


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values in which 1 equals 1.0 and neither equals true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return left == right


def _share(hits: list[bool]) -> dict[str, Any]:
    low, high = wilson(sum(hits), len(hits)) if hits else (None, None)
    return {
        "count": sum(hits),
        "of": len(hits),
        "share": sum(hits) / len(hits) if hits else None,
        "low": low,
        "high": high,
    }
