"""`ftcore -m`: expand, check, freeze, submit, follow a sweep."""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ftcore.cli.launch import Interrupts
from ftcore.cli.screen import Screen
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment, SlurmCluster
from ftcore.config.schema.search import Asynchronous
from ftcore.listing.rows import Listing
from ftcore.plan.data import samples_key
from ftcore.plan.preflight import preflight
from ftcore.plan.refusal import Room
from ftcore.repeat.same import data_key
from ftcore.runs.create import Request
from ftcore.sweeps import directory, local, slurm, standing, workers
from ftcore.sweeps.create import create
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.fitting import fitting
from ftcore.sweeps.request import Sweep, Trial, request
from launchers import SlurmError, job_of, slurm_queue

POLL_SECONDS = 1.0
ATTEMPTS = ("attempts",)
"""A key of records, beside those that `standing` looks at."""

Ended = dict[int, tuple[str, int]]
"""Trial -> how its newest attempt ended, and how many there were; of those that are over."""

VALUES = ("lr", "rank", "max_length", "seed", "epochs", "max_steps", "optim", "checkpoint", "logging", "name")
"""Keys that no check of this machine or of the cluster looks at: trials that differ in them alone are
checked once."""


SHOWN = 5
"""Runs that are named where nothing is new."""


def main(flags: argparse.Namespace) -> int:
    """The exit code of `ftcore run -m`."""
    words = one_device(flags.words)
    asked = request(words, flags.config_dir, flags.config_name, skip_invalid=flags.skip_invalid)
    first = asked.trials[0].composed.experiment
    same_size(asked.trials)
    problems = list(dict.fromkeys(p for e in _distinct(asked.trials) for p in preflight(e)))
    if not flags.force:
        asked, refused = fitting(asked, Room(), skip_invalid=flags.skip_invalid)
        problems += refused
    if problems:
        raise RequestError(problems)
    _within_budget(asked, first)
    screen = Screen(quiet=flags.json)
    runs_dir = Path(first.runs_dir)
    command = shlex.join(["python", "-m", "ftcore", *sys.argv[1:]])
    if isinstance(asked.search, Asynchronous):
        screen.say(_described_search(asked, asked.search))
        sweep = create(asked, [], Request(command, os.getcwd()), runs_dir)
        return launch(sweep, [], first, screen, wait=flags.wait, as_json=flags.json)
    new, there = new_trials(asked.trials, runs_dir, flags.again)
    screen.say(_described(asked, new, there))
    if not new:
        screen.say(f"  {', '.join(there[:SHOWN])}{', ...' if len(there) > SHOWN else ''}")
        if flags.json:
            print(json.dumps({"id": None, "reused": there}, indent=2))
        return 0
    sweep = create(asked, new, Request(command, os.getcwd()), runs_dir)
    if there:
        directory.update(sweep, reused=there)
    return launch(sweep, [trial.number for trial in new], first, screen, wait=flags.wait, as_json=flags.json)


def launch(
    sweep: SweepDirectory, numbers: Sequence[int], e: Experiment, screen: Screen, *, wait: bool, as_json: bool
) -> int:
    """Begin with those trials (of a search, with its workers), and follow them where they run here or it is
    asked for."""
    folder = Path(directory.read(sweep)["folder"])
    queued = isinstance(e.cluster, SlurmCluster)
    before = {} if queued and not wait else _ended(standing.standings(sweep, ATTEMPTS))
    try:
        if workers.is_search(sweep):
            jobs = workers.start(sweep)
        else:
            jobs = slurm.submit(sweep, numbers, e, folder) if queued else [local.start(sweep, numbers)]
    except SlurmError as error:
        kept = f"{sweep.path}: {_trials(sweep, numbers)}, frozen"
        raise WorkError(f"not queued: {error}", kept, _resume(sweep)) from None
    screen.say(f"  sweep {sweep.id}: {_trials(sweep, numbers)}, job {', '.join(jobs)}")
    if as_json and (queued and not wait):
        print(json.dumps(directory.read(sweep), indent=2, ensure_ascii=False))
    if queued and not wait:
        screen.say("  queued; nothing here has to stay open")
        for command in ("status", "report", "cancel"):
            screen.say(f"    python -m ftcore {command} {sweep.id}{_runs_dir(sweep)}")
        return 0
    return _follow(sweep, before, screen, as_json)


