"""`ftcore import FILE`: runs that another machine exported."""

import argparse
import json
from pathlib import Path

from ftcore.archive.read import Imported, read
from ftcore.cli.target import runs_dir_of
from ftcore.cli.transfer import bar
from ftcore.config.errors import Problem, RequestError
from ftcore.gc.leftovers import remove_stale


def main(flags: argparse.Namespace) -> int:
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    if len(words) != 1:
        given = ", ".join(words) or "none"
        raise RequestError([Problem("FILE", f"one file is needed, given: {given}", "what export wrote")])
    file, runs_dir = Path(words[0]), runs_dir_of(flags)
    if not file.is_file():
        raise RequestError([Problem("FILE", f"no such file: {file}")])
    if runs_dir.is_dir():
        remove_stale(runs_dir.glob("*/.*.tmp"))  # an import that was killed
    with bar("importing", file.stat().st_size, quiet=flags.json) as advance:
        imported = read(file, runs_dir, advance)
    if flags.json:
        print(json.dumps([_as_json(one) for one in imported], indent=2, ensure_ascii=False))
        return 0
    for one in imported:
        what = "is there already, identical" if one.was_there else "imported"
        print(f"run {one.name.id} {what}: {one.path}")
    return 0


def _as_json(one: Imported) -> dict[str, object]:
    return {"id": one.name.id, "name": one.name.name, "path": str(one.path), "was_there": one.was_there}
