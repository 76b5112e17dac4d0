"""One attempt of a run: handed to a launcher, followed to its end, told in the end."""

import json
import signal
import time
from pathlib import Path
from types import FrameType

from ftcore.cli.screen import Screen
from ftcore.config.errors import WorkError
from ftcore.config.schema import Experiment
from ftcore.jobs import job_spec, launcher
from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory, command_line
from ftcore.runs.files import write_json
from ftcore.runs.reconcile import reconcile
from ftcore.stages.sequence import parts
from ftcore.training.checkpoint_files import every as every_checkpoint
from launchers import Job, SlurmError

POLL_SECONDS = 0.15


def launch(
    run: RunDirectory,
    e: Experiment,
    screen: Screen,
    folder: Path,
    *,
    as_json: bool = False,
    wait: bool = True,
) -> int:
    """Start the next attempt of `run`, and with `wait` follow it; the exit code of the command."""
    number = record.begin_attempt(run)
    with Interrupts() as interrupts:
        jobs = _submit(run, e, number, folder)
        screen.started(run, number)
        if not wait:
            return _queued(run, jobs, screen, as_json)
        _follow(run, jobs, screen, interrupts)
    entry = reconcile(run)
    if as_json:
        print(json.dumps(entry, indent=2, ensure_ascii=False))
    else:
        for warning in entry["attempts"][-1].get("warnings", []):
            screen.say(f"warning: {warning}")
        screen.ended(run, entry)
    if entry["state"] == "completed":
        return 0
    raise WorkError(_what_failed(entry), kept(run), command_line("resume", run))


def _submit(run: RunDirectory, e: Experiment, number: int, folder: Path) -> list[Job]:
    """The attempt's job, and the one that waits for it where there are two; in the record as soon as
    they are there."""
    jobs: list[Job] = []
    try:
        for part in parts(e, run):
            after = jobs[-1].id if jobs else None
            jobs.append(launcher(e, part).submit(job_spec(e, run, number, folder, part, after)))
            record.hand_to(run, jobs[0].id, then=jobs[1].id if len(jobs) > 1 else None)
    except SlurmError as error:
        for job in jobs:
            job.kill()
        record.end_attempt(run, "failed", str(error))
        raise WorkError(f"not queued: {error}", kept(run), command_line("resume", run)) from None
    return jobs


def _queued(run: RunDirectory, jobs: list[Job], screen: Screen, as_json: bool) -> int:
    """What to type to follow a job that goes on by itself."""
    if as_json:
        print(json.dumps(record.read(run), indent=2, ensure_ascii=False))
    then = "".join(f", then {job.id} (merge, evaluate)" for job in jobs[1:])
    screen.say(f"  job {jobs[0].id}{then}, queued; nothing here has to stay open")
    for name, *more in (("status",), ("logs", "-f"), ("cancel",)):
        screen.say(f"    {command_line(name, run, *more)}")
    return 0


class Interrupts:
    """Counts Ctrl-C and SIGTERM instead of dying of them, so that no job is left without a record of it."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "Interrupts":
        both = (signal.SIGINT, signal.SIGTERM)
        self._before = {number: signal.signal(number, self._note) for number in both}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


def _follow(run: RunDirectory, jobs: list[Job], screen: Screen, interrupts: Interrupts) -> None:
    """Show progress until all jobs are over. Ctrl-C asks for a stop; a second one ends them at once."""
    acted = 0
    with screen.progress(run) as show:
        while going := [job for job in jobs if job.alive()]:
            if interrupts.count > acted:
                acted = interrupts.count
                attempt = run.attempt(len(record.read(run)["attempts"]))
                _stop(going, attempt, screen, at_once=acted > 1)
            show()
            time.sleep(POLL_SECONDS)
        show()


def _stop(jobs: list[Job], attempt: Path, screen: Screen, *, at_once: bool) -> None:
    write_json(attempt / attempt_files.STOP, {"state": "cancelled", "reason": "stopped by the user"})
    if not at_once:
        screen.say("stopping: the step under way is finished and saved (Ctrl-C again ends it at once)")
    for job in jobs:
        if at_once:
            job.kill()
        else:
            job.stop()


def _what_failed(entry: record.Record) -> str:
    error = entry["error"]
    attempt = entry["attempts"][-1]
    if error is None:
        return f"run {entry['id']} is {entry['state']}: {attempt['reason']}"
    where = f"stage {error['stage']}, rank {error['rank']}, node {error['node']}"
    return f"{error['type']}: {error['message']} ({where})"


def kept(run: RunDirectory) -> str:
    """What a stopped or failed run has on disk."""
    checkpoints = every_checkpoint(run.checkpoints)
    parts = [str(run.path)]
    if checkpoints:
        parts.append(f"checkpoint {checkpoints[-1].name}")
    return ", ".join(parts)
