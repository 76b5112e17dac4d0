"""`ftcore resume RUN`: the next attempt of a run that was stopped or failed."""

import argparse
import time
from pathlib import Path

from ftcore.cli.launch import launch
from ftcore.cli.screen import Screen
from ftcore.cli.target import one_run
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory
from ftcore.stages.sequence import missing

ENDING_SECONDS, POLL_SECONDS = 60, 0.5


def main(flags: argparse.Namespace) -> int:
    run = one_run(flags)
    entry = record.read(run)
    if not over(run, entry):
        doing = "is still running" if entry["state"] == "running" else "is still queued"
        raise RequestError([Problem(run.id, doing)])
    entry = state.settled(run)
    screen = Screen(quiet=flags.json)
    e = load(run.config)
    if entry["state"] == "completed" and not missing(e, run):
        screen.say(f"run {run.id} is complete; nothing is missing")
        return 0
    wait = flags.wait or e.cluster.kind == "local"
    return launch(run, e, screen, Path(entry["launch"]["folder"]), as_json=flags.json, wait=wait)


def over(run: RunDirectory, entry: record.Record) -> bool:
    """Whether the run's job is gone; waits for one that has said its last word and is about to end."""
    patience = ENDING_SECONDS if entry["state"] in ("cancelled", "failed", "completed") else 0
    deadline = time.monotonic() + patience
    while state.alive(run, entry):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
