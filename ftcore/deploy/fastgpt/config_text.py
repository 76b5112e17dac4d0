"""FastGPT's configuration file with one model more, changed or less. Pure: text in, text out."""

from collections.abc import Sequence
from typing import Any

from ftcore.config.errors import Problem
from ftcore.deploy.fastgpt import json_text
from ftcore.deploy.fastgpt.entry import IN_DATABASE, RUN, model_of, release, rule_problems

KEY = "deploy.config"
MODELS = "llmModels"
MINIMAL = {
    "feConfigs": {"lafEnv": "https://laf.dev"},
    "systemEnv": {"vectorMaxProcess": 15, "qaMaxProcess": 15, "pgHNSWEfSearch": 100},
    MODELS: [],
    "vectorModels": [],
    "reRankModels": [],
    "audioSpeechModels": [],
}
"""A `config.json` with no model in it, of FastGPT before 4.8.20."""


def models(text: str, version: str) -> json_text.Part | Problem:
    """The array of language models in a file of that version, or why there is none."""
    try:
        value = json_text.parsed(text)
    except ValueError as error:
        comments = " (comments cannot be kept: put the entry of --print in by hand)" if "//" in text else ""
        return Problem(KEY, f"is no JSON: {error}{comments}", "JSON without comments")
    start = json_text.first(text)
    if release(version) >= IN_DATABASE:
        if not isinstance(value, list):
            return Problem(KEY, f"FastGPT {version} keeps models in its database, and exports them as a list",
                           "the exported list, or an older deploy.version")  # fmt: skip
        found = json_text.Part("", start, start + len(text[start:].rstrip()), value)
    elif not isinstance(value, dict) or MODELS not in value:
        older = (
            ": ChatModels is FastGPT's form before 4.6.8"
            if isinstance(value, dict) and "ChatModels" in value
            else ""
        )
        return Problem(KEY, f"has no {MODELS}{older}", f'{{"{MODELS}": [...], ...}}')
    else:
        found = next(part for part in json_text.parts(text, start) if part.key == MODELS)
    if not isinstance(found.value, list) or not all(_is_item(item) for item in found.value):
        return Problem(
            KEY, f"{found.key or 'the list'} holds something else than models", "objects with a model"
        )
    return found


def with_entry(
    text: str, version: str, entry: dict[str, Any], ours: Sequence[str] = ()
) -> str | list[Problem]:
    """`text` with `entry`, in the place of an earlier one of ftcore's, or at the end.

    `ours`: models that are known to be ftcore's though their entries do not say so. A list of problems where
    the file cannot be read, the name is somebody else's, or FastGPT's rules would be broken.
    """
    array = models(text, version)
    if isinstance(array, Problem):
        return [array]
    there = _item(text, array, entry["model"])
    if there is not None and RUN not in model_of(there.value) and entry["model"] not in ours:
        return [Problem("deploy.model_name", f"{entry['model']} is in the file already, and is not ftcore's",
                        "another name", f"deploy.model_name={entry['model']}-tuned")]  # fmt: skip
    others = [item for item in array.value if item["model"] != entry["model"]]
    if problems := rule_problems([*others, entry]):
        return problems
    if there is None:
        return json_text.appended(text, array, entry)
    return text if there.value == entry else json_text.replaced(text, there, entry)


def without_entry(text: str, version: str, model: str, run: str) -> str | Problem:
    """`text` without the model, where the entry is of that run; `text` itself where it is not."""
    array = models(text, version)
    if isinstance(array, Problem):
        return array
    there = _item(text, array, model)
    if there is None or model_of(there.value).get(RUN) != run:
        return text
    return json_text.removed(text, array, there)


def _item(text: str, array: json_text.Part, model: str) -> json_text.Part | None:
    return next((part for part in json_text.parts(text, array.start) if part.value["model"] == model), None)


def _is_item(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("model"), str) and isinstance(model_of(item), dict)
