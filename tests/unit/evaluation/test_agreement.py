"""Our scorer against BFCL's own checker: a thousand replies made of real BFCL cases, right and wrong."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ftcore.data.bfcl import Case, load_cases
from ftcore.data.wording import accepted_arguments
from ftcore.evaluation.bfcl_rules import verdict
from ftcore.evaluation.replies import Call, Reply
from ftcore.evaluation.scoring import score

CATEGORIES = (
    "simple_python", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
REPLIES = 1000
AGREED_AT_LEAST = 0.99

Calls = list[Call]


def right(case: Case, dice: random.Random) -> Calls:
    """Calls that are due, of the accepted values any, and optional arguments now and then."""
    schemas = {function["name"]: function for function in case.functions}
    calls = []
    for answer in case.accepted:
        for name, accepted in answer.items():
            arguments = accepted_arguments(schemas[name], accepted)
            for key, options in accepted.items():
                real = [one for one in options if one != "" and not isinstance(one, (dict, list))]
                if real and key in schemas[name]["parameters"]["properties"] and dice.random() < 0.5:
                    arguments[key] = dice.choice(real)
            calls.append(Call(name, arguments))
    return calls


def spelt_otherwise(value: Any, dice: random.Random) -> Any:
    """Strings as BFCL's normalisation may or may not take them for the same, at any depth."""
    if isinstance(value, str):
        changes: list[Callable[[str], str]] = [
            str.upper, str.title, lambda text: text.replace(" ", ""), lambda text: text.replace(",", " , "),
            lambda text: text.replace("'", '"'), lambda text: f"{text}.", lambda text: text.replace("-", "_"),
            lambda text: f"{text}!", lambda text: f"({text})", lambda text: f" {text} ",
        ]  # fmt: skip
        return dice.choice(changes)(value)
    if isinstance(value, list):
        return [spelt_otherwise(one, dice) for one in value]
    if isinstance(value, dict):
        return {key: spelt_otherwise(one, dice) for key, one in value.items()}
    return value


def of_another_type(value: Any, dice: random.Random) -> Any:
    options: list[Any] = [None, str(value), [value], {"value": value}, json.dumps(value), True, 1, 1.0, ""]
    if isinstance(value, (int, float)):
        options += [float(value), int(value), bool(value)] * 2
    return dice.choice(options)


def another_value(value: Any, dice: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return dice.choice([value + 1, -value, value * 10, value + 0.5])
    if isinstance(value, list) and value:
        at = dice.randrange(len(value))
        return dice.choice([
            value[::-1], value[:-1], [*value, value[0]], [],
            [*value[:at], another_value(value[at], dice), *value[at + 1 :]],
        ])  # fmt: skip
    if isinstance(value, dict) and value:
        key = dice.choice(sorted(value))
        return dice.choice([
            {**value, key: another_value(value[key], dice)}, {**value, "more": 1},
            {name: one for name, one in value.items() if name != key}, {},
        ])  # fmt: skip
    return dice.choice(["something else", f"{value} and more", "", "none"])


def change(case: Case, calls: Calls, kind: str, dice: random.Random) -> Calls:
    """The calls with one thing done to them."""
    at = dice.randrange(len(calls))
    call = calls[at]
    arguments = dict(call.arguments or {})
    names = sorted(arguments)
    if kind in ("spelt", "type", "value") and names:
        change = {"spelt": spelt_otherwise, "type": of_another_type, "value": another_value}[kind]
        name = dice.choice(names)
        arguments[name] = change(arguments[name], dice)
    elif kind == "missing" and names:
        del arguments[dice.choice(names)]
    elif kind == "extra":
        schema = next(f for f in case.functions if f["name"] == call.name)["parameters"]["properties"]
        arguments[dice.choice([*schema, "invented"])] = dice.choice(["x", 1, True, None, []])
    elif kind == "name":
        others = [f["name"] for f in case.functions if f["name"] != call.name]
        others += [call.name.upper(), call.name.replace(".", "_"), "invented"]
        return [*calls[:at], Call(dice.choice(others), arguments), *calls[at + 1 :]]
    elif kind == "order":
        return dice.sample(calls, len(calls))
    elif kind == "too few":
        return calls[:-1]
    elif kind == "too many":
        return [*calls, call]
    elif kind == "unreadable":
        return [*calls[:at], Call(call.name, None), *calls[at + 1 :]]
    return [*calls[:at], Call(call.name, arguments), *calls[at + 1 :]]


KINDS = (
    "right", "right", "right", "right", "spelt", "spelt", "type", "value", "missing", "extra", "name",
    "order", "too few", "too many", "unreadable",
)  # fmt: skip


def replies(count: int = REPLIES, seed: int = 20260323) -> Iterator[tuple[str, Case, Reply]]:
    """(what was done, case, reply), drawn evenly from the categories; every fourth with two things done."""
    dice = random.Random(seed)
    cases = {name: load_cases(name) for name in CATEGORIES}
    for number in range(count):
        case = dice.choice(cases[CATEGORIES[number % len(CATEGORIES)]])
        kind = dice.choice(KINDS)
        calls = change(case, right(case, dice), kind, dice)
        if number % 4 == 0 and calls:
            calls = change(case, calls, dice.choice(KINDS), dice) if calls[0].name in names(case) else calls
        yield kind, case, Reply("why", tuple(calls), "", ())


def names(case: Case) -> set[str]:
    return {function["name"] for function in case.functions}


def test_verdicts_on_a_thousand_replies_agree_with_bfcls_checker():
    """Ours says what BFCL's says on 99 in 100 at least; those it does not are known differences."""
    compared, right_ones, apart = Counter(), Counter(), []
    for kind, case, reply in replies():
        ours, theirs = bool(score(reply, case).right_arguments), verdict(reply, case).correct
        compared[case.category] += 1
        right_ones[case.category] += theirs
        if ours != theirs:
            apart.append((case.category, kind, case.id, ours, theirs, reply.calls))
    for category, count in compared.items():
        of_it = sum(one[0] == category for one in apart)
        print(f"{category}: {count} replies, {right_ones[category]} right, {of_it} judged apart")
    assert sum(compared.values()) == REPLIES and set(compared) == set(CATEGORIES)
    assert all(0.15 < right_ones[name] / compared[name] < 0.85 for name in compared), right_ones
    assert len(apart) <= REPLIES * (1 - AGREED_AT_LEAST), apart
    # Where they part, ours is the one that matches calls to answers as a whole, or accepts an empty list.
    assert all(ours and not theirs for *_, ours, theirs, _ in apart), apart
