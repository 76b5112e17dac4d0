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
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.runs.reconcile import reconcile
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
        try:
            job = launcher(e).submit(job_spec(e, run, number, folder))
        except SlurmError as error:
            record.end_attempt(run, "failed", str(error))
            raise WorkError(f"not queued: {error}", kept(run), _resume(run, e)) from None
        record.update(run, lambda entry: _started(entry, job.id))
        screen.started(run, number)
        if not wait:
            return _queued(run, e, job, screen, as_json)
        _follow(run, job, run.attempt(number), screen, interrupts)
    entry = reconcile(run)
    if as_json:
        print(json.dumps(entry, indent=2, ensure_ascii=False))
    else:
        for warning in entry["attempts"][-1].get("warnings", []):
            screen.say(f"warning: {warning}")
        screen.ended(run, entry)
    if entry["state"] == "completed":
        return 0
    raise WorkError(_what_failed(entry), kept(run), _resume(run, e))


def _started(entry: record.Record, job_id: str) -> None:
    entry["launch"]["job_id"] = job_id
    entry["attempts"][-1]["job_id"] = job_id


def _queued(run: RunDirectory, e: Experiment, job: Job, screen: Screen, as_json: bool) -> int:
    """What to type to follow a job that goes on by itself."""
    if as_json:
        print(json.dumps(record.read(run), indent=2, ensure_ascii=False))
    screen.say(f"  job {job.id}, queued; nothing here has to stay open")
    for words in ("status", "logs -f", "cancel"):
        command, *flags = words.split()
        line = " ".join(["python -m ftcore", command, run.id, *flags])
        screen.say(f"    {line}{_runs_dir(e)}")
    return 0


def _resume(run: RunDirectory, e: Experiment) -> str:
    return f"python -m ftcore resume {run.id}{_runs_dir(e)}"


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


def _follow(run: RunDirectory, job: Job, attempt: Path, screen: Screen, interrupts: Interrupts) -> None:
    """Show progress until the job is over. Ctrl-C asks it to stop; a second one ends it at once."""
    acted = 0
    with screen.progress(run) as show:
        while job.alive():
            if interrupts.count > acted:
                acted = interrupts.count
                _stop(job, attempt, screen, at_once=acted > 1)
            show()
            time.sleep(POLL_SECONDS)
        show()


def _stop(job: Job, attempt: Path, screen: Screen, *, at_once: bool) -> None:
    write_json(attempt / attempt_files.STOP, {"state": "cancelled", "reason": "stopped by the user"})
    if at_once:
        job.kill()
    else:
        screen.say("stopping: the step under way is finished and saved (Ctrl-C again ends it at once)")
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


def _runs_dir(e: Experiment) -> str:
    return "" if e.runs_dir == "runs" else f" --runs-dir {e.runs_dir}"
