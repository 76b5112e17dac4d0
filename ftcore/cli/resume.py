"""`ftcore resume RUN`: the next attempt of a run that was stopped or failed."""

import argparse
from pathlib import Path

from ftcore.cli.launch import launch
from ftcore.cli.screen import Screen
from ftcore.cli.target import one_run
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError
from ftcore.runs import record
from ftcore.runs.reconcile import OPEN_STATES, reconcile
from ftcore.stages.sequence import missing
from launchers.local import is_alive


def main(flags: argparse.Namespace) -> int:
    run = one_run(flags)
    entry = record.read(run)
    if is_alive(entry["launch"]["job_id"], run.path):
        raise RequestError([Problem(run.id, "is still running")])
    if entry["state"] in OPEN_STATES and entry["attempts"]:
        entry = reconcile(run)
    screen = Screen(quiet=flags.json)
    e = load(run.config)
    if entry["state"] == "completed" and not missing(e, run):
        screen.say(f"run {run.id} is complete; nothing is missing")
        return 0
    return launch(run, e, screen, Path(entry["launch"]["folder"]), as_json=flags.json)
