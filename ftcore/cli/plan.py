"""`ftcore plan`: say what an experiment amounts to; start nothing."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.config.compose import compose
from ftcore.plan.summary import summarise


def main(flags: argparse.Namespace) -> int:
    if flags.fit or flags.compare:
        from ftcore.cli import plan_choices

        return plan_choices.best_fit(flags) if flags.fit else plan_choices.compare(flags)
    if flags.multirun:
        from ftcore.cli import plan_sweep

        return plan_sweep.main(flags)
    composed = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name)
    plan = summarise(composed)
    if flags.json:
        print(json.dumps(plan, indent=2, ensure_ascii=False))
    else:
        show(plan, Console(highlight=False))
    return 0


def show(plan: dict[str, Any], console: Console) -> None:
    """The plan for a person."""
    world, batch, data, length = plan["world"], plan["batch"], plan["data"], plan["length"]
    method = plan["training"]["method"] + (
        f" r={plan['training']['rank']}" if plan["training"]["rank"] else ""
    )
    zero = f" ZeRO-{world['zero_stage']}" if world["strategy"] == "deepspeed" else ""
    table = Table(title=plan["name"], title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("model", f"{plan['model']['name']} ({plan['model']['path']}), {method}")
    table.add_row(
        "world", f"{world['world_size']} rank(s) = {world['nodes']} node(s) x {world['devices_per_node']} "
        f"{world['card']} ({world['accelerator']}), {world['dtype']}, {world['strategy']}{zero}",
    )  # fmt: skip
    parts = {
        name.replace("_", " "): "as stock" if value is None else value
        for name, value in plan["kernels"].items()
    }
    table.add_row("kernels", ", ".join(f"{name} {value}" for name, value in parts.items()))
    table.add_row(
        "batch", f"{batch['micro_batch_size']} a rank x {world['data_parallel']} x accumulation "
        f"{batch['gradient_accumulation']} = {batch['samples_per_step']} samples a step, at most "
        f"{batch['tokens_per_step_at_most']:,} tokens",
    )  # fmt: skip
    table.add_row("data", _data(data))
    table.add_row("length", _length(length))
    _add_room(table, plan)
    console.print(table)
    if plan["memory"]:
        console.print(_memory(plan["memory"], world["card"]))
    for one in plan["warnings"]:
        console.print(f"warning: {one['key']}: {one['message']} (try {one['instead']})", markup=False)
    for problem in plan["missing_here"]:
        allowed = f" ({problem['allowed']})" if problem["allowed"] else ""
        console.print(f"missing here: {problem['key']}: {problem['message']}{allowed}", markup=False)
    differences = Table(title="Otherwise than stock XTuner, on purpose", title_justify="left")
    for heading in ("setting", "XTuner", "ftcore", "because"):
        differences.add_column(heading, overflow="fold")
    for one in plan["differences"]:
        differences.add_row(one["setting"], one["stock"], one["ftcore"], one["reason"])
    console.print(differences)


def _add_room(table: Table, plan: dict[str, Any]) -> None:
    """Rows about parameters, the node's memory and the disk."""
    if plan["unknown"]:
        table.add_row("memory", f"not known: {plan['unknown']}")
        return
    known, host, disk = plan["parameters"], plan["host"], plan["disk"]
    table.add_row(
        "parameters", f"{known['total']:,} ({known['source']}), {known['trained']:,} of them trained"
        if plan["training"]["method"] == "full"
        else f"{known['total']:,} ({known['source']}) and {known['trained']:,} trained",
    )  # fmt: skip
    table.add_row(
        "host memory", f"{_gib(host['total'])} GiB a node: processes {_gib(host['processes'])}, while "
        f"loading {_gib(host['weights'])} of weights, in training {_gib(host['offload'])} offloaded",
    )  # fmt: skip
    count = disk["checkpoints"]
    table.add_row(
        "disk", f"{'all' if count is None else count} checkpoint(s) of {_gib(disk['checkpoint'], 2)} GiB, "
        f"{_gib(disk['exported'])} exported"
        + (f": {_gib(disk['needed'])} GiB" if count is not None else "")
        + f"; {_gib(disk['free'])} free",
    )  # fmt: skip


def _memory(memory: dict[str, Any], card: str) -> Table:
    """The peak by part."""
    fits = {True: "fits", False: "does not fit", None: "the card's memory is unknown"}[memory["fits"]]
    again = memory["recomputed_layers"]
    table = Table(
        title=f"Memory of one {card} at its peak ({memory['phase']}; {again} layers computed again)",
        title_justify="left",
    )
    table.add_column("part")
    table.add_column("GiB", justify="right")
    for name, size in memory["bytes"].items():
        if size:
            table.add_row(name, _gib(size, 2))
    table.add_section()
    table.add_row("in all", _gib(memory["total"], 2))
    if memory["card_gib"]:
        table.add_row("the card", f"{memory['card_gib']:.2f}")
    table.add_row(fits, f"{memory['margin']:.0%} margin" if memory["card_gib"] else "")
    return table


def _gib(size: int, digits: int = 1) -> str:
    return f"{size / 2**30:,.{digits}f}"


def _data(data: dict[str, Any]) -> str:
    if not data["prepared"]:
        size = f", {data['bytes'] / 2**20:.1f} MiB" if data["bytes"] else ""
        return f"{data['source']}{size}; not prepared yet, so its samples are not known"
    return (
        f"{data['source']}: {data['rows']:,} rows, {data['tokens']:,} tokens in {data['samples']:,} samples "
        f"({100 * data['fill_share']:.1f} % filled), {data['truncated']} rows truncated; from the cache"
    )


def _length(length: dict[str, Any]) -> str:
    if length["steps"] is None:
        return f"{length['epochs']:g} epoch(s); steps are known once the data is prepared"
    return f"{length['epochs']:g} epoch(s), {length['steps']:,} steps, {length['iterations']:,} iterations"
