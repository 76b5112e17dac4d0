"""Put a report where it belongs."""

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from ftcore.report.curves import by_step
from ftcore.report.page import render
from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_text

NAMED = 3
"""Runs whose ids still make a file name that can be read."""


def write_report(run: RunDirectory, to: Path | None = None) -> None:
    """Make `report.html`, or the file `to`, of what the run directory holds now."""
    page = render(
        record.read(run),
        metrics.read(run.metrics),
        read_json(run.evaluation),
        run.config.read_text(encoding="utf-8"),
        [(file.parent.name, read_json(file)) for file in sorted(run.evaluations.glob("*/evaluation.json"))],
    )
    write_text(to or run.report, page)


def write_comparison(runs: Sequence[RunDirectory], to: Path) -> None:
    """Make the file `to` of what the directories of two runs or more hold now."""
    from ftcore.repeat.compare import differences
    from ftcore.report.several import render_several
    from ftcore.report.standing import Entry

    entries = [
        Entry(record.read(run), by_step(metrics.read(run.metrics)), read_json(run.evaluation)) for run in runs
    ]
    words = [_words(run) for run in runs]
    together = [run.id for run in runs]
    folders = dict.fromkeys(f" {where}" for _, where in words if where)
    if len(folders) > 1:
        # Runs of more than one folder go by their paths.
        together, folders = [shlex.quote(str(run.path)) for run in runs], {}
    tail = "".join(folders)
    commands = [("write this page again", f"python -m ftcore report {' '.join(together)}{tail}")]
    if len(runs) == 2:
        commands.append(
            ("the differences on the terminal", f"python -m ftcore diff {' '.join(together)}{tail}")
        )
    again = ["python -m ftcore rerun " + " ".join(filter(None, one)) for one in words]
    write_text(to, render_several(entries, differences(runs), again, commands))


def comparison_name(ids: Sequence[str]) -> str:
    """The file name of a page of these runs: the same for the same runs in the same order."""
    if len(ids) <= NAMED:
        return f"report-{'-'.join(ids)}.html"
    digest = hashlib.sha256(" ".join(ids).encode()).hexdigest()[:8]
    return f"report-{ids[0]}-and-{len(ids) - 1}-more-{digest}.html"


def _words(run: RunDirectory) -> tuple[str, str]:
    """What names the run on a command line: its id, and the folder of runs where that is not the default."""
    folder = run.path.parent.parent
    where = "" if folder.resolve() == Path("runs").resolve() else shlex.quote(f"runs_dir={folder}")
    return run.id, where
