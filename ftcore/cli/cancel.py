"""`ftcore cancel RUN`: a run that waits is taken back, one that runs finishes its step, saves and ends."""

import argparse
import json

from ftcore.cli.target import one_run, one_sweep
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.runs import attempt_files, record, state
from ftcore.runs.directory import command_line
from ftcore.runs.files import write_json
from ftcore.runs.liveness import Life
from launchers import job_of


def main(flags: argparse.Namespace) -> int:
    if sweep := one_sweep(flags):
        from ftcore.cli.of_sweep import cancel

        return cancel.main(flags, sweep)
    run = one_run(flags, or_sweep=True)
    entry = record.read(run)
    life = state.life(run, entry)
    if life is Life.GONE:
        entry = state.settled(run)
        raise RequestError([Problem(run.id, f"is not queued and not running: it is {entry['state']}")])
    if life is Life.UNKNOWN and state.may_be_over(entry):
        raise WorkError(f"{state.unseen(entry)}: run {run.id} cannot be reached from here", str(run.path))
    number = entry["attempts"][-1]["number"]
    asked = {"state": "cancelled", "reason": "cancelled by the user"}
    run.attempt(number).mkdir(parents=True, exist_ok=True)
    write_json(run.attempt(number) / attempt_files.STOP, asked)
    job = job_of(entry["launch"]["cluster"], entry["launch"]["job_id"])
    if flags.now:
        job.kill()
    else:
        job.stop()
    if then := entry["launch"].get("then"):
        job_of(entry["launch"]["cluster"], then).kill()
    waiting = entry["state"] == "queued" and not state.alive(run, entry)
    if waiting:
        entry = state.settled(run)
    if flags.json:
        print(json.dumps({"id": run.id, "job_id": job.id, "state": entry["state"], "asked": asked["state"]}))
    elif waiting:
        print(f"run {run.id} was waiting; it is cancelled")
    else:
        how = "ends at once" if flags.now else "finishes its step, saves, and ends"
        print(f"run {run.id} (job {job.id}) {how}; {command_line('resume', run)} goes on with it")
    return 0
