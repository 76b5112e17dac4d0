"""`ftcore tag RUN +good ~bad`: tags of a run."""

import argparse
import json

from ftcore.cli.target import named
from ftcore.runs import record
from ftcore.runs.labels import change


def main(flags: argparse.Namespace) -> int:
    target = named(flags, at_least=1)
    run, words = target.runs[0], target.rest
    asked = change(words)

    def retag(entry: record.Record) -> None:
        entry["tags"] = asked.of(entry["tags"])

    entry = record.update(run, retag) if words else record.read(run)
    if flags.json:
        print(json.dumps({"id": run.id, "tags": entry["tags"]}, ensure_ascii=False))
    else:
        print(f"run {run.id}: {', '.join(entry['tags']) or '(no tags)'}")
    return 0
