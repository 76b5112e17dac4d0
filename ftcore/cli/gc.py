"""`ftcore gc`: what can go, and with --yes its removal."""

import argparse
import json
import re
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli.rows import print_whole
from ftcore.cli.target import runs_dir_of
from ftcore.cli.transfer import bar
from ftcore.config.errors import Problem, RequestError, WorkError, nearest
from ftcore.gc import whole_runs
from ftcore.gc.candidate import KINDS, Candidate
from ftcore.gc.find import Found, Wanted, find
from ftcore.gc.remove import remove
from ftcore.gc.survey import Survey
from ftcore.runs.directory import folders

AGE = re.compile(r"^(\d{1,5})(m|h|d|w)$")
SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
MB = 1e6


def main(flags: argparse.Namespace) -> int:
    wanted = asked(flags)
    runs_dir = runs_dir_of(flags)
    survey = Survey(runs_dir)
    with bar("looking", len(folders(runs_dir)), quiet=flags.json, in_bytes=False) as advance:
        found = find(survey, wanted, advance)
    stayed = _remove(found.candidates, survey, flags.json) if flags.yes else {}
    gone = [one for one in found.candidates if flags.yes and one not in stayed]
    if flags.json:
        print(json.dumps(_as_json(found, gone, stayed, flags.yes), indent=2, ensure_ascii=False))
    else:
        _show(found, gone, stayed, flags.yes, Console(highlight=False, soft_wrap=True))
    failed = [reason for one, reason in stayed.items() if one.path.exists() and ": " in reason]
    if failed:
        raise WorkError(failed[0], f"{len(stayed)} of {len(found.candidates)}", "python -m ftcore gc --yes")
    return 0


def asked(flags: argparse.Namespace) -> Wanted:
    """What the flags mean. RequestError with every problem."""
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    problems = [Problem(word, "gc takes no run", "flags, runs_dir=FOLDER") for word in words]
    keep, states = _listed(flags.keep), [*_listed(flags.state), *(["failed"] if flags.failed else [])]
    problems += _unknown("--keep", keep, KINDS) + _unknown("--state", states, whole_runs.STATES)
    age = AGE.match(flags.older_than or "0m")
    if age is None:
        problems.append(Problem("--older-than", f"{flags.older_than!r} is no age", "as in 90m, 12h, 30d, 2w"))
    if problems or age is None:
        raise RequestError(problems)
    seconds = int(age[1]) * SECONDS[age[2]]
    kinds = frozenset(KINDS).difference(keep)
    return Wanted(seconds, kinds, tuple(dict.fromkeys(states)), flags.shared_caches)


def _listed(text: str | None) -> list[str]:
    return [word for word in (text or "").split(",") if word]


def _unknown(flag: str, words: list[str], names: tuple[str, ...]) -> list[Problem]:
    return [
        Problem(flag, f"no such thing: {word}", ", ".join(names), nearest(word, names))
        for word in words
        if word not in names
    ]


def _remove(candidates: list[Candidate], survey: Survey, quiet: bool) -> dict[Candidate, str]:
    """Candidates that stayed, with the reason."""
    stayed = {}
    # What makes room without a record to write comes first: the disk may be full.
    order = sorted(candidates, key=lambda one: one.kind in ("checkpoints", "runs"))
    with bar("removing", len(order), quiet=quiet, in_bytes=False) as advance:
        for one in order:
            if reason := remove(one, survey):
                stayed[one] = reason
            advance(1)
    return stayed


def _as_json(found: Found, gone: list[Candidate], stayed: dict[Candidate, str], done: bool) -> dict[str, Any]:
    listed = [one.as_json() | {"removed": one in gone, "stayed": stayed.get(one)} for one in found.candidates]
    return {"done": done, "bytes": sum(one.bytes for one in (gone if done else found.candidates)),
            "found": listed, "stays": found.stays}  # fmt: skip


def _show(
    found: Found, gone: list[Candidate], stayed: dict[Candidate, str], done: bool, console: Console
) -> None:
    if found.candidates:
        table = Table(show_edge=False)
        table.add_column("what")
        table.add_column("where", overflow="fold")
        table.add_column("MB", justify="right")
        table.add_column("it stays because" if done else "why it can go", overflow="fold")
        for one in found.candidates if not done else stayed:
            table.add_row(one.kind, str(one.path), f"{one.bytes / MB:.1f}", stayed.get(one, one.why))
        if table.row_count:
            print_whole(table, console)
    for name, reason in found.stays.items():
        console.print(f"stays: {name}: {reason}", markup=False)
    if done:
        console.print(f"removed {len(gone)}, {sum(one.bytes for one in gone) / MB:.1f} MB")
    elif found.candidates:
        console.print(f"{len(found.candidates)} can go, {found.bytes / MB:.1f} MB; --yes removes them")
    else:
        console.print("nothing can go")
