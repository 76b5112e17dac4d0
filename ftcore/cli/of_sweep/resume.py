"""`ftcore resume SWEEP`: its trials that are not completed go on, and only those."""

import argparse

from ftcore.cli import sweep as launching
from ftcore.cli.of_sweep import words
from ftcore.cli.of_sweep.cancel import put_back
from ftcore.cli.resume import made_with_this
from ftcore.cli.screen import Screen
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError
from ftcore.repeat import frozen
from ftcore.runs import record
from ftcore.sweeps import directory, standing, workers
from ftcore.sweeps.directory import SweepDirectory


def main(flags: argparse.Namespace, sweep: SweepDirectory) -> int:
    """The exit code."""
    found = standing.standings(sweep)
    searches = workers.is_search(sweep)
    numbers = [] if searches else standing.missing(sweep, found)
    left = workers.left(sweep) if searches else len(numbers)
    queued = directory.read(sweep)["cluster"] == "slurm"
    if not flags.force and not (queued and numbers) and standing.going_on(sweep, found):
        allowed = f"{words.command('cancel', sweep)}; --force where that is known to be over"
        doing = "waits or runs, and nothing is missing beside"
        if searches and workers.stop_file(sweep).exists():
            doing, allowed = "was cancelled, and trials under way still save", "in a moment"
        raise RequestError([Problem(sweep.id, doing, allowed)])
    own = searches or queued
    if own and flags.this_code:
        message = "these trials go on with the program that the sweep holds"
        raise RequestError([Problem("--this-code", message, "a new sweep: -m ... --again")])
    screen = Screen(quiet=flags.json)
    if not left:
        screen.say(f"sweep {sweep.id}: {len(found)} trials, nothing is missing")
        return launching.tell_end(sweep, screen, as_json=True) if flags.json else 0
    screen.say(f"sweep {sweep.id}: {left} of {len(found) if numbers else 'its'} trials are missing")
    if searches:
        e = workers.experiment(sweep)
        return launching.launch(sweep, [], e, screen, wait=flags.wait, as_json=flags.json)
    runs = {one.entry.number: sweep.run(one.entry) for one in found}
    first = runs[numbers[0]]
    if not frozen.is_this_program(record.read(first)):
        if not flags.this_code:
            screen.say("the program has changed since: the sweep's own goes on (--this-code takes this one)")
            said = ["resume", sweep.id, "--runs-dir", str(sweep.runs_dir.absolute())]
            return frozen.command(first, [*said, *["--wait"] * flags.wait, *["--json"] * flags.json])
        for number in numbers:
            made_with_this(runs[number])
    for number in numbers:
        put_back(runs[number])
    e = load(first.config)
    return launching.launch(sweep, numbers, e, screen, wait=flags.wait, as_json=flags.json)
