"""What a run has to serve: its merged model, and all that a server has to be told of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema import Experiment
from ftcore.data.errors import DataError
from ftcore.data.templates import prompt_template
from ftcore.deploy import folder as model_folder
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory, command_line

CALLS_TOOLS = ("function_calls", "agent_flan")
"""Forms of data (`data.format`) whose replies are Thought, Action and Action Input with JSON."""


@dataclass(frozen=True, slots=True)
class Served:
    """A run's merged model. Made by `served`, from files alone."""

    run_id: str
    run_name: str

    model_name: str
    """What clients call it."""

    folder: Path
    """Merged weights, absolute: an ordinary transformers folder."""

    parameters: int
    """Of all weights in the folder, tied ones once."""

    family: str
    """`model_type` of config.json: llama, qwen2, ..."""

    architecture: str
    """The first of `architectures` in config.json: LlamaForCausalLM, ..."""

    context_length: int
    """Tokens of prompt and reply together: what the model was made for, never less than it was trained at."""

    context_source: str
    """Where `context_length` stands: `config.json: max_position_embeddings`, or `max_length`."""

    max_length: int
    """Tokens of the sequences it was trained on here; what is longer was not seen in this training."""

    chat_template: str | None
    """Jinja text that makes a prompt of messages."""

    stop: tuple[str, ...]
    """Texts of the tokens that end a reply."""

    stop_token_ids: tuple[int, ...]

    abilities: tuple[str, ...]
    """`chat` where there is a chat template; `tools` where it was trained on Thought, Action and so on."""

    formats: tuple[str, ...]
    """`data.format` of everything it was trained on, the first source first."""

    @property
    def billions(self) -> float:
        """Parameters in 1e9, to three digits after the point: 0.135, 8.030."""
        return round(self.parameters / 1e9, 3)


def served(run: RunDirectory, e: Experiment, model_name: str) -> Served:
    """What `run`, whose experiment is `e`, has to serve.

    Reads the record and the JSON files of `merged/`. Raises RequestError with everything that is wrong: the
    run is not completed, has no merged model, or the folder is not what the record says.
    """
    entry = state.settled(run)
    problems = _unfinished(run, entry)
    if not run.merged.is_dir():
        raise RequestError([*problems, _not_merged(run, e)])
    problems += _damaged(run, entry)
    try:
        facts, broken = _facts(run.merged, e)
    except ValueError as error:
        facts, broken = {}, [Problem(run.id, f"merged/: {error}")]
    if problems + broken:
        raise RequestError(problems + broken)
    return Served(run_id=run.id, run_name=run.name, model_name=model_name, **facts)


def formats(e: Experiment) -> tuple[str, ...]:
    """`data.format` of every source of the experiment, each once."""
    return tuple(dict.fromkeys(source.format for source in e.data.sources().values()))


def stops(folder: Path, e: Experiment) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Texts and ids of the tokens that end a reply, as the evaluation takes them.

    Those that `model.stop_tokens` states, or else the template's stop words; and the folder's own end of
    sequence. ValueError where the tokenizer lacks a stated one.
    """
    ids = model_folder.token_ids(folder)
    texts = {number: text for text, number in ids.items()}
    stated = e.model.stop_tokens
    words = _template_words(e) if stated is None else stated
    if stated is not None and (missing := [word for word in stated if word not in ids]):
        raise ValueError(f"the tokenizer has no token {', '.join(map(repr, missing))} (model.stop_tokens)")
    numbers = [ids[word] for word in words if word in ids] + model_folder.eos_ids(folder)
    unique = tuple(dict.fromkeys(numbers))
    return tuple(texts[number] for number in unique if number in texts), unique


def _template_words(e: Experiment) -> tuple[str, ...]:
    try:
        return tuple(prompt_template(e.model.template).get("STOP_WORDS", ()))
    except DataError:  # xtuner is not installed here; the folder's own end of sequence remains
        return ()


def _unfinished(run: RunDirectory, entry: record.Record) -> list[Problem]:
    if entry["state"] == "completed":
        return []
    return [Problem(run.id, f"is {entry['state']}", "a completed run", command_line("resume", run))]


def _not_merged(run: RunDirectory, e: Experiment) -> Problem:
    if not e.export.merge:
        return Problem(run.id, "has no merged/: it was made with export.merge=false", "export.merge=true")
    return Problem(run.id, f"has no merged/ in {run.path}", "a run whose stage merge is completed")


def _damaged(run: RunDirectory, entry: record.Record) -> list[Problem]:
    """Files of merged/ that the record has and the folder lacks, or has with another size."""
    wrong = []
    for one in entry["artifacts"]:
        file = run.path / one["path"]
        if file.is_relative_to(run.merged):
            size = file.stat().st_size if file.is_file() else None
            if size is None:
                wrong.append(f"{one['path']} is missing")
            elif size != one.get("bytes", size):
                wrong.append(f"{one['path']} has {size:,} bytes, not {one['bytes']:,}")
    return [Problem(run.id, text) for text in wrong]


def _facts(folder: Path, e: Experiment) -> tuple[dict[str, Any], list[Problem]]:
    """The fields of Served that the folder and the experiment say, or what keeps them from saying so."""
    config, count = model_folder.config(folder), model_folder.parameters(folder)
    missing = [text for text, there in (("config.json", config), ("*.safetensors", count)) if not there]
    if missing:
        return {}, [Problem(str(folder), f"holds no {' and no '.join(missing)}")]
    name, length = model_folder.context_length(config) or ("", e.max_length)
    template = model_folder.chat_template(folder)
    stop, stop_ids = stops(folder, e)
    trained_on = formats(e)
    can = {"chat": template is not None, "tools": bool({*CALLS_TOOLS}.intersection(trained_on))}
    return {
        "folder": folder.absolute(),
        "parameters": count,
        "family": str(config.get("model_type", "")),
        "architecture": next(iter(config.get("architectures") or ()), ""),
        "context_length": length,
        "context_source": f"config.json: {name}" if name else "max_length",
        "max_length": e.max_length,
        "chat_template": template,
        "stop": stop,
        "stop_token_ids": stop_ids,
        "abilities": tuple(ability for ability, there in can.items() if there),
        "formats": trained_on,
    }, []
