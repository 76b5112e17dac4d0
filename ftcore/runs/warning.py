"""What went wrong without stopping a run."""

from ftcore.runs import record
from ftcore.runs.directory import RunDirectory


def warn(run: RunDirectory, text: str) -> None:
    """Into the log of this process, and into the record for whoever follows the run."""
    print(f"warning: {text}", flush=True)
    record.update(run, lambda entry: entry["attempts"][-1].setdefault("warnings", []).append(text))
