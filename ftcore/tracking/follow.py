"""`python -m ftcore.tracking.follow RUN [STEP]`: follows a run's files until its input is closed.

Whatever a tracker does wrong ends this process alone: that is the one place where it is caught. Standard
input is a pipe that the worker holds open as long as it lives.
"""

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ftcore.config.compose import load
from ftcore.config.schema import Experiment
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.warning import warn
from ftcore.tracking.backends import Backend, connect
from ftcore.tracking.contents import CLOSED, hashes, identity, outcome, step_scalars
from ftcore.tracking.files import NewLines, Sent, read_sent, write_sent
from ftcore.tracking.process import WARNED

POLL_SECONDS = 1.0
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""They reach the whole job; the worker decides when it ends."""


Connect = Callable[[Experiment, RunDirectory, Sent, dict[str, str]], Backend]


def main(words: list[str]) -> int:
    """Exit code: 0, or `WARNED` where the tracker failed."""
    run = RunDirectory(Path(words[0]))
    goes_on_after = int(words[1]) if len(words) > 1 else None
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    e = load(run.config)

    def ended() -> bool:
        if not select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
            return False
        # Should the worker be gone, nobody else ends this process.
        signal.alarm(int(e.tracker.flush_seconds) + 10)
        return True

    return guarded(e, run, goes_on_after, ended, connect)


def guarded(
    e: Experiment, run: RunDirectory, goes_on_after: int | None, ended: Callable[[], bool], connect: Connect
) -> int:
    """`follow`, whose failure is told in the record; gives the exit code."""
    try:
        follow(e, run, goes_on_after, ended, connect)
    except Exception as error:
        traceback.print_exc()
        warn(run, f"tracker {e.tracker.kind} is left out: {_first_line(error)}")
        return WARNED
    return 0


def follow(
    e: Experiment, run: RunDirectory, goes_on_after: int | None, ended: Callable[[], bool], connect: Connect
) -> None:
    """Hand everything of the run to its tracker until `ended()`, which waits a moment each time.

    Steps after `goes_on_after` are sent anew: training was taken back there.
    """
    before = read_sent(run)
    if before.kind not in (None, e.tracker.kind):
        before = Sent()
    if goes_on_after is not None:
        before = replace(before, step=min(before.step, goes_on_after))
    asked = record.read(run)
    names = identity(asked, str(run.path))
    backend = connect(e, run, before, names)
    sent = Sent(e.tracker.kind, backend.id, before.step)
    write_sent(run, sent)
    backend.parameters(e.model_dump(mode="json"), names)
    lines, over = NewLines(run.metrics), False
    while not over:
        over = ended()
        fresh = [line for line in lines if line["step"] > sent.step]
        if fresh or over:
            entry = record.read(run)
            if len(entry["attempts"]) != len(asked["attempts"]):
                return  # a newer attempt has begun elsewhere: the tracker is its own
        for line in fresh:
            backend.scalars(step_scalars(line), line["step"])
            sent = replace(sent, step=line["step"])
        if fresh:
            write_sent(run, sent)
    if entry["state"] in CLOSED:
        backend.scalars(outcome(entry), sent.step)
        backend.files(run, hashes(entry))
    backend.close(entry["state"])


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        # Past the exit handlers of a library that has failed: they would try, and wait, once more.
        os._exit(code)
