"""`ftcore ls`: the runs there are, those that are asked for, with what is asked of them."""

import argparse
import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from ftcore.cli.rows import show
from ftcore.cli.target import runs_dir_of, sweep_of
from ftcore.config.errors import Problem, RequestError
from ftcore.listing import query
from ftcore.listing.rows import Listing
from ftcore.plan.accuracy import KEYS as EXPECTED
from ftcore.sweeps import directory, table
from ftcore.sweeps.directory import SweepDirectory

COLUMNS = ("run", "name", "state", "created", "job", "attempts", "loss")


def main(flags: argparse.Namespace) -> int:
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    sweep = sweep_of(runs_dir_of(flags), flags.sweep) if flags.sweep else None
    if flags.sweep:
        # Of runs that were imported there is no sweep's directory, but their records name it.
        words.append(f"sweep={sweep.id if sweep else flags.sweep}")
    filters, problems = query.filters(words)
    if flags.csv and flags.json:
        problems.append(Problem("--csv", "not beside --json"))
    if flags.limit is not None and flags.limit < 1:
        problems.append(Problem("--limit", f"{flags.limit} is no number of runs", "1 or more"))
    listing = Listing(runs_dir_of(flags))
    if flags.sweep and sweep is None and flags.sweep not in listing.column("sweep"):
        problems.append(Problem("--sweep", f"no such sweep under {listing.runs_dir}: {flags.sweep}"))
    headings = columns(flags.columns, _swept(sweep) if sweep else ())
    found, unknown = _values(listing, [*headings, *(one.key for one in filters), *_sorted_by(flags.sort)])
    problems += [*unknown, *_wrong(filters, found)]
    if problems:
        raise RequestError(problems)
    rows = _accepted(listing, filters, found)
    for key in _sorted_by(flags.sort):
        values = [found[key][row] for row in rows]
        rows = [rows[place] for place in query.ordered(values, descending=flags.sort.startswith("-"))]
    if flags.limit is not None:
        # Of runs in the order of time the newest are wanted; of sorted ones the first.
        rows = rows[: flags.limit] if flags.sort else rows[-flags.limit :]
    _tell(flags, headings, [[found[key][row] for key in headings] for row in rows], listing, rows)
    listing.remember()
    return 0


def chosen(listing: Listing, words: Sequence[str]) -> list[int]:
    """The rows that the filters `words` accept; RequestError with all that is wrong with those."""
    filters, problems = query.filters(words)
    found, unknown = _values(listing, [one.key for one in filters])
    problems += [*unknown, *_wrong(filters, found)]
    if problems:
        raise RequestError(problems)
    return _accepted(listing, filters, found)


def _wrong(filters: Sequence[query.Filter], found: dict[str, list[Any]]) -> list[Problem]:
    return [
        wrong for one in filters if one.key in found and (wrong := one.problem(found[one.key])) is not None
    ]


def _accepted(listing: Listing, filters: Sequence[query.Filter], found: dict[str, list[Any]]) -> list[int]:
    return [row for row in range(len(listing)) if all(one.accepts(found[one.key][row]) for one in filters)]


def columns(asked: str | None, usual: Sequence[str] = ()) -> list[str]:
    """The headings that `--columns` asks for; with a + before them, beside the usual ones, which `usual` adds
    to."""
    words = [word.strip() for word in (asked or "").split(",") if word.strip()]
    more = not words or any(word.startswith("+") for word in words)
    return list(dict.fromkeys([*((*COLUMNS, *usual) if more else ()), *(word.lstrip("+") for word in words)]))


def _swept(sweep: SweepDirectory) -> list[str]:
    """The keys that the sweep's trials differ in."""
    points = [table.point(entry.point) for entry in directory.trials(sweep)]
    return table.keys_of(directory.read(sweep), points)


def _sorted_by(asked: str | None) -> list[str]:
    return [asked.removeprefix("-")] if asked else []


def _values(listing: Listing, words: list[str]) -> tuple[dict[str, list[Any]], list[Problem]]:
    """Values by key as it was typed, one a run; keys that no run has are wrong where there are runs."""
    # What a plan expects is a column where no run here had a card, too.
    keys = {*listing.keys, *EXPECTED}
    found: dict[str, list[Any]] = {}
    problems = []
    for word in dict.fromkeys(words):
        key = query.resolve(word, keys)
        if isinstance(key, str):
            found[word] = listing.column(key)
        elif len(listing):
            problems.append(key)
        else:
            found[word] = []
    return found, problems


def _tell(
    flags: argparse.Namespace, headings: list[str], cells: list[list[Any]], listing: Listing, rows: list[int]
) -> None:
    if flags.json:
        plain = [{key: _plain(value) for key, value in zip(headings, row, strict=True)} for row in cells]
        print(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    if flags.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(headings)
        writer.writerows([query.shown(value) for value in row] for row in cells)
        return
    console = Console(highlight=False)
    if not rows:
        some = f"none of the {len(listing)} runs under {listing.runs_dir} is so"
        console.print(some if len(listing) else f"no runs under {listing.runs_dir} yet", markup=False)
        return
    show(headings, cells, console)
    hidden = Counter(listing.unseen[row] for row in rows if row in listing.unseen)
    for place, count in hidden.items():
        where = "which does not answer here" if place == "Slurm" else "seen only there"
        console.print(f"unknown: {count} started on {place}, {where}", markup=False, style="dim")


def _plain(value: Any) -> Any:
    """JSON has no nan and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
