"""`ftcore doctor`: what is here or on a cluster's nodes, what is missing, and what to do."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ftcore.cli.launch import Interrupts
from ftcore.config.compose import compose
from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema import Experiment
from ftcore.doctor.examine import examine
from ftcore.doctor.finding import Difference, Finding, differences, ok
from ftcore.doctor.nodes import on_nodes
from ftcore.doctor.packages import wanted

STYLE = {"ok": "green", "warning": "yellow", "missing": "bold red"}
EVERY = "all"


def main(flags: argparse.Namespace) -> int:
    if flags.limit is not None and not flags.cluster:
        raise RequestError([Problem("--limit", "is about --cluster", "doctor --cluster --limit SECONDS")])
    if flags.limit is not None and not flags.limit > 0:
        raise RequestError([Problem("--limit", f"{flags.limit:g} is no time to wait", "seconds, over 0")])
    e = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name).experiment
    job_id, nodes = _nodes(e, flags) if flags.cluster else (None, {_name(): examine(e, wanted())})
    differ = differences(nodes)
    fine = all(ok(lines) for lines in nodes.values())
    if flags.json:
        print(json.dumps(_plain(e, job_id, nodes, differ, fine), indent=2, ensure_ascii=False))
    else:
        show(e, nodes, differ, Console(highlight=False))
    return 0 if fine else 1


def show(
    e: Experiment, nodes: Mapping[str, Sequence[Finding]], differ: Sequence[Difference], console: Console
) -> None:
    """A line for each thing, with the node's name where nodes say different things of it."""
    table = Table(title=f"{e.name}, {', '.join(nodes)}", title_justify="left", show_edge=False)
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    topic = None
    for where, one in merged(nodes):
        if one.topic != topic:
            table.add_row("", f"[bold]{one.topic}[/bold]")
            topic = one.topic
        name = one.name if where == EVERY else f"{one.name} ({where})"
        state = f"[{STYLE[one.state]}]{one.state}[/]"
        table.add_row(state, f"  {escape(name)}", escape(one.found), escape(one.remedy))
    console.print(table)
    if differ:
        console.print()
        console.print(_differences(differ))
    counted = [one.state for _, one in merged(nodes)]
    console.print(
        f"\n{counted.count('missing')} missing, {counted.count('warning')} warning(s), "
        f"{len(differ)} difference(s) between nodes"
        if len(nodes) > 1
        else f"\n{counted.count('missing')} missing, {counted.count('warning')} warning(s)"
    )


def merged(nodes: Mapping[str, Sequence[Finding]]) -> list[tuple[str, Finding]]:
    """Lines with the node they are of, or EVERY where all nodes say the same; in the order of the topics."""
    lines: dict[tuple[str, str], dict[str, Finding]] = {}
    for node, findings in nodes.items():
        for one in findings:
            lines.setdefault((one.topic, one.name), {})[node] = one
    topics = list(dict.fromkeys(topic for topic, _ in lines))
    result = []
    for _, said in sorted(lines.items(), key=lambda item: topics.index(item[0][0])):
        if len(said) == len(nodes) and len(set(said.values())) == 1:
            result.append((EVERY, next(iter(said.values()))))
        else:
            result += said.items()
    return result


def _nodes(e: Experiment, flags: argparse.Namespace) -> tuple[str, dict[str, list[Finding]]]:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    limit = 600.0 if flags.limit is None else flags.limit
    with Interrupts() as interrupts:
        return on_nodes(
            e, wanted(), limit, lambda line: console.print(line, markup=False), lambda: interrupts.count > 0
        )


def _differences(differ: Sequence[Difference]) -> Table:
    table = Table(title="Nodes that do not agree", title_justify="left", show_edge=False)
    table.add_column("what")
    for node in differ[0].values:
        table.add_column(node, overflow="fold")
    for one in differ:
        table.add_row(escape(f"{one.topic}: {one.name}"), *map(escape, one.values.values()))
    return table


def _plain(
    e: Experiment,
    job_id: str | None,
    nodes: Mapping[str, Sequence[Finding]],
    differ: Sequence[Difference],
    fine: bool,
) -> dict[str, Any]:
    told = [{"node": node, "findings": [one.plain() for one in lines]} for node, lines in nodes.items()]
    return {
        "ok": fine,
        "experiment": e.name,
        "cluster": e.cluster.kind,
        "job_id": job_id,
        "nodes": told,
        "differences": [{"topic": d.topic, "name": d.name, "values": d.values} for d in differ],
    }


def _name() -> str:
    return os.uname().nodename
