"""`ftcore export RUN...`: runs as one file."""

import argparse
import json
from pathlib import Path

from ftcore.archive.layout import COMPRESSED, PLAIN
from ftcore.archive.write import Item, check_target, default_name, items, write
from ftcore.cli.target import named
from ftcore.cli.transfer import bar
from ftcore.config.errors import Problem, RequestError
from ftcore.gc.survey import going_on
from ftcore.runs import state
from ftcore.runs.directory import RunDirectory


def main(flags: argparse.Namespace) -> int:
    runs = list({run.path.resolve(): run for run in named(flags, at_least=1, all_runs=True).runs}.values())
    suffix = PLAIN if flags.weights or flags.checkpoints else COMPRESSED
    target = Path(flags.to or default_name(runs, suffix))
    problems = _named(target) + [problem for run in runs for problem in _going_on(run)]
    content = items(runs, flags.weights, flags.checkpoints)
    problems += check_target(target, content, flags.force)
    if problems:
        raise RequestError(problems)
    size = sum(item.size for item in content)
    with bar("exporting", size, quiet=flags.json) as advance:
        write(runs, content, target, advance)
    if flags.json:
        told = {"file": str(target), "bytes": target.stat().st_size, "files": len(content)}
        print(json.dumps({**told, "runs": [run.id for run in runs]}, ensure_ascii=False))
    else:
        print(f"{target}: {_counted(runs, content)}, {target.stat().st_size / 1e6:.1f} MB")
        print(f"  there: python -m ftcore import {target.name}")
    return 0


def _named(target: Path) -> list[Problem]:
    endings = (COMPRESSED, PLAIN)
    if target.name.endswith(endings):
        return []
    return [Problem("--to", f"{target.name}: its ending says how it is packed", ", ".join(endings))]


def _going_on(run: RunDirectory) -> list[Problem]:
    """A run that still writes has no state that would be its own: metrics, logs and record move apart."""
    entry = state.settled(run)
    if going_on(run, entry):
        return [Problem(run.id, f"is {entry['state']}: wait for its end, or cancel it")]
    return []


def _counted(runs: list[RunDirectory], content: list[Item]) -> str:
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {len(content)} files"
