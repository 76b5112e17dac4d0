"""`ftcore cancel SWEEP`: trials that wait are taken back, those under way save and end."""

import argparse
import json
from contextlib import suppress

from ftcore.cli import sweep as launching
from ftcore.cli.of_sweep import words
from ftcore.config.errors import Problem, RequestError
from ftcore.runs import attempt_files, record, state
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.sweeps import directory, standing, workers
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.standing import Standing
from launchers import job_of

ASKED = {"state": "cancelled", "reason": "the sweep was cancelled"}
UNDER_WAY = ("running", "queued")


def main(flags: argparse.Namespace, sweep: SweepDirectory) -> int:
    """The exit code."""
    found = standing.standings(sweep)
    begun = [one for one in found if one.state in UNDER_WAY and _attempts(sweep, one)]
    never = [one for one in found if one.state in ("created", "queued") and one not in begun]
    if not never and not standing.going_on(sweep, found):
        raise RequestError([Problem(sweep.id, "is over: nothing of it waits or runs")])
    searches = workers.is_search(sweep)
    # First, since what works through the sweep goes on to the next one where the one under way ends.
    taken = [one.entry.number for one in never if not searches and take_back(sweep.run(one.entry))]
    for one in begun if flags.now or not searches else ():  # whose workers look after their trials
        ask(sweep.run(one.entry))
    if flags.now:
        _end(sweep)
    else:
        launching.cancel(sweep)
    under_way = [one.entry.number for one in begun]
    if flags.json:
        print(json.dumps({"id": sweep.id, "cancelled": taken, "asked": under_way}))
        return 0
    how = "end at once" if flags.now else "finish their step, save, and end"
    waiting = f"{len(taken)} trials never began and are cancelled"
    if searches:
        waiting = f"{workers.to_come(sweep, len(found))} points are not asked for now"
    print(f"sweep {sweep.id}: {waiting}; {len(under_way)} {how}")
    print(f"{words.command('resume', sweep)} goes on with them")
    return 0


def ask(run: RunDirectory) -> None:
    """Let the attempt under way know how it is to end: else Slurm would be asked to begin it again."""
    attempt = run.attempt(len(record.read(run)["attempts"]))
    attempt.mkdir(parents=True, exist_ok=True)
    write_json(attempt / attempt_files.STOP, ASKED)


def take_back(run: RunDirectory) -> bool:
    """Cancel a run that has never begun; whether it had not."""

    def change(entry: record.Record) -> None:
        if entry["state"] == "created" and not entry["attempts"]:
            entry["state"] = "cancelled"

    return record.update(run, change)["state"] == "cancelled"


def put_back(run: RunDirectory) -> None:
    """Let a run wait again that was cancelled before it had begun."""

    def change(entry: record.Record) -> None:
        if entry["state"] == "cancelled" and not entry["attempts"]:
            entry["state"] = "created"

    record.update(run, change)


def _attempts(sweep: SweepDirectory, one: Standing) -> bool:
    return bool(record.read(sweep.run(one.entry))["attempts"])


def _end(sweep: SweepDirectory) -> None:
    """At once, what works through the sweep first: it would begin the next trial."""
    launching.cancel(sweep, at_once=True)
    if directory.read(sweep)["cluster"] == "slurm":
        return
    for one in standing.standings(sweep):
        run = sweep.run(one.entry)
        if one.state not in UNDER_WAY or not _attempts(sweep, one):
            continue
        ask(run)
        with suppress(ProcessLookupError):
            if job := record.read(run)["launch"]["job_id"]:
                job_of("local", job).kill()
        state.settled(run)
