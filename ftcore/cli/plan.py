"""`ftcore plan`: say what an experiment amounts to; start nothing."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli import plan_time
from ftcore.cli.plan_told import facts, gib, priced, tell
from ftcore.config.compose import compose
from ftcore.plan.summary import summarise


def main(flags: argparse.Namespace) -> int:
    if flags.accuracy:
        from ftcore.cli import plan_accuracy

        return plan_accuracy.main(flags)
    if flags.fit or flags.compare:
        from ftcore.cli import plan_choices

        return plan_choices.best_fit(flags) if flags.fit else plan_choices.compare(flags)
    if flags.multirun:
        from ftcore.cli import plan_sweep

        return plan_sweep.main(flags)
    composed = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name)
    plan = summarise(composed)
    tell(flags, plan, show)
    if flags.explain and not flags.json:
        _explain(plan, Console(highlight=False))
    return 0


def show(plan: dict[str, Any], console: Console) -> None:
    """The plan for a person."""
    world, batch, data, length = plan["world"], plan["batch"], plan["data"], plan["length"]
    method = plan["training"]["method"] + (
        f" r={plan['training']['rank']}" if plan["training"]["rank"] else ""
    )
    zero = f" ZeRO-{world['zero_stage']}" if world["strategy"] == "deepspeed" else ""
    table = facts(plan["name"])
    table.add_row("model", f"{plan['model']['name']} ({plan['model']['path']}), {method}")
    table.add_row(
        "world", f"{world['world_size']} rank(s) = {world['nodes']} node(s) x {world['devices_per_node']} "
        f"{world['card']} ({world['accelerator']}), {world['dtype']}, {world['strategy']}{zero}",
    )  # fmt: skip
    if world["world_size"] > 1:
        table.add_row("layout", _layout(world))
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
    table.add_row("time", plan_time.row(plan["time"]))
    table.add_row("checkpoints", _checkpoints(plan["checkpoints"]))
    if plan["cost"]:
        table.add_row("cost", priced(plan["cost"]))
    _add_room(table, plan)
    console.print(table)
    if plan["memory"]:
        console.print(_memory(plan["memory"], world["card"]))
    if plan["time"] and plan["time"]["step_seconds"] is not None:
        plan_time.show(plan["time"], console)
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


def _explain(plan: dict[str, Any], console: Console) -> None:
    if plan["time"] and plan["time"]["terms"]:
        plan_time.explain(plan["time"], console)


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
        "host memory", f"{gib(host['total'])} GiB a node: processes {gib(host['processes'])}, while "
        f"loading {gib(host['weights'])} of weights, in training {gib(host['offload'])} offloaded",
    )  # fmt: skip
    count = disk["checkpoints"]
    table.add_row(
        "disk", f"{'all' if count is None else count} checkpoint(s) of {gib(disk['checkpoint'], 2)} GiB, "
        f"{gib(disk['exported'])} exported"
        + (f": {gib(disk['needed'])} GiB" if count is not None else "")
        + f"; {gib(disk['free'])} free",
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
            table.add_row(name, gib(size, 2))
    table.add_section()
    table.add_row("in all", gib(memory["total"], 2))
    if memory["card_gib"]:
        table.add_row("the card", f"{memory['card_gib']:.2f}")
    table.add_row(fits, f"{memory['margin']:.0%} margin" if memory["card_gib"] else "")
    return table


def _layout(world: dict[str, Any]) -> str:
    """Who shares what."""
    data, sequence, zero = world["data_parallel"], world["sequence_parallel"], world["zero_group"]
    text = f"{data} data parallel"
    if sequence > 1:
        text += f" group(s) of {sequence} ranks that share a sequence"
    if zero > 1:
        text += f"; ZeRO-{world['zero_stage']} divides state among {zero}"
    return text


def _checkpoints(known: dict[str, Any]) -> str:
    if known["every"] is None:
        return "1, at the end"
    kept = "all are kept" if known["keep"] is None else f"the newest {known['keep']} are kept"
    saved = "" if known["saved"] is None else f"{known['saved']:,}, "
    return f"{saved}every {known['every']:,} iterations and at the end; {kept}"


def _data(data: dict[str, Any]) -> str:
    if data["basis"] is None:
        size = f", {data['bytes'] / 2**20:.1f} MiB" if data["bytes"] else ""
        return f"{data['source']}{size}; its rows are not known: {data['why']}"
    counts = (
        f"{data['source']}: {data['rows']:,} rows, {data['tokens']:,} tokens in {data['samples']:,} samples "
        f"({100 * data['fill_share']:.1f} % filled)"
    )
    if data["basis"] == "prepared":
        return f"{counts}, {data['truncated']} rows truncated; from the cache"
    return f"{counts}; {_sampled(data)}"


def _sampled(data: dict[str, Any]) -> str:
    """From what it was estimated, and how far off it may be."""
    by = data["sampled"]
    what = f"all {by['looked_at']:,} rows" if by["whole"] else f"{by['looked_at']:,} rows"
    where = " from the beginning" if by["head"] else ""
    how = "the model's tokenizer" if by["tokenizer"] else "an assumed number of tokens a character"
    text = f"sampled: {what}{where} by {how}, not prepared yet"
    between = data["between"]
    if between["tokens"][0] == between["tokens"][1]:
        return text
    ranges = (f"{low:,} to {high:,} {name}" for name, (low, high) in between.items() if low != high)
    return f"{text}; between {', '.join(ranges)}"


def _length(length: dict[str, Any]) -> str:
    if length["steps"] is None:
        return f"{length['epochs']:g} epoch(s); steps are known once the data is prepared"
    text = f"{length['epochs']:g} epoch(s), {length['steps']:,} steps, {length['iterations']:,} iterations"
    low, high = length["between"] or (0, 0)
    return text if low == high else f"{text}; sampled: {low:,} to {high:,} steps"
