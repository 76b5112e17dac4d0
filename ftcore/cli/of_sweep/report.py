"""`ftcore report SWEEP`: a page, a summary or a table of all trials."""

import argparse
import json
from pathlib import Path

from ftcore.config.errors import Problem, RequestError, nearest
from ftcore.report.sweep.trials import as_csv
from ftcore.report.sweep.write import write_sweep
from ftcore.runs.files import write_text
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.importance import importance
from ftcore.sweeps.look import Look


def main(flags: argparse.Namespace, sweep: SweepDirectory, problems: list[Problem]) -> int:
    """The exit code; `problems` is what is wrong with `--to` already."""
    look = Look(sweep)
    problems = [*problems, *wrong_keys(flags, look)]
    if flags.csv and flags.json:
        problems.append(Problem("--csv", "not beside --json"))
    if problems:
        raise RequestError(problems)
    to = Path(flags.to) if flags.to is not None else None
    try:
        if flags.csv:
            return _csv(look, to)
        write_sweep(sweep, look, to or sweep.report, flags.x, flags.y)
    except OSError as error:
        message = f"cannot write to {to or sweep.report}: {error.strerror}"
        raise RequestError(
            [Problem("--to", message, "a file in a folder of yours: --to FILE.html")]
        ) from None
    print(
        json.dumps(told(look, to or sweep.report), ensure_ascii=False) if flags.json else to or sweep.report
    )
    return 0


def wrong_keys(flags: argparse.Namespace, look: Look) -> list[Problem]:
    """What is wrong with `--x` and `--y`."""
    keys = list(look.rows[0].point) if look.rows else []
    problems = [
        Problem(flag, f"{key} is not swept", ", ".join(keys) or "(no trials)", nearest(key, keys))
        for flag, key in (("--x", flags.x), ("--y", flags.y))
        if key is not None and key not in keys
    ]
    if flags.x is not None and flags.x == flags.y:
        problems.append(Problem("--y", f"{flags.y} is --x already", ", ".join(keys)))
    return problems


def told(look: Look, to: Path) -> dict[str, object]:
    """What `--json` says: where the page is, and what stands on it first."""
    best, ranking = look.whole.best, look.whole.ranking
    points, values = [row.point for row in ranking], [row.value or 0.0 for row in ranking]
    found = importance(points, values, maximize=look.aim.maximize)
    return {
        "id": look.told["id"],
        "report": str(to),
        "counts": dict(look.whole.counts),
        "best": best
        and {"trial": best.number, "run": best.run, "point": dict(best.point), "value": best.value},
        "importance": found
        and {"shares": dict(found.shares), "method": found.method, "trials": found.trials},
    }


def _csv(look: Look, to: Path | None) -> int:
    text = as_csv(look.rows, look.aim)
    if to is None:
        print(text, end="")
    else:
        write_text(to, text)
        print(to)
    return 0
