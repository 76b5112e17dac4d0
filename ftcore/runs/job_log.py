"""What Slurm wrote into the log of a run's job when it ended it; there with and without accounting."""

import re
from datetime import datetime

from ftcore.runs.directory import RunDirectory
from ftcore.runs.record import Record

TIME_LIMIT = re.compile(r"\*\*\* JOB \S+ ON \S+ CANCELLED AT (\S+) DUE TO TIME LIMIT \*\*\*")


def time_limit(run: RunDirectory, entry: Record) -> datetime | None:
    """When the time limit ended the newest attempt; None where it did not."""
    attempt = entry["attempts"][-1]
    log = run.path / "logs" / f"slurm-{attempt.get('job_id')}.log"
    if not log.exists():
        return None
    # A job's attempts share one log; Slurm writes local time without an offset.
    times = TIME_LIMIT.findall(log.read_text(encoding="utf-8", errors="replace"))
    ended = [datetime.fromisoformat(time).astimezone() for time in times]
    return ended[-1] if ended and ended[-1] >= datetime.fromisoformat(attempt["started"]) else None
