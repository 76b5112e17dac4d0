"""`ftcore evaluate RUN [evaluation=...]`: a finished run measured anew, base against tuned."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ftcore.cli.arguments import WRITTEN
from ftcore.cli.evaluation_progress import progress
from ftcore.cli.measures import comparison
from ftcore.cli.target import Target, named
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import Experiment
from ftcore.plan.preflight import heldout, model
from ftcore.report.write import write_report
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory, command_line
from ftcore.runs.files import read_json, write_text


def main(flags: argparse.Namespace) -> int:
    target = named(flags, at_least=1)
    run = target.runs[0]
    problems = _flags_wrong(flags, target)
    try:
        from ftcore.evaluation.of_run import experiment

        e = load(run.config) if flags.write else experiment(run, target.rest)
    except RequestError as error:
        raise RequestError([*problems, *error.problems]) from None
    problems += _cannot(flags, run, e)
    if problems:
        raise RequestError(problems)
    console = Console(highlight=False, soft_wrap=True, quiet=flags.json)
    return _write(flags, run, e, console) if flags.write else _evaluate(flags, run, e, console)


def _flags_wrong(flags: argparse.Namespace, target: Target) -> list[Problem]:
    found = []
    if flags.write and not flags.to:
        found.append(Problem("--write", "needs a folder to write to", "--to FOLDER"))
    if flags.to and not flags.write:
        found.append(Problem("--to", "is where --write writes", f"--write {'|'.join(WRITTEN)}"))
    if flags.to and Path(flags.to).exists() and not Path(flags.to).is_dir():
        found.append(Problem("--to", f"{flags.to} is no folder"))
    if flags.write and target.rest:
        found.append(Problem(target.rest[0], "--write takes no settings of an evaluation"))
    if flags.write == "teval" and flags.endpoint:
        found.append(Problem("--endpoint", "T-Eval is written for weights", "--write opencompass"))
    for name in ("served_model", "base_model", "base_endpoint"):
        if getattr(flags, name) and not flags.endpoint:
            found.append(Problem(f"--{name.replace('_', '-')}", "is about a served model", "--endpoint URL"))
    for name in ("endpoint", "base_endpoint"):
        url = getattr(flags, name)
        if url and not url.startswith(("http://", "https://")):
            allowed = "http://HOST:PORT/v1, without /chat/completions"
            found.append(Problem(f"--{name.replace('_', '-')}", f"{url} is no address", allowed))
    return found


def _cannot(flags: argparse.Namespace, run: RunDirectory, e: Experiment) -> list[Problem]:
    """What cannot be had here: weights, text, and what an endpoint does not tell."""
    found = []
    text = e.evaluation.perplexity.text
    whole = flags.write == "teval"  # which puts no adapter on a base model
    if not flags.endpoint and not run.merged.is_dir() and (whole or not run.adapter.is_dir()):
        message = f"has no {'merged' if whole else 'trained'} weights here"
        found.append(Problem(run.id, message, f"{command_line('resume', run)}, or --endpoint URL"))
    if flags.write:
        return found
    base_served = flags.base_endpoint or flags.base_model
    if not flags.endpoint or (e.evaluation.endpoint.prompt == "text" and not base_served):
        found += model(e)
    if flags.endpoint and text is not None:
        message = "an endpoint does not say how likely a text is"
        found.append(Problem("evaluation.perplexity.text", message, "null, or without --endpoint"))
    return found if flags.endpoint else [*found, *heldout(e)]


def _write(flags: argparse.Namespace, run: RunDirectory, e: Experiment, console: Console) -> int:
    from ftcore.evaluation import handover, handover_teval

    folder = Path(flags.to)
    if flags.write == "teval":
        texts = handover_teval.teval(e, run, folder)
    elif flags.endpoint:
        texts = handover.opencompass_served(e, run, _served(flags, e))
    else:
        texts = handover.opencompass(e, run)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in texts.items():
        write_text(folder / name, content)
        console.print(str(folder / name), markup=False)
    if flags.json:
        print(
            json.dumps({"run": run.id, "files": [str(folder / name) for name in texts]}, ensure_ascii=False)
        )
    return 0


def _served(flags: argparse.Namespace, e: Experiment) -> dict[str, tuple[str, str]]:
    """Who is served where: {"tuned": (URL, name)}, and "base" where a flag says so."""
    from ftcore.evaluation.endpoint import served

    timeout = min(e.evaluation.endpoint.timeout_seconds, 10)
    url, base_url = (_trimmed(one) for one in (flags.endpoint, flags.base_endpoint or flags.endpoint))
    found = {}
    if flags.base_endpoint or flags.base_model:
        found["base"] = (base_url, served(base_url, flags.base_model, timeout, "--base-model"))
    found["tuned"] = (url, served(url, flags.served_model, timeout, "--served-model"))
    return found


def _trimmed(url: str) -> str:
    return url.rstrip("/").removesuffix("/chat/completions").rstrip("/")


def _evaluate(flags: argparse.Namespace, run: RunDirectory, e: Experiment, console: Console) -> int:
    from ftcore.evaluation import of_run
    from ftcore.evaluation.answers import alone
    from ftcore.evaluation.measure import measure

    again = _this_command(flags, run)
    try:
        asked, sources = _asked(flags, run, e)
    except WorkError as error:
        raise WorkError(error.what, error.kept, error.goes_on or again) from None
    folder = of_run.folder(run, e, sources)
    with alone(folder):
        result = None if flags.again else read_json(folder / "evaluation.json")
        if result is None:
            if flags.again:
                for file in folder.glob("*.json*"):
                    file.unlink()
            questions = of_run.questions(e, load(run.config))
            if questions.trained_on:
                console.print(
                    f"{questions.trained_on} cases left out: the run was trained on their questions"
                )
            try:
                with progress(console, quiet=flags.json) as report:
                    result = measure(e, questions.cases, asked, report, folder)
            except (WorkError, KeyboardInterrupt, RuntimeError) as error:
                what = _said(error)
                if what is None:
                    raise
                raise WorkError(what, _kept(folder, len(questions.cases)), again) from None
            result = {"run": run.id, "created": record.now(), "asked": sources, **result}
            result["trained_on"] = questions.trained_on
            of_run.write(run, folder, result)
            with record.turn(run):
                write_report(run)
    _tell(flags, run, folder, result, console)
    return 0


def _asked(
    flags: argparse.Namespace, run: RunDirectory, e: Experiment
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Who is asked, in the order base, tuned, and for the file where that is.

    With an endpoint and no base there, the base is asked in this process, with the same prompts; not where
    the API's `tools` are used, which it would be shown in another form.
    """
    served = _served(flags, e) if flags.endpoint else {}
    asked: dict[str, Any] = {}
    sources: dict[str, dict[str, str]] = {}
    for who in ("base", "tuned"):
        if who in served:
            from ftcore.evaluation.endpoint import Endpoint

            asked[who] = Endpoint(e, *served[who])
            sources[who] = dict(zip(("endpoint", "model"), served[who], strict=True))
        elif not served or e.evaluation.endpoint.prompt == "text":
            asked[who] = _in_process(e, run, who)
            sources[who] = asked[who].source
    return asked, sources


