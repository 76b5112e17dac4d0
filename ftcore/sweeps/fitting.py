"""Trials that cannot fit their card, told at once before any is queued."""

from dataclasses import replace

from ftcore.config.errors import Problem
from ftcore.config.schema.search import Asynchronous
from ftcore.plan.memory import Memory
from ftcore.plan.refusal import FORCE, Room
from ftcore.sweeps.request import SHOWN, Sweep, Trial


def fitting(asked: Sweep, room: Room, *, skip_invalid: bool) -> tuple[Sweep, list[Problem]]:
    """`asked`, and what is wrong with its trials that cannot fit; with `skip_invalid` it is without them.

    A search finds out by itself that a trial fails: it is refused where none of its values fits.
    """
    over = [(one, found) for one in asked.trials if (found := room.needs_more(one.composed.experiment))]
    if not over:
        return asked, []
    every = len(over) == len(asked.trials)
    if isinstance(asked.search, Asynchronous):
        return asked, (_told(over[:1], room) if every else [])
    if skip_invalid and not every:
        numbers = {trial.number for trial, _ in over}
        kept = [trial for trial in asked.trials if trial.number not in numbers]
        kept = [replace(trial, number=number) for number, trial in enumerate(kept)]
        left_out = tuple(Problem("hardware.memory_gib", _where(trial, found)) for trial, found in over)
        return replace(asked, trials=tuple(kept), invalid=(*asked.invalid, *left_out)), []
    problems = _told(over[:SHOWN], room)
    if (more := len(over) - SHOWN) > 0:
        problems.append(Problem("-m", f"and {more} more", f"--skip-invalid leaves them out; {FORCE}"))
    return asked, problems


def _told(over: list[tuple[Trial, Memory]], room: Room) -> list[Problem]:
    problems = []
    for trial, found in over:
        one = room.problem(trial.composed.experiment, found)
        problems.append(replace(one, message=f"{one.message} (in {' '.join(trial.point)})"))
    return problems


def _where(trial: Trial, found: Memory) -> str:
    return f"{found.peak.allocated / 2**30:.1f} GiB needed at the peak (in {' '.join(trial.point)})"
