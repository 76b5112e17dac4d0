"""`deploy=fastgpt`: the model's entry in FastGPT's configuration file; the file as it was stays beside it."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from ftcore.config.errors import Problem, WorkError
from ftcore.config.schema import FastGpt
from ftcore.config.schema.deploy_services import TokenBudget
from ftcore.deploy.fastgpt.config_text import with_entry, without_entry
from ftcore.deploy.fastgpt.entry import IN_DATABASE, Budget, budget, entry, release, version_problems
from ftcore.deploy.kept import keep
from ftcore.deploy.served import Served
from ftcore.deploy.target import State, Up, taken_back
from ftcore.runs.files import write_text

ENTRY = "entry"


def entry_problems(served: Served, settings: TokenBudget) -> list[Problem]:
    """What keeps the model from having an entry at all."""
    found = version_problems(settings)
    if "chat" not in served.abilities:
        found.append(Problem("deploy.model_name", "the model has no chat template, and FastGPT only chats"))
    tokens = _budget(served, settings)
    if isinstance(tokens, Problem):
        found.append(tokens)
    if settings.context is not None and settings.context > served.context_length:
        message = f"the model was made for {served.context_length} tokens"
        found.append(Problem("deploy.context", message, f"at most {served.context_length}"))
    return found


def entry_of(served: Served, settings: TokenBudget) -> dict[str, Any]:
    """The entry, for a model without `entry_problems`."""
    tokens = _budget(served, settings)
    assert isinstance(tokens, Budget)
    return entry(served, settings, tokens)


def problems(served: Served, settings: FastGpt) -> list[Problem]:
    found = entry_problems(served, settings)
    if found or settings.config is None:
        return found
    text = _text(Path(settings.config))
    if isinstance(text, Problem):
        return [text]
    merged = with_entry(text, settings.version, entry_of(served, settings))
    return [] if isinstance(merged, str) else merged


def preview(served: Served, settings: FastGpt) -> str:
    return json.dumps(entry_of(served, settings), indent=2, ensure_ascii=False) + "\n"


def up(served: Served, settings: FastGpt, state: State, console: Console) -> Up:
    made = entry_of(served, settings)
    facts = {"url": settings.request_url, "model": served.model_name, "entry": made}
    if settings.config is None:
        console.print(preview(served, settings), end="", markup=False)
        return Up({**facts, "config": None})
    file = Path(settings.config).absolute()
    text = _text(file)
    merged = with_entry(text, settings.version, made) if isinstance(text, str) else [text]
    if isinstance(merged, list):
        raise WorkError("; ".join(map(str, merged)))
    if merged == text:
        console.print(f"{file} has the entry already")
    else:
        kept = keep(file, text)
        _write(file, merged)
        effect = {"file": str(file), "version": settings.version}
        if not any(effect.items() <= one.items() and one["name"] == served.model_name for one in state.made):
            state.add(ENTRY, served.model_name, **effect)
        console.print(f"{file}: {served.model_name}, {made_for(served, settings)}; as it was: {kept.name}")
    console.print(_takes_effect(settings))
    return Up({**facts, "config": str(file)})


def down(settings: FastGpt, state: State, console: Console) -> dict[str, Any]:
    removed, left = [], []
    for effect in reversed(state.made):
        file = Path(effect["file"])
        text = _text(file)
        if isinstance(text, Problem):
            raise WorkError(
                str(text), goes_on=f"take {effect['name']} out of {file} by hand, and remove {state.path}"
            )
        without = without_entry(text, effect["version"], effect["name"], state.run)
        if isinstance(without, Problem):
            raise WorkError(f"{file}: {without}")
        if without != text:
            _write(file, without)
        (removed if without != text else left).append(f"{effect['name']} in {file}")
        state.remove(effect)
    return taken_back(removed, left, console, "not there, or no longer this run's")


def made_for(served: Served, settings: TokenBudget) -> str:
    """The token budget in words."""
    tokens = _budget(served, settings)
    assert isinstance(tokens, Budget)
    return f"{tokens.context} tokens, {tokens.response} of them for a reply and {tokens.quote} to quote"


def _budget(served: Served, settings: TokenBudget) -> Budget | Problem:
    return budget(settings.context or served.context_length, settings.max_response)


def _takes_effect(settings: FastGpt) -> str:
    if release(settings.version) >= IN_DATABASE:
        return "FastGPT takes it from its page: model configuration, by configuration file (all models in it)"
    return "FastGPT reads it when it starts: docker compose restart fastgpt"


def _text(file: Path) -> str | Problem:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return Problem("deploy.config", f"there is no file {file}", "FastGPT's config.json")
    except (OSError, UnicodeDecodeError) as error:
        return Problem("deploy.config", f"{file} cannot be read: {getattr(error, 'strerror', None) or error}")


def _write(file: Path, text: str) -> None:
    """Replace the file, as readable as it was; where it is a link, what it points to."""
    target = file.resolve()
    mode = target.stat().st_mode
    write_text(target, text)
    target.chmod(mode)
