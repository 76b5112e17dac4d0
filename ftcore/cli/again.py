"""What is said to somebody who asks for an experiment that was asked for before."""

import argparse
import json

from ftcore.cli import resume
from ftcore.cli.screen import Screen
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory, command_line
from ftcore.runs.reconcile import OPEN_STATES

AGAIN = "--again makes a new run all the same"


def answer(run: RunDirectory, flags: argparse.Namespace, screen: Screen) -> int:
    """Show the finished run, point at the one under way, or go on with the unfinished one; the exit code."""
    entry = state.settled(run)
    if entry["state"] == "completed":
        screen.say(f"  the same experiment is finished: run {run.id} of {entry['created']}; {AGAIN}")
        screen.ended(run, entry)
    elif entry["state"] in OPEN_STATES:
        screen.say(f"  the same experiment is {entry['state']}: run {run.id}; {AGAIN}")
        for name, *more in (("status",), ("logs", "-f")):
            screen.say(f"    {command_line(name, run, *more)}")
    else:
        screen.say(f"  the same experiment is {entry['state']}: goes on with run {run.id}; {AGAIN}")
        return resume.go_on(run, screen, as_json=flags.json, wait=flags.wait)
    if flags.json:
        print(json.dumps(record.read(run), indent=2, ensure_ascii=False))
    return 0