def _in_process(e: Experiment, run: RunDirectory, who: str) -> Any:
    from ftcore.worker import prepare_environment

    prepare_environment(e, 1)
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    from ftcore.evaluation.in_process import InProcess
    from ftcore.models.gguf import unpack

    disable_progress_bar()
    set_verbosity_error()
    unpack(e.model)
    return InProcess(e, run, who)


def _said(error: BaseException) -> str | None:
    """What a person is told of an error that can be gone on from; None where it is none."""
    if isinstance(error, WorkError):
        return error.what
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    if "out of memory" in str(error):
        return "out of memory: a smaller evaluation.batch_size or evaluation.perplexity.batch_size needs less"
    return None


def _kept(folder: Path, cases: int) -> str:
    counts = {file.stem: _lines(file) for file in sorted(folder.glob("*.jsonl"))}
    told = ", ".join(f"{count} of {cases} answers of {who}" for who, count in counts.items())
    return f"{told or 'nothing yet'}, in {folder}"


def _lines(file: Path) -> int:
    return sum(bool(line.strip()) for line in file.read_text(encoding="utf-8", errors="replace").split("\n"))


def _this_command(flags: argparse.Namespace, run: RunDirectory) -> str:
    import shlex
    import sys

    words = [word for word in sys.argv[1:] if word != "--again"]
    return shlex.join(["python", "-m", "ftcore", *words]) if words else command_line("evaluate", run)


def _tell(
    flags: argparse.Namespace, run: RunDirectory, folder: Path, result: Mapping[str, Any], console: Console
) -> None:
    file = folder / "evaluation.json"
    if flags.json:
        told = {key: value for key, value in result.items() if key != "cases"}
        print(
            json.dumps({"evaluation": folder.name, "file": str(file), **told}, indent=2, ensure_ascii=False)
        )
        return
    console.print(comparison(result, f"run {run.id} on {result['dataset']}"))
    if result["difference"]:
        console.print("difference: tuned less base, with a 95 % interval")
    console.print(f"evaluation  {file}", markup=False)
    console.print(f"report      {run.report}", markup=False)
