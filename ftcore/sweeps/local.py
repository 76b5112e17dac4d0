"""A sweep on this machine: as many trials at once as fit on its accelerators, on a CPU one after another.

`python -m ftcore.sweeps.local SWEEP NUMBER...` is a process of its own session: closing the terminal that
started it ends nothing. SIGTERM lets trials under way save; the others stay as they are.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from ftcore.config.compose import load
from ftcore.config.schema import Experiment
from ftcore.hardware.detect import this_machine
from ftcore.jobs import job_spec
from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.runs.reconcile import reconcile
from ftcore.sweeps import directory, prepare
from ftcore.sweeps.directory import SweepDirectory, TrialEntry, trials
from launchers import Job, LocalLauncher

POLL_SECONDS = 0.2
AGAIN_SECONDS = 10.0
"""Before a trial that was asked to stop is asked again: its processes may not have listened yet."""

ASKED = {"state": "cancelled", "reason": "the sweep was cancelled"}
VISIBLE = {"cuda": "CUDA_VISIBLE_DEVICES", "dcu": "HIP_VISIBLE_DEVICES"}


def start(sweep: SweepDirectory, numbers: Sequence[int]) -> str:
    """Begin working through those trials; the process id of what does."""
    sweep.logs.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "ftcore.sweeps.local", str(sweep.path.absolute()), *map(str, numbers)]
    with (sweep.logs / "local.log").open("ab") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    job = {"id": str(process.pid), "host": os.uname().nodename, "tasks": len(numbers)}
    directory.update(sweep, jobs=[*directory.read(sweep)["jobs"], job])
    return str(process.pid)


@dataclass(slots=True)
class Slot:
    """Accelerators that one trial has for itself."""

    devices: tuple[int, ...]
    job: Job | None = None
    run: RunDirectory | None = None
    asked_at: float | None = None
    """When its trial was last asked to stop, on the monotonic clock."""


class Controller:
    """Trials on slots."""

    def __init__(self, sweep: SweepDirectory, entries: Sequence[TrialEntry]) -> None:
        self.sweep, self.left = sweep, list(entries)
        self.folder = Path(directory.read(sweep)["folder"])
        self.stopping = False
        self.slots = slots(load(sweep.run(entries[0]).config)) if entries else []

    def prepare(self) -> None:
        """What trials share, once, where several would otherwise prepare it beside each other."""
        if len(self.slots) > 1 and (configs := prepare.shared([self.sweep.run(one) for one in self.left])):
            prepare.here(self.folder, configs, lambda: self.stopping)

    def work(self) -> None:
        """Until every trial is over, or a stop was asked for and those under way have saved."""
        while self.left or any(slot.job for slot in self.slots):
            for slot in self.slots:
                self._look(slot)
                if slot.job is None and self.left and not self.stopping:
                    self._begin(slot, self.sweep.run(self.left.pop(0)))
                if self.stopping:
                    self._ask_to_stop(slot)
            if self.stopping and not any(slot.job for slot in self.slots):
                return
            time.sleep(POLL_SECONDS)

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Let trials under way finish their step and save; `work` sees to it. As a signal's handler it may
        come while one is being started, which is under way too and not known yet."""
        self.stopping = True

    def _ask_to_stop(self, slot: Slot) -> None:
        now = time.monotonic()
        if slot.job is None or slot.run is None:
            return
        if slot.asked_at is None:
            attempt = slot.run.attempt(len(record.read(slot.run)["attempts"]))
            write_json(attempt / attempt_files.STOP, ASKED)
        elif now - slot.asked_at < AGAIN_SECONDS:
            return
        slot.asked_at = now
        slot.job.stop()

    def _begin(self, slot: Slot, run: RunDirectory) -> None:
        e = load(run.config)
        number = record.begin_attempt(run)
        spec = job_spec(e, run, number, self.folder)
        if name := VISIBLE.get(e.hardware.accelerator):
            spec = replace(spec, env={**spec.env, name: ",".join(map(str, slot.devices))})
        slot.job, slot.run = LocalLauncher().submit(spec), run
        record.hand_to(run, slot.job.id)

    def _look(self, slot: Slot) -> None:
        if slot.job and slot.run and not slot.job.alive():
            entry = reconcile(slot.run)
            print(f"{slot.run.id}: {entry['state']}", flush=True)
            slot.job = slot.run = slot.asked_at = None


def slots(e: Experiment) -> list[Slot]:
    """As many as trials like `e` fit beside each other."""
    each = e.hardware.devices_per_node
    there = len(this_machine().devices(e.hardware.accelerator))
    visible = os.environ.get(VISIBLE.get(e.hardware.accelerator, ""), "")
    numbers = [int(part) for part in visible.split(",") if part.strip().isdigit()] or list(range(there))
    count = max(1, len(numbers) // each)
    return [Slot(tuple(numbers[index * each : (index + 1) * each])) for index in range(count)]


def main(arguments: list[str]) -> int:
    """Run by `start`."""
    sweep = SweepDirectory(Path(arguments[0]))
    wanted = set(map(int, arguments[1:]))
    controller = Controller(sweep, [entry for entry in trials(sweep) if entry.number in wanted])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, controller.stop)
    controller.prepare()
    os.chdir(controller.folder)
    controller.work()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