def _follow(sweep: SweepDirectory, before: Ended, screen: Screen, as_json: bool) -> int:
    """Tell of each trial that ends, until all have; how they stood `before` is not told again."""
    told = dict(before)
    over = {number for number, (state, _) in before.items() if state in ("completed", "pruned")}
    with Interrupts() as interrupts:
        while True:
            found_now = standing.standings(sweep, ATTEMPTS)
            in_all = len(found_now) + workers.to_come(sweep, len(found_now))
            ended = _ended(found_now)
            for one in found_now:
                number = one.entry.number
                if number in ended and told.get(number) != ended[number]:
                    told[number] = ended[number]
                    over.add(number)
                    loss = "" if one.loss is None else f", end loss {one.loss:.4f}"
                    point = " ".join(one.entry.point)
                    screen.say(f"  {len(over)}/{in_all} {point}: {one.state}{loss}")
            if interrupts.count:
                interrupts.count = 0
                screen.say("stopping: trials under way finish their step and save")
                cancel(sweep)
            if not standing.going_on(sweep, found_now):
                break
            time.sleep(POLL_SECONDS)
    return tell_end(sweep, screen, as_json)


def _ended(found: Sequence[standing.Standing]) -> Ended:
    states = ("completed", "failed", "cancelled", "pruned")
    return {
        one.entry.number: (one.state, one.figures.get("attempts") or 0)
        for one in found
        if one.state in states
    }


def tell_end(sweep: SweepDirectory, screen: Screen, as_json: bool) -> int:
    """The best trial and what failed; 0 where all are completed."""
    found_now = standing.standings(sweep)
    winner = standing.best(found_now)
    failed = sum(one.state not in ("completed", "pruned") for one in found_now)
    in_all = len(found_now)
    if workers.is_search(sweep) and (winner or not found_now):
        # Of a search, a trial that failed is a result; one that was not tried is none.
        failed = workers.left(sweep)
        in_all += workers.to_come(sweep, in_all)
    if winner:
        screen.say(f"best: {' '.join(winner.entry.point)}, {_figure(winner)}, run {winner.entry.run}")
    if as_json:
        told = {**directory.read(sweep), "standing": [_plain(one) for one in found_now]}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    if not failed:
        return 0
    raise WorkError(
        f"{failed} of {in_all} trials are not completed",
        f"{in_all - failed} finished trials under {sweep.runs_dir}",
        _resume(sweep),
    )


def cancel(sweep: SweepDirectory, *, at_once: bool = False) -> None:
    """Take back what waits; let trials under way save, or with `at_once` end them."""
    entry = directory.read(sweep)
    if workers.is_search(sweep):
        workers.stop(sweep)
    if job := entry.get("prepare"):
        slurm_queue.cancel(job)
    for job in entry["jobs"]:
        handle = job_of(entry["cluster"], job["id"])
        if at_once:
            if entry["cluster"] == "slurm" or handle.alive():
                handle.kill()
        elif entry["cluster"] == "slurm":
            slurm_queue.cancel_waiting(job["id"])
            if not workers.is_search(sweep):  # whose workers look after their trials
                slurm_queue.signal(job["id"], "TERM")
        elif handle.alive():
            handle.stop()


def _figure(one: standing.Standing) -> str:
    metric, value = one.figures.get("judged.metric"), one.figures.get("judged.value")
    return f"{metric} {value:.4f}" if value is not None else f"end loss {one.loss:.4f}"


def _plain(one: standing.Standing) -> dict[str, object]:
    return {
        "trial": one.entry.number,
        "run": one.entry.run,
        "point": list(one.entry.point),
        "state": one.state,
        **one.figures,
    }


def one_device(words: Sequence[str]) -> list[str]:
    """On this machine trials share its accelerators, one each, unless the words say otherwise."""
    said = any(word.lstrip("+").startswith(("hardware.devices_per_node", "cluster")) for word in words)
    return list(words) if said else [*words, "hardware.devices_per_node=1"]


