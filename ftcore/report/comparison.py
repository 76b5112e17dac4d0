"""evaluation.json as a before-and-after view: measures with intervals, and the cases worth reading."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.config.nested import flat
from ftcore.report import format as fmt
from ftcore.report.charts import Pair, Share, bar_chart

NAMES = {
    "well_formed": "Well formed",
    "right_tool": "Right tool",
    "right_arguments": "Right arguments",
    "refused": "Refused",
    "refused_wrongly": "Refused, a call was due",
    "refused_rightly": "Refused, no call was due",
    "correct": "Correct by BFCL's checker",
    "perplexity": "Perplexity",
}
CHANGES = ("gained", "lost", "closer", "still wrong", "still right", "not judged")
MOST_OF = {"gained": 3, "lost": 3, "closer": 2, "still wrong": 2, "still right": 2, "not judged": 2}


@dataclass(frozen=True)
class Cell:
    """One side of one measure as text: share, count, 95 % interval."""

    share: str = fmt.MISSING
    count: str = ""
    interval: str = ""


@dataclass(frozen=True)
class Measure:
    """One measure before and after. `flips` counts the cases that changed side, `interval` is that of the
    change; empty if unknown."""

    label: str
    base: Cell
    tuned: Cell
    change: str
    flips: str
    interval: str = ""


@dataclass(frozen=True)
class Mark:
    """One score of a reply; `tone` is `yes` where it speaks for the reply and `no` where against it."""

    name: str
    sign: str
    tone: str


@dataclass(frozen=True)
class Reply:
    """One model's reply with its marks."""

    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Case:
    """One evaluated case, side by side."""

    id: str
    category: str
    change: str
    prompt: str
    expected: str
    base: Reply
    tuned: Reply


@dataclass(frozen=True)
class Comparison:
    """All that the page shows of an evaluation."""

    dataset: str
    seconds: str
    measures: tuple[Measure, ...]
    svg: str
    cases: tuple[Case, ...]
    tally: str
    settings: tuple[tuple[str, str], ...]


def compare(evaluation: Mapping[str, Any] | None) -> Comparison | None:
    """The view of an evaluation, or None where there is none."""
    if not isinstance(evaluation, Mapping) or not evaluation:
        return None
    base, tuned = _mapping(evaluation.get("base")), _mapping(evaluation.get("tuned"))
    cases = [case for case in evaluation.get("cases") or () if isinstance(case, Mapping)]
    named = dict.fromkeys((*NAMES, *base, *tuned))
    keys = [key for key in named if share_of(base.get(key)) or share_of(tuned.get(key))]
    pairs = [Pair(measure_name(key), share_of(base.get(key)), share_of(tuned.get(key))) for key in keys]
    changes = _mapping(evaluation.get("difference"))
    measures = [_measure(key, base, tuned, cases, _mapping(changes.get(key))) for key in keys]
    measures += _perplexity(
        base.get("perplexity"), tuned.get("perplexity"), _mapping(changes.get("perplexity"))
    )
    read, tally = _chosen(cases)
    took = (("base", fmt.number(base.get("seconds"))), ("tuned", fmt.number(tuned.get("seconds"))))
    return Comparison(
        dataset=fmt.text(evaluation.get("dataset")),
        seconds=", ".join(f"{side} {fmt.duration(seconds)}" for side, seconds in took if seconds),
        measures=tuple(measures),
        svg=bar_chart(pairs, "Before and after") if pairs else "",
        cases=tuple(read),
        tally=tally,
        settings=tuple(
            (fmt.text(k), fmt.text(v)) for k, v in flat(_mapping(evaluation.get("settings"))).items()
        ),
    )


def change_of(case: Mapping[str, Any]) -> str:
    """Which of CHANGES a case is: gained and lost are whole replies, right in all their marks or not."""
    before, after = _marks(case.get("base_score")), _marks(case.get("tuned_score"))
    if not before or not after:
        return "not judged"
    if all(after):
        return "still right" if all(before) else "gained"
    if all(before):
        return "lost"
    return "closer" if sum(after) > sum(before) else "still wrong"


def _marks(score: Any) -> list[bool]:
    """The scores that say whether a reply was right. Where no call was due, refusing is one of them."""
    score = _mapping(score)
    keys = ("well_formed", "right_tool", "right_arguments", "correct")
    if score.get("right_tool") is None:
        keys += ("refused",)
    return [bool(score[key]) for key in keys if score.get(key) is not None]


def _chosen(cases: Sequence[Mapping[str, Any]]) -> tuple[list[Case], str]:
    """A few cases of every kind, those that got worse included, and how many there are of each."""
    kinds: dict[str, list[Mapping[str, Any]]] = {change: [] for change in CHANGES}
    for case in cases:
        kinds[change_of(case)].append(case)
    read = [_case(case, change) for change, found in kinds.items() for case in found[: MOST_OF[change]]]
    tally = ", ".join(f"{len(found)} {change}" for change, found in kinds.items() if found)
    return read, f"{len(read)} of {len(cases)} cases; in all {tally}" if cases else ""


