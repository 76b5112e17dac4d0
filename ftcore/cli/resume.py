"""`ftcore resume RUN`: the next attempt of a run that was stopped or failed; of a sweep, what is missing."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from ftcore.cli.launch import launch
from ftcore.cli.screen import Screen
from ftcore.cli.target import one_run, one_sweep
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError
from ftcore.repeat import frozen
from ftcore.runs import record, source, state
from ftcore.runs.directory import RunDirectory
from ftcore.runs.liveness import Life
from ftcore.runs.reconcile import reconcile
from ftcore.stages.sequence import missing

ENDING_SECONDS, POLL_SECONDS = 60, 0.5


def main(flags: argparse.Namespace) -> int:
    if sweep := one_sweep(flags):
        from ftcore.cli.of_sweep import resume

        return resume.main(flags, sweep)
    run = one_run(flags, or_sweep=True)
    entry = record.read(run)
    unseen = state.may_be_over(entry) and state.life(run, entry) is Life.UNKNOWN
    if unseen and not flags.force:
        goes_on = f"may still be {entry['state']}: {state.unseen(entry)}, and cannot be seen from here"
        raise RequestError([Problem(run.id, goes_on, "--force, where it is known to be over")])
    if unseen:
        reconcile(run)
    elif not over(run, entry):
        doing = "is still running" if entry["state"] == "running" else "is still queued"
        raise RequestError([Problem(run.id, doing)])
    state.settled(run)
    screen = Screen(quiet=flags.json)
    return go_on(run, screen, as_json=flags.json, wait=flags.wait, this_code=flags.this_code)


def go_on(
    run: RunDirectory,
    screen: Screen,
    *,
    as_json: bool,
    wait: bool,
    this_code: bool = False,
    aside: bool = False,
) -> int:
    """The next attempt of a run that is over, or that never began, with its own program; the exit code.

    `this_code` takes the program as it is now, and the record says so; `aside` keeps stdout free for the
    caller's JSON.
    """
    entry = record.read(run)
    if not frozen.is_this_program(entry):
        if not this_code:
            screen.say("the program has changed since: the run's own is used (resume --this-code: this one)")
            words = ["resume", str(run.path.absolute()), "--runs-dir", str(run.path.parents[1].absolute())]
            return frozen.command(run, [*words, *["--wait"] * wait, *["--json"] * as_json], aside=aside)
        made_with_this(run)
    e = load(run.config)
    if entry["state"] == "completed" and not missing(e, run):
        screen.say(f"run {run.id} is complete; nothing is missing")
        if as_json:
            print(json.dumps(entry, indent=2, ensure_ascii=False))
        return 0
    wait = wait or e.cluster.kind == "local"
    return launch(run, e, screen, _folder(entry, screen), as_json=as_json, wait=wait)


def _folder(entry: record.Record, screen: Screen) -> Path:
    """Where relative paths of the configuration start: where the run was made, or here if that is no more."""
    folder = Path(entry["launch"]["folder"])
    if folder.is_dir():
        return folder
    screen.say(f"{folder} is not here: relative paths start in {Path.cwd()} now")
    return Path.cwd()


def made_with_this(run: RunDirectory) -> None:
    """Let the record say that the program as it is now has a part in the run."""
    record.update(run, _also_made_with(source.identity(source.program())))


def _also_made_with(identity: str) -> Callable[[record.Record], None]:
    def change(entry: record.Record) -> None:
        made_with = entry["code"].setdefault("also_source_sha256", [])
        if identity not in made_with:
            made_with.append(identity)

    return change


def over(run: RunDirectory, entry: record.Record) -> bool:
    """Whether the run's job is gone; waits for one that has said its last word and is about to end."""
    patience = ENDING_SECONDS if entry["state"] in ("cancelled", "failed", "completed") else 0
    deadline = time.monotonic() + patience
    while state.alive(run, entry):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