def _distinct(trials: Sequence[Trial]) -> list[Experiment]:
    """One experiment of each kind that checks can tell apart."""
    kinds: dict[str, Experiment] = {}
    for trial in trials:
        plain = trial.composed.experiment.model_dump(mode="json", exclude=set(VALUES))
        plain["lora"] = plain["lora"]["method"]
        kinds.setdefault(json.dumps(plain), trial.composed.experiment)
    return list(kinds.values())


def same_size(trials: Sequence[Trial]) -> None:
    """RequestError where they have not: the trials of one array do."""
    sizes = {
        (e.nodes, e.hardware.devices_per_node, e.cluster.model_dump_json(), e.runs_dir)
        for e in (trial.composed.experiment for trial in trials)
    }
    if len(sizes) > 1:
        message = "trials of one sweep have the same nodes, devices, cluster and runs_dir"
        raise RequestError([Problem("-m", message, "a sweep for each")])


def _within_budget(asked: Sweep, e: Experiment) -> None:
    limit = asked.search.max_accelerator_hours
    if isinstance(asked.search, Asynchronous):
        return  # its workers count what was used
    if limit is None or not isinstance(e.cluster, SlurmCluster):
        return
    hours = len(asked.trials) * e.world_size * slurm_queue.seconds(e.cluster.time) / 3600
    if hours > limit:
        message = f"up to {hours:.1f} accelerator-hours ({len(asked.trials)} trials x {e.cluster.time})"
        raise RequestError([Problem("search.max_accelerator_hours", message, f"at most {limit:g}")])


def new_trials(trials: Sequence[Trial], runs_dir: Path, again: bool) -> tuple[list[Trial], list[str]]:
    """Trials that nobody asked for before, and the runs of the others."""
    if again or not runs_dir.is_dir():
        return list(trials), []
    listing = Listing(runs_dir)
    known: dict[str, list[tuple[str, str | None]]] = {}
    columns = (listing.column(key) for key in ("config_hash", "id", "data.cache_key"))
    for one, run, data in zip(*columns, strict=True):
        known.setdefault(one, []).append((run, data))
    keys: dict[str, str | None] = {}
    new, there = [], []
    for trial in trials:
        e = trial.composed.experiment
        if run := _on_its_data(e, known.get(config_hash(e), []), keys):
            there.append(run)
        else:
            new.append(replace(trial, number=len(new)))
    return new, there


def _on_its_data(
    e: Experiment, runs: Sequence[tuple[str, str | None]], keys: dict[str, str | None]
) -> str | None:
    """The newest of `runs` (id, key of its data) that saw the data as it is now, as far as that is known."""
    if not runs:
        return None
    shared = samples_key(e)
    if shared not in keys:
        keys[shared] = data_key(e)
    now = keys[shared]
    return next((run for run, then in reversed(runs) if not now or not then or now == then), None)


def _trials(sweep: SweepDirectory, numbers: Sequence[int]) -> str:
    return f"{workers.left(sweep) if workers.is_search(sweep) else len(numbers)} trials"


def _described_search(asked: Sweep, search: Asynchronous) -> str:
    axes = " x ".join(f"{axis.key} ({len(axis.values) or 'interval'})" for axis in asked.axes)
    return f"{asked.search.strategy} over {axes}: {search.trials} trials, {search.workers} at once at most"


def _described(asked: Sweep, new: Sequence[Trial], there: Sequence[str]) -> str:
    axes = " x ".join(f"{axis.key} ({len(axis.values) or 'interval'})" for axis in asked.axes)
    parts = [f"{asked.search.strategy} over {axes}: {len(asked.trials)} trials"]
    parts += [f"{asked.skipped} skipped"] * bool(asked.skipped)
    parts += [f"{len(asked.invalid)} invalid left out"] * bool(asked.invalid)
    parts += [f"{len(there)} there already (--again makes them anew), {len(new)} new"] * bool(there)
    return ", ".join(parts)


def _resume(sweep: SweepDirectory) -> str:
    return f"python -m ftcore resume {sweep.id}{_runs_dir(sweep)}"


def _runs_dir(sweep: SweepDirectory) -> str:
    return "" if str(sweep.runs_dir) == "runs" else f" --runs-dir {sweep.runs_dir}"
