"""What a person sees of a run: bars on a terminal, plain lines in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ftcore.cli.measures import comparison
from ftcore.config.compose import Composed
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json

LOG_LINE_SECONDS = 15
"""Between two lines about the same stage where the output is not a terminal."""

HIDDEN = ("refused_wrongly",)
"""Of an evaluation, where a run has ended: right_tool says it too."""


class Screen:
    """Everything that the run command says. `quiet` says nothing (its caller prints JSON)."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def describe(self, composed: Composed) -> None:
        """One paragraph on what is about to be done."""
        e = composed.experiment
        where = f"{e.world_size} x {e.hardware.card} ({e.hardware.accelerator}), {e.precision.dtype}"
        how = f"{e.parallelism.strategy}" + (f", ZeRO-{e.zero_stage}" if e.parallelism.deepspeed else "")
        what = f"{e.lora.method} r={e.lora.rank}" if e.lora.method != "full" else "full"
        self.say(f"{e.name}: {e.model.name} on {e.data.name}, {what}, lr {e.optim.lr:g}")
        self.say(f"  {where}, {how}, max_length {e.max_length}, {e.cluster.kind}")

    def started(self, run: RunDirectory, attempt: int) -> None:
        self.say(f"  run {run.id}, attempt {attempt}: {run.path}")

    @contextmanager
    def progress(self, run: RunDirectory) -> Iterator[Callable[[], None]]:
        """Gives a function to call often; it shows what `progress.json` and the record say now."""
        if self.console.is_terminal:
            with _Bars(self.console, run) as bars:
                yield bars.show
        else:
            yield _Lines(self, run).show

    def ended(self, run: RunDirectory, entry: record.Record) -> None:
        """The result, where it lies, and what to type next."""
        if entry["state"] != "completed":
            return
        if results := entry["results"].get("evaluation"):
            self.console.print(comparison(results, "held-out cases, before and after", hidden=HIDDEN))
        figures = entry["results"]
        if figures.get("steps"):
            self.say(
                f"loss {figures['first_loss']:.3f} -> {figures['final_loss']:.3f} "
                f"in {figures['steps']} steps, {figures['tokens_per_second']:.0f} tokens/s, "
                f"peak {figures['peak_memory_gib']:.1f} GiB{_expected(figures)}"
            )
        self.say(f"report    {run.report}")
        if run.merged.is_dir():
            self.say(f"model     {run.merged}")
        if run.adapter.is_dir():
            self.say(f"adapter   {run.adapter}")


def _expected(figures: dict[str, Any]) -> str:
    there = figures.get("predicted", {}).get("peak_memory_gib")
    return "" if there is None else f" ({there:.1f} expected)"


class _Bars:
    """A bar a stage, with its ETA."""

    def __init__(self, console: Console, run: RunDirectory) -> None:
        self.run, self.tasks = run, {}
        self.progress = Progress(
            SpinnerColumn(finished_text="✓"), TextColumn("{task.description:<9}"), BarColumn(),
            MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"), console=console,
        )  # fmt: skip

    def __enter__(self) -> "_Bars":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.show()
        self.progress.stop()

    def show(self) -> None:
        entry = record.read(self.run)
        now = read_json(self.run.progress) or {}
        for stage in entry["stages"]:
            name = stage["name"]
            if stage["state"] not in ("running", "completed"):
                continue
            if name not in self.tasks:
                self.tasks[name] = self.progress.add_task(name, total=None, shown="")
            task = self.tasks[name]
            if now.get("stage") == name and stage["state"] == "running":
                shown = _figures(now["shown"]) or ("" if now["total"] else now["unit"])
                self.progress.update(task, completed=now["done"], total=now["total"], shown=shown)
            if stage["state"] == "completed" and not self.progress.tasks[task].finished:
                total = self.progress.tasks[task].total or 1
                self.progress.update(task, completed=total, total=total)


class _Lines:
    """A line when a stage begins or ends, and one every LOG_LINE_SECONDS between."""

    def __init__(self, screen: Screen, run: RunDirectory) -> None:
        self.screen, self.run = screen, run
        self.seen: dict[str, str] = {}
        self.last = time.monotonic()

    def show(self) -> None:
        for stage in record.read(self.run)["stages"]:
            name, state = stage["name"], stage["state"]
            if self.seen.get(name) != state:
                self.seen[name] = state
                took = f" in {stage['seconds']:.0f} s" if stage["seconds"] is not None else ""
                self.screen.say(f"{name}: {state}{took}")
                self.last = time.monotonic()
        if time.monotonic() - self.last >= LOG_LINE_SECONDS:
            self.last = time.monotonic()
            now = read_json(self.run.progress)
            if now and (now["done"] or now["unit"]):
                self.screen.say(progress_line(now))


def progress_line(now: dict[str, Any]) -> str:
    """`train: 12/57 steps (21 %), ETA 2 min 10 s, loss 1.234`."""
    line = f"{now['stage']}: {now['done']}"
    if now["total"]:
        line += f"/{now['total']} {now['unit']} ({100 * now['done'] / now['total']:.0f} %)"
        elapsed = now["time"] - now["started"]
        if now["done"]:
            left = elapsed / now["done"] * (now["total"] - now["done"])
            line += f", ETA {left // 60:.0f} min {left % 60:02.0f} s"
    elif not now["done"]:
        return f"{now['stage']}: {now['unit']}"
    else:
        line += f" {now['unit']}".rstrip()
    figures = _figures(now["shown"])
    return f"{line}, {figures}" if figures else line


def _figures(shown: dict[str, Any]) -> str:
    known = {"loss": "loss {:.3f}", "lr": "lr {:.2e}", "tokens_per_second": "{:.0f} tokens/s"}
    return "  ".join(known.get(name, name + " {}").format(value) for name, value in shown.items())
