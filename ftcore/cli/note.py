"""`ftcore note RUN [TEXT...]`: a few words on a run."""

import argparse
import json

from ftcore.cli.target import named
from ftcore.config.errors import Problem, RequestError
from ftcore.runs import labels, record


def main(flags: argparse.Namespace) -> int:
    target = named(flags, at_least=1)
    run, words = target.runs[0], target.rest
    if flags.append and not words:
        raise RequestError([Problem("--append", "needs a text")])
    text = labels.note(" ".join(words))

    def write(entry: record.Record) -> None:
        before = entry["note"] if flags.append else ""
        entry["note"] = labels.note(f"{before}\n{text}")

    entry = record.update(run, write) if words else record.read(run)
    if flags.json:
        print(json.dumps({"id": run.id, "note": entry["note"]}, ensure_ascii=False))
    elif words:
        print(f"run {run.id}: {entry['note'] or '(no note)'}")
    else:
        print(entry["note"] or "(no note)")
    return 0
