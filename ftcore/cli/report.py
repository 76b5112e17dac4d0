"""`ftcore report RUN [RUN...]`: the page of a run anew, one that compares several, or a sweep's."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ftcore.cli.target import named, one_sweep, only_of_a_sweep
from ftcore.config.errors import Problem, RequestError
from ftcore.report.write import comparison_name, write_comparison, write_report
from ftcore.runs import state
from ftcore.runs.directory import RunDirectory


def main(flags: argparse.Namespace) -> int:
    problems = wrong_place(Path(flags.to), csv=flags.csv) if flags.to is not None else []
    if sweep := one_sweep(flags):
        from ftcore.cli.of_sweep import report

        return report.main(flags, sweep, problems)
    try:
        only_of_a_sweep(flags, "x", "y", "csv")
        runs = named(flags, at_least=1, all_runs=True, or_sweep=True).runs
    except RequestError as error:
        raise RequestError([*error.problems, *problems]) from None
    problems = [*_repeated(runs), *problems]
    if problems:
        raise RequestError(problems)
    to = Path(flags.to) if flags.to is not None else _default(runs)
    try:
        if len(runs) == 1:
            write_report(runs[0], to)
        else:
            for run in runs:
                # A run whose job is gone must not be shown as running.
                state.settled(run)
            write_comparison(runs, to)
    except OSError as error:
        message = f"cannot write to {to}: {error.strerror}"
        raise RequestError(
            [Problem("--to", message, "a file in a folder of yours: --to FILE.html")]
        ) from None
    told = {"id": runs[0].id} if len(runs) == 1 else {"ids": [run.id for run in runs]}
    print(json.dumps({**told, "report": str(to)}, ensure_ascii=False) if flags.json else to)
    return 0


def _default(runs: Sequence[RunDirectory]) -> Path:
    """A run's page lies with the run; a page of several beside their folders, for it belongs to none."""
    if len(runs) == 1:
        return runs[0].report
    return runs[0].path.parent.parent / comparison_name([run.id for run in runs])


def _repeated(runs: Sequence[RunDirectory]) -> list[Problem]:
    """A run compared with itself is a slip of the hand."""
    paths = [run.path.resolve() for run in runs]
    again = dict.fromkeys(run.id for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1)
    return [Problem(one, "named more than once", "each run once") for one in again]


def wrong_place(to: Path, csv: bool = False) -> list[Problem]:
    """What is wrong with the file that was asked for; nothing of a run is overwritten or added to."""
    ends, what = ((".csv",), "table") if csv else ((".html", ".htm"), "page")
    if to.suffix.lower() not in ends:
        return [Problem("--to", f"{to} is no {what}", f"a file that ends in {ends[0]}")]
    if to.is_dir():
        return [Problem("--to", f"{to} is a folder", f"a file that ends in {ends[0]}")]
    if not to.parent.is_dir():
        return [Problem("--to", f"there is no folder {to.parent}", "a file in a folder that exists")]
    inside = [folder for folder in to.resolve().parents if (folder / "record.json").is_file()]
    if inside:
        return [Problem("--to", f"{to} lies in the directory of run {inside[0].name}", "a file elsewhere")]
    return []
