"""Put a run's report where it belongs."""

from ftcore.report.page import render
from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_text


def write_report(run: RunDirectory) -> None:
    """Make `report.html` of what the run directory holds now."""
    page = render(
        record.read(run),
        metrics.read(run.metrics),
        read_json(run.evaluation),
        run.config.read_text(encoding="utf-8"),
    )
    write_text(run.report, page)