def _case(case: Mapping[str, Any], change: str) -> Case:
    return Case(
        id=fmt.text(case.get("id")),
        category=fmt.text(case.get("category")),
        change=change,
        prompt=fmt.text(case.get("prompt")),
        expected=fmt.text(case.get("expected")),
        base=_reply(case, "base"),
        tuned=_reply(case, "tuned"),
    )


def _reply(case: Mapping[str, Any], side: str) -> Reply:
    score = _mapping(case.get(f"{side}_score"))
    call_due = score.get("right_tool") is not None
    marks = (_mark(key, value, call_due) for key, value in score.items() if isinstance(value, bool))
    return Reply(fmt.text(case.get(side)), tuple(marks))


def _mark(key: str, value: bool, call_due: bool) -> Mark:
    name = measure_name(key).lower()
    good = value
    if key == "refused":
        name, good = (name if value else "did not refuse"), value != call_due
    return Mark(name, "✓" if good else "✗", "yes" if good else "no")


def _measure(
    key: str, base: Mapping, tuned: Mapping, cases: Sequence[Mapping], difference: Mapping[str, Any]
) -> Measure:
    before, after = share_of(base.get(key)), share_of(tuned.get(key))
    change = fmt.MISSING
    if before and after:
        points = round((after.value - before.value) * 100)
        change = f"{points:+d} points".replace("-", "−") if points else "no change"
    ends = [
        _signed(end * 100)
        for name in ("low", "high")
        if (end := fmt.number(difference.get(name))) is not None
    ]
    return Measure(
        measure_name(key), _cell(base.get(key)), _cell(tuned.get(key)), change, _flips(key, cases),
        " to ".join(ends) if len(ends) == 2 else "",
    )  # fmt: skip


def _perplexity(base: Any, tuned: Any, difference: Mapping[str, Any]) -> list[Measure]:
    """The row of held-out text, where it was read; the change is a share of the base's perplexity."""
    if not _mapping(base) and not _mapping(tuned):
        return []
    ratio, *ends = (fmt.number(difference.get(name)) for name in ("ratio", "low", "high"))
    change = fmt.MISSING if ratio is None else f"{_signed((ratio - 1) * 100, 1)}%"
    known = [_signed((end - 1) * 100, 1) for end in ends if end is not None]
    interval = f"{known[0]} to {known[1]}%" if len(known) == 2 else ""
    return [Measure(measure_name("perplexity"), _foreseen(base), _foreseen(tuned), change, "", interval)]


def _foreseen(side: Any) -> Cell:
    value, low, high, tokens = (
        fmt.number(_mapping(side).get(name)) for name in ("value", "low", "high", "tokens")
    )
    if value is None:
        return Cell()
    interval = (
        f"{fmt.significant(low)} to {fmt.significant(high)}" if low is not None and high is not None else ""
    )
    return Cell(fmt.significant(value), f"{fmt.whole(tokens)} tokens" if tokens is not None else "", interval)


def _signed(value: float, digits: int = 0) -> str:
    text = f"{value:+.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text[1:]


def _flips(key: str, cases: Sequence[Mapping[str, Any]]) -> str:
    # A share of one category is of the cases there are of it.
    own = [case for case in cases if case.get("category") == key]
    name, cases = ("correct", own) if own else (key, cases)
    sides = [
        (_scored(case.get("base_score"), name), _scored(case.get("tuned_score"), name)) for case in cases
    ]
    known = [(bool(a), bool(b)) for a, b in sides if a is not None and b is not None]
    if not known:
        return ""
    on, off = known.count((False, True)), known.count((True, False))
    return f"{on}\u00a0no→yes, {off}\u00a0yes→no" if on or off else "no case changed"


def _scored(score: Any, key: str) -> Any:
    """A case's value for a measure; the two kinds of refusal are one score, told apart by what was due."""
    score = _mapping(score)
    if key in ("refused_wrongly", "refused_rightly"):
        call_due = score.get("right_tool") is not None
        return score.get("refused") if call_due == (key == "refused_wrongly") else None
    return score.get(key)


def _cell(measure: Any) -> Cell:
    share = share_of(measure)
    if share is None:
        return Cell()
    interval = ""
    if share.low is not None and share.high is not None:
        interval = f"{share.low * 100:.0f} to {share.high * 100:.0f}%"
    count = ""
    if measure.get("count") is not None and _total(measure) is not None:
        count = f"{fmt.whole(measure['count'])} of {fmt.whole(_total(measure))}"
    return Cell(fmt.percent(share.value), count, interval)


def share_of(measure: Any) -> Share | None:
    """A measure of evaluation.json as a share with its interval, or None where it holds no finite one."""
    if not isinstance(measure, Mapping):
        return None
    value, count, total = (
        fmt.number(one) for one in (measure.get("share"), measure.get("count"), _total(measure))
    )
    if value is None and count is not None and total:
        value = count / total
    if value is None or not math.isfinite(value):
        return None
    return Share(value, fmt.number(measure.get("low")), fmt.number(measure.get("high")))


def _total(measure: Mapping[str, Any]) -> Any:
    return measure.get("total", measure.get("of"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def measure_name(key: str) -> str:
    """A measure's key as a person reads it."""
    return NAMES.get(key, fmt.text(key).replace("_", " ").capitalize())
