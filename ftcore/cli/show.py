"""`ftcore show RUN [KEY...]`: all that a record says, or the part of it that is asked for."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli.measures import comparison
from ftcore.cli.rows import print_whole
from ftcore.cli.target import Target, named
from ftcore.config import plain_yaml
from ftcore.config.errors import Problem, RequestError, nearest
from ftcore.config.nested import flat
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory

FACTS = (
    ("command", "command"), ("created", "created"), ("config hash", "config_hash"), ("tags", "tags"),
    ("note", "note"), ("reproduces", "reproduces"), ("commit", "code.commit"), ("changed", "code.dirty"),
    ("program", "code.source_sha256"), ("Python", "environment.python"), ("host", "hardware.hostname"),
    ("card", "hardware.card"), ("data", "data.source"), ("data sha256", "data.sha256"),
    ("rows", "data.rows"), ("tokens", "data.tokens"), ("model", "model.path"),
    ("model sha256", "model.sha256"), ("seed", "seed"), ("deterministic", "deterministic"),
)  # fmt: skip
"""What a person reads first: label, and the record's key."""


EVALUATED = ("evaluation", "evaluations")
"""Of the results, what is shown as tables of its own."""


def main(flags: argparse.Namespace) -> int:
    target = named(flags, at_least=1)
    run = target.runs[0]
    entry = state.settled(run)
    if target.rest:
        _show_parts(entry, target, flags.json)
    elif flags.json:
        print(json.dumps(entry, indent=2, ensure_ascii=False))
    else:
        show(run, entry, Console(highlight=False, soft_wrap=True))
    return 0


def part(entry: record.Record, key: str) -> Any:
    """The value of a dotted key of the record; without `config.` where it is a key of the configuration.

    A Problem with the nearest key where there is none.
    """
    for root in (entry, entry["config"]):
        node: Any = root
        for name in key.split("."):
            node = node[name] if isinstance(node, dict) and name in node else KeyError
        if node is not KeyError:
            return node
    known = [*flat(entry), *flat(entry["config"])]
    return Problem(key, "no such key in the record", nearest=nearest(key, known))


def _show_parts(entry: record.Record, target: Target, as_json: bool) -> None:
    parts = {key: part(entry, key) for key in target.rest}
    if problems := [value for value in parts.values() if isinstance(value, Problem)]:
        raise RequestError(problems)
    if as_json:
        print(json.dumps(parts, indent=2, ensure_ascii=False))
        return
    for value in parts.values():
        print(plain_yaml.dump(value).rstrip() if isinstance(value, (dict, list)) else value)


def show(run: RunDirectory, entry: record.Record, console: Console) -> None:
    """What was asked, what it ran on, what came out."""
    console.print(f"{entry['name']}/{entry['id']}: {entry['state']}", markup=False)
    console.print(f"  {run.path}", markup=False)
    values = flat({**entry, "config": {}})
    facts = _table()
    for label, key in FACTS:
        value = values.get(key)
        if value not in (None, "", []):
            facts.add_row(label, ", ".join(value) if isinstance(value, list) else str(value))
    print_whole(facts, console)
    if asked := " ".join(entry["overrides"]):
        console.print(f"asked for: {asked}", markup=False)
    chosen = ", ".join(f"{group}={choice}" for group, choice in sorted(entry["choices"].items()))
    console.print(f"groups: {chosen}", markup=False)
    _steps(console, "attempt", entry["attempts"], "number", "reason")
    _steps(console, "stage", entry["stages"], "name", "seconds")
    _evaluations(console, entry["results"])
    figures = {key: value for key, value in entry["results"].items() if key not in EVALUATED}
    results = {key: value for key, value in flat(figures).items() if not isinstance(value, (dict, list))}
    if results:
        table = _table()
        for key, value in results.items():
            table.add_row(key, f"{value:.6g}" if isinstance(value, float) else str(value))
        print_whole(table, console)
    for one in entry["artifacts"]:
        console.print(f"  {one['path']}  sha256 {one['sha256'][:16]}", markup=False)
    if entry["error"]:
        console.print(f"{entry['error']['type']}: {entry['error']['message']}", markup=False)


def _evaluations(console: Console, results: Mapping[str, Any]) -> None:
    """The run's own evaluation, and those made later."""
    if isinstance(own := results.get("evaluation"), Mapping):
        console.print(comparison(own, "evaluation"))
    for name, one in (results.get("evaluations") or {}).items():
        console.print(comparison(one, f"evaluation {name}: {one.get('dataset', '')}"))


def _table(*headings: str) -> Table:
    table = Table(show_edge=False, show_header=bool(headings), box=None)
    for heading in headings or ("", ""):
        table.add_column(heading, overflow="fold")
    return table


def _steps(console: Console, what: str, rows: list[dict[str, Any]], name: str, last: str) -> None:
    if not rows:
        return
    table = _table(what, "state", "started", "ended", last)
    for row in rows:
        cells = (row[name], row["state"], row["started"], row["ended"], row[last])
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    print_whole(table, console)
