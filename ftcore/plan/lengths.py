"""How many rows, tokens and samples data will have, from a few of its rows, before it is prepared."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ftcore.config import schema
from ftcore.config.schema import Experiment
from ftcore.config.xtuner.data import UNTEMPLATED
from ftcore.data.best_fit import bins
from ftcore.data.encode import Encoded, Encoder
from ftcore.data.errors import DataError, RowError
from ftcore.data.light_tokenizer import Counter, counters
from ftcore.data.source import asked_of_bfcl
from ftcore.data.sources import FORMATS, Record, function_calls
from ftcore.data.sources.files import data_files
from ftcore.data.spread import Spread, of_records, spread
from ftcore.data.templates import prompt_template

DEVIATIONS = 2.0
"""Of a range to either side: 19 of 20 samples have the truth in it."""

PACKED = 8192
"""Rows that are packed to learn how full samples get."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is likely, and between what it lies."""

    low: int
    likely: int
    high: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of an epoch; the three ranges are points where every row was looked at by the model's own tokenizer."""

    rows: Range
    """That are left to train on."""

    tokens: Range
    samples: Range
    """Sequences as they are trained on: packed, or one a row."""

    longest: int
    """Tokens of the longest sequence that was looked at."""

    labelled: float
    """Share of the tokens that carry a label."""

    looked_at: int
    """Rows."""

    tokenizer: bool
    """The model's own counted; otherwise a rule about characters did."""

    whole: bool
    """Every row was looked at."""

    head: bool
    """Of some files only the beginning was."""

    unreadable: tuple[str, ...]
    """Why, of each row that was looked at and cannot be read."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What became of one row: the lengths of its sequences, and how many tokens carry a label."""

    size: int
    lengths: tuple[int, ...]
    labelled: int
    wrong: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One source, by one count."""

    spread: Spread
    drawn: list[_Row]
    share: float
    """Of all its rows, those that are trained on: `max_rows`."""

    def all(self, of: Sequence[float]) -> tuple[float, float]:
        """The sum over all rows of what `of` has of the drawn ones, and its standard error.

        Estimated by the ratio to bytes, or where all rows were counted to rows, whichever is more exact
        (Cochran, Sampling Techniques, chapter 6).
        """
        if self.spread.whole or not self.drawn:
            return sum(of), 0.0
        found = [_ratio(of, [row.size for row in self.drawn], self.spread.bytes)]
        if self.spread.rows is not None:
            found.append(_ratio(of, [1] * len(self.drawn), self.spread.rows))
        likely, error = min(found, key=lambda one: one[1])
        return self.share * likely, self.share * error


def _ratio(of: Sequence[float], to: Sequence[int], whole: int) -> tuple[float, float]:
    """`whole`, of which `to` is a sample, times their ratio; and its standard error."""
    n, ratio = len(to), sum(of) / sum(to)
    squares = sum((value - ratio * size) ** 2 for value, size in zip(of, to, strict=True))
    return ratio * whole, whole / sum(to) * math.sqrt(n * squares / max(1, n - 1))


def lengths(e: Experiment) -> Lengths:
    """Of the training data of `e`; DataError says why nothing is known. Nothing is fetched or written."""
    drawn = {key: _drawn(e, key, source) for key, source in e.data.sources().items()}
    templated = any(source.format not in UNTEMPLATED for source in e.data.sources().values())
    template = prompt_template(e.model.template) if templated else {}
    by = counters(e.model)
    counts = [_counted(e, drawn, template, counter) for counter in by]
    middle = counts[len(counts) // 2]
    if not middle.tokens.likely:
        why = f" ({middle.unreadable[0]})" if middle.unreadable else ""
        raise DataError(f"of the rows that were looked at none is left to train on{why}")
    return Lengths(
        rows=_joined([one.rows for one in counts]),
        tokens=_joined([one.tokens for one in counts]),
        samples=_joined([one.samples for one in counts]),
        longest=middle.longest,
        labelled=middle.labelled,
        looked_at=middle.looked_at,
        tokenizer=by[0].exact,
        whole=middle.whole,
        head=middle.head,
        unreadable=middle.unreadable,
    )


def _joined(ranges: Sequence[Range]) -> Range:
    return Range(ranges[0].low, ranges[len(ranges) // 2].likely, ranges[-1].high)


def _drawn(e: Experiment, key: str, source: schema.Source) -> Spread:
    if source.hub is not None:
        raise DataError(f"{source.path} is a hub's dataset: a plan fetches nothing")
    if source.format == "function_calls":
        questions = function_calls.load(source.categories, asked_of_bfcl(e.evaluation), e.seed)
        return of_records(list(function_calls.records(questions)))
    if source.path is None:
        raise DataError(f"{f'data.{key}'.rstrip('.')}.path is null")
    form = FORMATS[source.format]
    return spread(source.format, data_files(source.path, form.suffixes, form.deep))


def _counted(e: Experiment, drawn: dict[str, Spread], template: dict, counter: Counter) -> Lengths:
    encoder = Encoder(counter.encode, template, counter.bos, counter.eos, e.max_length, e.model.bot_name)
    sources = e.data.sources()
    parts = [_part(e, sources[key], one, encoder) for key, one in drawn.items()]
    rows = _range(part.all([float(bool(row.lengths)) for row in part.drawn]) for part in parts)
    if not all(part.spread.whole for part in parts):
        # None of n left out is no proof that none of all is: at most 3 of n are (the rule of three).
        low = round(rows.likely * (1 - 3 / sum(len(part.drawn) for part in parts)))
        rows = Range(min(rows.low, max(0, low)), rows.likely, rows.high)
    tokens = _range(part.all([float(sum(row.lengths)) for row in part.drawn]) for part in parts)
    sequences = _range(part.all([float(len(row.lengths)) for row in part.drawn]) for part in parts)
    every = [row for part in parts for row in part.drawn]
    seen = sum(sum(row.lengths) for row in every)
    return Lengths(
        rows=rows,
        tokens=tokens,
        samples=_packed(e, parts, tokens, sequences.likely) if e.data.packing else _alone(rows, sequences),
        longest=max((length for row in every for length in row.lengths), default=0),
        labelled=sum(row.labelled for row in every) / seen if seen else 0.0,
        looked_at=len(every),
        tokenizer=counter.exact,
        whole=all(part.spread.whole for part in parts),
        head=any(part.spread.head for part in parts),
        unreadable=tuple(row.wrong for row in every if row.wrong),
    )


def _part(e: Experiment, source: schema.Source, found: Spread, encoder: Encoder) -> _Part:
    records, kept = list(found.records), source.max_rows
    if found.whole and kept is not None and kept < len(records):
        # As `ftcore.data.source` draws them.
        chosen = sorted(random.Random(e.seed).sample(range(len(records)), kept))
        records = [records[at] for at in chosen]
    rows = list(_encoded(e, source.format, records, encoder))
    share = 1.0
    if not found.whole and kept is not None and records:
        there = found.rows or found.bytes * len(records) / sum(record.size for record in records)
        share = min(1.0, kept / there)
    return _Part(found, rows, share)


def _encoded(e: Experiment, format: str, records: Sequence[Record], encoder: Encoder) -> Iterator[_Row]:
    """A row of nothing where it cannot be read; as `ftcore.data.tokenise` keeps and drops."""
    parsed = []
    for record in records:
        try:
            parsed.append((record, FORMATS[format].parse(record)))
        except RowError as error:
            yield _Row(record.size, (), 0, f"{record.file}: {error}")
    encoded = encoder.rows([row for _, row in parsed])
    for (record, _), sequences in zip(parsed, encoded, strict=True):
        kept = _kept(e, sequences)
        yield _Row(
            record.size,
            tuple(len(one.input_ids) for one in kept),
            sum(sum(one.trained[1:]) for one in kept),
        )


def _kept(e: Experiment, sequences: Sequence[Encoded]) -> list[Encoded]:
    if e.data.long_rows == "drop" and any(one.cut for one in sequences):
        return []
    return [one for one in sequences if one.teaches]


def _range(found: Iterator[tuple[float, float]]) -> Range:
    sums, errors = zip(*found, strict=True)
    likely, error = sum(sums), DEVIATIONS * math.hypot(*errors)
    return Range(max(0, round(likely - error)), round(likely), round(likely + error))


def _alone(rows: Range, sequences: Range) -> Range:
    """A sample a sequence: no fewer than there may be rows."""
    return Range(min(rows.low, sequences.low), sequences.likely, sequences.high)


def _packed(e: Experiment, parts: Sequence[_Part], tokens: Range, sequences: int) -> Range:
    """Samples of so many tokens, as full as packing makes the rows that were drawn."""
    pools = [[length for row in part.drawn for length in row.lengths] for part in parts]
    if all(part.spread.whole for part in parts):
        # An epoch's very rows: bad ones, which are listed first, have no length.
        every = [length for pool in pools for length in pool]
        count = bins(every, e.max_length)
        return Range(count, count, count)
    weights = [part.all([len(row.lengths) for row in part.drawn])[0] for part in parts]
    draw, wanted = random.Random(0), min(PACKED, max(1, sequences))
    rows: list[int] = []
    for pool, weight in zip(pools, weights, strict=True):
        if pool:
            rows += draw.choices(pool, k=max(1, round(wanted * weight / sum(weights))))
    if not rows:
        return Range(0, 0, 0)
    full = sum(rows) / bins(rows, e.max_length)
    low, likely, high = (math.ceil(count / full) for count in (tokens.low, tokens.likely, tokens.high))
    return Range(low, likely, high)
