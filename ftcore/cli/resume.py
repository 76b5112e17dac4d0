"""`ftcore resume RUN`: the next attempt of a run that was stopped or failed."""

import argparse
from pathlib import Path

from ftcore.cli.launch import launch
from ftcore.cli.screen import Screen
from ftcore.cli.target import one_run
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError
from ftcore.runs import record, state
from ftcore.stages.sequence import missing


def main(flags: argparse.Namespace) -> int:
    run = one_run(flags)
    entry = record.read(run)
    if state.alive(run, entry):
        doing = "is still queued" if entry["state"] == "queued" else "is still running"
        raise RequestError([Problem(run.id, doing)])
    entry = state.settled(run)
    screen = Screen(quiet=flags.json)
    e = load(run.config)
    if entry["state"] == "completed" and not missing(e, run):
        screen.say(f"run {run.id} is complete; nothing is missing")
        return 0
    wait = flags.wait or e.cluster.kind == "local"
    return launch(run, e, screen, Path(entry["launch"]["folder"]), as_json=flags.json, wait=wait)
