"""The workers of a search: an array of the cluster's queue, or processes of this machine.

`python -m ftcore.sweeps.workers SWEEP` keeps those of this machine, one for each set of accelerators that a
trial takes, in a session of its own. SIGTERM lets trials under way save.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from ftcore.config.compose import load
from ftcore.config.schema import Experiment, SlurmCluster
from ftcore.runs import record
from ftcore.runs.files import write_json
from ftcore.sweeps import directory, frozen, local, prepare
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.local import VISIBLE, Slot

POLL_SECONDS = 0.2
STARTED_AGAIN = 3
"""Times that a worker of this machine is, which a signal ended."""

CONFIG = "config.yaml"


def is_search(sweep: SweepDirectory) -> bool:
    """Whether workers find the sweep's trials as they go."""
    return (sweep.path / frozen.FILE).exists()


def stop_file(sweep: SweepDirectory) -> Path:
    """While it is there, workers ask for no further point and let trials under way save."""
    return sweep.path / "stop.json"


def stop(sweep: SweepDirectory) -> None:
    """End the search, whoever and wherever its workers are; `start` goes on with it."""
    write_json(stop_file(sweep), {"reason": "cancelled", "time": record.now()})


def over_file(sweep: SweepDirectory) -> Path:
    """Left by a worker that found no further point to try, with the reason."""
    return sweep.path / "over.json"


def left(sweep: SweepDirectory) -> int:
    """Trials that are still to be tried, or to be gone on with."""
    entries = directory.trials(sweep)
    under_way = sum("judged" not in record.read(sweep.run(entry)) for entry in entries)
    return under_way + to_come(sweep, len(entries))


def to_come(sweep: SweepDirectory, made: int) -> int:
    """Points that workers will still ask for, beside the trials that they have `made`; 0 of other sweeps."""
    if not is_search(sweep) or over_file(sweep).exists():
        return 0
    return max(0, directory.read(sweep)["search"]["trials"] - made)


def experiment(sweep: SweepDirectory) -> Experiment:
    """One of those that were checked: its size, its cluster and its place are every trial's."""
    return load(sweep.path / CONFIG)


def start(sweep: SweepDirectory) -> list[str]:
    """As many workers as are asked for and have something to do; ids of their jobs, in `sweep.json` too.

    Raises launchers.SlurmError where Slurm refuses.
    """
    stop_file(sweep).unlink(missing_ok=True)
    entry, e = directory.read(sweep), experiment(sweep)
    count = min(entry["search"]["workers"], max(1, left(sweep)))
    if isinstance(e.cluster, SlurmCluster):
        from ftcore.sweeps import slurm

        return slurm.submit_workers(sweep, count, e, Path(entry["folder"]))
    sweep.logs.mkdir(exist_ok=True)
    with (sweep.logs / "local.log").open("ab") as log:
        words = [sys.executable, "-P", "-m", "ftcore.sweeps.workers", str(sweep.path.absolute()), str(count)]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env=environment(sweep),
        )  # fmt: skip
    job = {"id": str(process.pid), "host": os.uname().nodename, "tasks": count}
    directory.update(sweep, jobs=[*directory.read(sweep)["jobs"], job])
    return [job["id"]]


def environment(sweep: SweepDirectory) -> dict[str, str]:
    """In which processes import the sweep's own program and nothing from the folder they start in."""
    path = [str(sweep.source.absolute()), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONSAFEPATH": "1"}


class Controller:
    """Workers on slots."""

    def __init__(self, sweep: SweepDirectory, count: int) -> None:
        e = experiment(sweep)
        self.sweep, self.accelerator = sweep, e.hardware.accelerator
        self.folder = Path(directory.read(sweep)["folder"])
        self.slots = local.slots(e)[:count]
        self.lives = [STARTED_AGAIN] * len(self.slots)
        self.workers: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> None:
        """What trials will share, once, where workers would otherwise prepare it beside each other."""
        if len(self.slots) > 1 and (configs := prepare.kept(self.sweep)):
            prepare.here(self.folder, configs, self._stopping)

    def work(self) -> None:
        """Until all workers have ended; one that was killed is started again, and goes on with its trial."""
        self.workers = [self._begin(number) for number in range(len(self.slots)) if not self._stopping()]
        while sum(self._goes_on(number) for number in range(len(self.workers))):
            time.sleep(POLL_SECONDS)

    def _goes_on(self, number: int) -> bool:
        code = self.workers[number].poll()
        if code is None:
            return True
        if code >= 0 or not self.lives[number] or self._stopping():
            return False
        self.lives[number] -= 1
        self.workers[number] = self._begin(number)
        return True

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Let trials under way save, and begin no others."""
        stop(self.sweep)

    def _stopping(self) -> bool:
        return stop_file(self.sweep).exists()

    def _begin(self, number: int) -> subprocess.Popen[bytes]:
        return begin(self.sweep, number, self.accelerator, self.slots[number])


def begin(sweep: SweepDirectory, number: int, accelerator: str, slot: Slot) -> subprocess.Popen[bytes]:
    """A worker of this machine."""
    env = environment(sweep)
    if name := VISIBLE.get(accelerator):
        env[name] = ",".join(map(str, slot.devices))
    words = [sys.executable, "-P", "-u", "-m", "ftcore.sweeps.searching", str(sweep.path.absolute())]
    return subprocess.Popen([*words, "local", str(number)], env=env, stdin=subprocess.DEVNULL)


def main(arguments: list[str]) -> int:
    """Run by `start`."""
    controller = Controller(SweepDirectory(Path(arguments[0])), int(arguments[1]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, controller.stop)
    controller.prepare()
    controller.work()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
