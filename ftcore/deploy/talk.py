"""A run's model, and the one it was made from, ready to be talked with."""

from pathlib import Path

from ftcore.config.errors import WorkError
from ftcore.config.schema import Experiment
from ftcore.data.errors import DataError
from ftcore.data.templates import prompt_template
from ftcore.deploy.engine import Engine, device_of
from ftcore.deploy.folder import context_length
from ftcore.evaluation.generate import stop_ids
from ftcore.models.load import load_model, load_tokenizer
from ftcore.runs.directory import RunDirectory


def sides(run: RunDirectory, e: Experiment, base: str, *, compare: bool) -> dict[str, Engine]:
    """`tuned`, and before it with `compare` also `base`. Raises WorkError where weights cannot be loaded.

    `base` is the folder or hub id of the base model. One set of weights serves both where there is an
    adapter, which is switched off for the base; otherwise the merged model and the base are loaded.
    """
    try:
        if run.adapter.is_dir() and (compare or not run.merged.is_dir()):
            return _with_adapter(run, e, base, compare=compare)
        found = {"base": _engine(base, e)} if compare else {}
        return found | {"tuned": _engine(run.merged, e)}
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise WorkError(f"the model cannot be loaded: {error}") from error


def _with_adapter(run: RunDirectory, e: Experiment, base: str, *, compare: bool) -> dict[str, Engine]:
    from peft import PeftModel

    plain = _engine(base, e)
    model = PeftModel.from_pretrained(plain.model, run.adapter).eval()
    tokenizer = load_tokenizer(run.adapter, e.model)
    tuned = Engine(model, tokenizer, _stops(tokenizer, e), plain.context_length, plain.turn)
    if not compare:
        return {"tuned": tuned}
    plain.model, plain.within = model, model.disable_adapter
    return {"base": plain, "tuned": tuned}


def _engine(path: str | Path, e: Experiment) -> Engine:
    model = load_model(path, e.model, "auto", device_of("auto"))
    tokenizer = load_tokenizer(path, e.model)
    found = context_length(model.config.to_dict())
    return Engine(model, tokenizer, _stops(tokenizer, e), found[1] if found else e.max_length)


def _stops(tokenizer: object, e: Experiment) -> tuple[int, ...]:
    try:
        words = prompt_template(e.model.template).get("STOP_WORDS", ())
    except DataError:  # xtuner is not installed here
        words = ()
    return tuple(stop_ids(tokenizer, e.model.stop_tokens, words))
