"""`ftcore import-xtuner`: an XTuner configuration file becomes an experiment."""

import argparse
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ftcore.config.errors import Problem, RequestError
from ftcore.config.xtuner.compare import RULES, Difference
from ftcore.importing.advice import advice
from ftcore.importing.convert import Imported, convert
from ftcore.importing.files import config_files
from ftcore.importing.many import DIFFERENT, EQUAL, REFUSED, Outcome, import_many
from ftcore.importing.write import DEFAULT_FOLDER, check, own_folder, write


def main(flags: argparse.Namespace) -> int:
    if len(flags.words) != 1:
        given = ", ".join(flags.words) or "none"
        raise RequestError([Problem("FILE", f"one file or folder is needed, given: {given}")])
    files = config_files(flags.words[0])
    if len(files) > 1:
        return _many(files, flags)
    imported = convert(files[0], flags.name or files[0].stem, flags.deepspeed)
    folder = Path(flags.to or DEFAULT_FOLDER)
    path = write(imported, folder, flags.force)
    left = check(imported, folder) if flags.check else []
    command = _command(imported, folder)
    if flags.json:
        print(json.dumps(_as_json(imported, path, command, left if flags.check else None), **JSON))
    else:
        _show(imported, path, command, Console(highlight=False))
        if flags.check:
            _show_check(left, Console(highlight=False))
    return 1 if left else 0


JSON: dict[str, Any] = {"indent": 2, "ensure_ascii": False, "default": repr}


def _command(imported: Imported, folder: Path) -> str:
    own = own_folder(folder)
    where = f" --config-dir {shlex.quote(own)}" if own else ""
    return f"python -m ftcore experiment={imported.preset.name}{where}"


def _as_json(imported: Imported, path: Path, command: str, left: list[Difference] | None) -> dict[str, Any]:
    return {
        "file": str(imported.file),
        "written": str(path),
        "command": command,
        "groups": imported.preset.groups,
        "overrides": imported.preset.overrides,
        "passthrough": [_difference(one) for one in imported.passthrough],
        "better": [{"override": one.override, "reason": one.reason} for one in _advice(imported)],
        "different": None if left is None else [_difference(one) for one in left],
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {"path": one.path, "in_file": one.first, "ftcore": one.second}


def _advice(imported: Imported):
    return advice(imported.experiment, imported.settings)


def _show(imported: Imported, path: Path, command: str, console: Console) -> None:
    preset = imported.preset
    _line(console, f"{imported.file.name} -> {path}")
    _line(
        console, f"  groups     {'  '.join(f'{group}={choice}' for group, choice in preset.groups.items())}"
    )
    keys = [f"{key}={_short(value)}" for key, value in preset.overrides.items() if "passthrough" not in key]
    _line(console, f"  overrides  {'  '.join(keys) or '(none)'}")
    if imported.passthrough:
        _line(console, f"  passed through, for stock XTuner alone ({len(imported.passthrough)}):")
        for one in imported.passthrough:
            console.print(
                f"    {one.path} = {_short(one.first)} (ftcore: {_short(one.second)})", markup=False
            )
    else:
        _line(console, "  passed through: nothing; every setting has a typed key")
    table = Table(title="ftcore would do better; nothing is changed unasked", title_justify="left")
    table.add_column("override", no_wrap=True)
    table.add_column("because", overflow="fold")
    for one in _advice(imported):
        table.add_row(one.override, one.reason)
    console.print(table)
    _line(console, f"run it:    {command}\nlook at it: {command} --cfg xtuner")


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else value
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _show_check(left: list[Difference], console: Console) -> None:
    if not left:
        _line(console, "check: equal, setting by setting. Differences in writing that are none in meaning:")
        for rule in RULES:
            _line(console, f"  {rule.name}: {rule.reason}")
        return
    _line(console, f"check: {len(left)} setting(s) differ")
    for one in left:
        _line(console, f"  {one.path}: {one.first!r} in the file, {one.second!r} rebuilt")


def _many(files: list[Path], flags: argparse.Namespace) -> int:
    if flags.name:
        raise RequestError([Problem("--name", "is for one file; of many, each keeps its own name")])
    console = Console(highlight=False)
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    aside = Console(stderr=True)
    hidden = flags.json or not aside.is_terminal
    with Progress(*columns, console=aside, transient=True, disable=hidden) as progress:
        bar = progress.add_task("", total=len(files))
        folder = Path(flags.to) if flags.to else None
        outcomes = import_many(files, folder, flags.deepspeed, lambda: progress.advance(bar), flags.force)
    if flags.json:
        print(json.dumps(_summary(outcomes) | {"files": [_outcome(one) for one in outcomes]}, **JSON))
    else:
        _show_many(outcomes, console)
    return 1 if any(one.state == DIFFERENT for one in outcomes) else 0


def _outcome(one: Outcome) -> dict[str, Any]:
    return {"file": one.file, "state": one.state, "passthrough": one.passthrough, "details": one.details}


def _summary(outcomes: list[Outcome]) -> dict[str, Any]:
    states = Counter(one.state for one in outcomes)
    whole = sum(1 for one in outcomes if one.state == EQUAL and not one.passthrough)
    return {
        "read": states[EQUAL] + states[DIFFERENT], "equal": states[EQUAL], "different": states[DIFFERENT],
        "nothing_passed_through": whole, "refused": states[REFUSED],
    }  # fmt: skip


def _show_many(outcomes: list[Outcome], console: Console) -> None:
    counts = _summary(outcomes)
    share = 100 * counts["nothing_passed_through"] / counts["read"] if counts["read"] else 0
    console.print(
        f"{len(outcomes)} files: {counts['read']} imported and rebuilt, {counts['refused']} refused"
    )
    _line(console, f"  equal, setting by setting   {counts['equal']}")
    _line(console, f"  different                   {counts['different']}")
    _line(console, f"  with nothing passed through {counts['nothing_passed_through']} ({share:.1f} %)")
    for one in outcomes:
        if one.state == DIFFERENT:
            _line(console, f"  different: {Path(one.file).name}: {'; '.join(one.details)}")
    passed = [one for one in outcomes if one.passthrough]
    if passed:
        _line(console, "passed through:")
    for one in passed:
        _line(console, f"  {Path(one.file).name}: {', '.join(one.passthrough)}")
    reasons = Counter(_reason(one) for one in outcomes if one.state == REFUSED)
    if reasons:
        _line(console, "refused:")
    for reason, count in reasons.most_common():
        _line(console, f"  {count:4d}  {reason}")


def _reason(one: Outcome) -> str:
    """The first reason without the name of the file."""
    return one.details[0].removeprefix(f"{Path(one.file).name}: ")
