"""`ftcore rerun RUN [--verify]`: the same program, the same configuration, another run; and whether it came
out the same."""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from ftcore.cli.resume import go_on
from ftcore.cli.screen import Screen
from ftcore.cli.target import named, runs_dir_of
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.repeat.reproduce import Mismatch, mismatches, repeat
from ftcore.repeat.verify import Verification, verify
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory, command_line
from ftcore.runs.source import unpack

SHOWN = 12
"""Of what is not as it was, without `--json`."""


def main(flags: argparse.Namespace) -> int:
    original = named(flags, at_least=1, at_most=1).runs[0]
    entry = record.read(original)
    console = Console(highlight=False, soft_wrap=True, quiet=flags.json)
    if flags.to:
        _restore(original, Path(flags.to))
        console.print(f"{flags.to}: the program and config.yaml of run {original.id}", markup=False)
        if flags.json:
            print(json.dumps({"run": original.id, "to": flags.to}, ensure_ascii=False))
        return 0
    if flags.verify and entry["state"] != "completed":
        raise RequestError([Problem(original.id, f"is {entry['state']}: there is nothing to verify against")])
    runs_dir = runs_dir_of(flags)
    found = mismatches(original, runs_dir)
    _tell(found, console)
    decisive = [mismatch for mismatch in found if mismatch.decides]
    if decisive and not flags.force:
        raise WorkError(
            "the same numbers cannot come out: " + "; ".join(map(str, decisive)),
            goes_on=command_line("rerun", original, "--force"),
        )
    run = repeat(original, runs_dir, shlex.join(["python", "-m", "ftcore", *sys.argv[1:]]))
    code = go_on(
        run,
        Screen(quiet=flags.json),
        as_json=flags.json and not flags.verify,
        wait=flags.wait or flags.verify,
        aside=flags.json and flags.verify,
    )
    if code or not flags.verify:
        return code
    found_again = verify(original, run)
    record.update(run, lambda changed: changed.update(verification=found_again.plain()))
    _say(found_again, run, console)
    if flags.json:
        told = {"run": run.id, "mismatches": [asdict(one) for one in found]}
        print(json.dumps(told | found_again.plain(), indent=2, ensure_ascii=False))
    return 0 if found_again.verdict != "different" else 1


def _restore(original: RunDirectory, folder: Path) -> None:
    """Only the program and the configuration, for whoever wants to read or change them."""
    if not original.source_archive.exists():
        raise RequestError([Problem(original.id, "its program was not kept (made by an older version)")])
    if folder.exists() and any(folder.iterdir()):
        raise RequestError([Problem("--to", f"{folder} is not empty")])
    folder.mkdir(parents=True, exist_ok=True)
    unpack(original.source_archive, folder)
    (folder / "config.yaml").write_bytes(original.config.read_bytes())


def _tell(found: list[Mismatch], console: Console) -> None:
    if not found:
        console.print("data, model, packages and machine are as they were")
        return
    console.print("not as it was:")
    for mismatch in found[:SHOWN]:
        console.print(f"  {mismatch}", markup=False)
    if len(found) > SHOWN:
        console.print(f"  and {len(found) - SHOWN} more (`diff` shows them once it has run)")


def _say(found: Verification, run: RunDirectory, console: Console) -> None:
    console.print(f"run {run.id} against {found.against}: {found.verdict}", markup=False)
    console.print(f"  losses of {found.steps} steps: {_same(found.first_step is None)}")
    for what, same in (("weights", found.weights), ("evaluation", found.evaluation)):
        console.print(f"  {what}: {_same(same)}")
    for reason in found.reasons:
        console.print(f"  {reason}", markup=False)


def _same(same: bool | None) -> str:
    return {True: "the same", False: "not the same", None: "not compared: one has none"}[same]
