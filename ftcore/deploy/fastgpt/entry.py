"""A model as FastGPT is told of it, in the forms of its versions, and the rules that FastGPT states. Pure.

Source: `projects/app/data/config.json` and the pages on model configuration of labring/FastGPT, 4.8.5 to
4.8.23, and the checks of `updateWithJson.ts`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ftcore.config.errors import Problem
from ftcore.config.schema.deploy_services import TokenBudget
from ftcore.deploy.served import Served

WITH_PROVIDER, IN_DATABASE = (4, 8, 16), (4, 8, 20)
"""First versions whose entries name a provider, and whose models are kept in the database."""

USES = {
    "datasets": "datasetProcess", "classify": "usedInClassify", "extract": "usedInExtractFields",
    "tool_calls": "usedInToolCall", "query_extension": "usedInQueryExtension",
}  # fmt: skip
"""`deploy.uses` -> FastGPT's flag. At least one model must have each, or what uses it fails."""

RUN = "ftcoreRun"
"""Key of an entry that says whose it is."""

MOST_RESPONSE = 4096
LEAST_CONTEXT = 256


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens. What `context` has beyond `response` and `quote` is left for prompt and history."""

    context: int
    response: int
    quote: int


def release(version: str) -> tuple[int, int, int]:
    """`v4.8.5` and `4.8.23-fix` as numbers."""
    parts = re.findall(r"\d+", version)[:3]
    return tuple(int(part) for part in [*parts, "0", "0"][:3])  # type: ignore[return-value]


def budget(context: int, response: int | None = None) -> Budget | Problem:
    """A quarter of the context for the reply (or `response`), one for prompt and history, the rest to quote.

    A Problem where that leaves nothing to quote.
    """
    if context < LEAST_CONTEXT:
        return Problem(
            "deploy.context", f"{context} tokens are too few to quote anything", f"{LEAST_CONTEXT} or more"
        )
    reply = min(context // 4, MOST_RESPONSE) if response is None else response
    quote = context - reply - context // 4
    if quote < 1:
        most = context - context // 4 - 1
        message = f"{reply} of {context} tokens leave no room for a prompt and what it quotes"
        return Problem("deploy.max_response", message, f"1 to {most}")
    return Budget(context, reply, quote)


def entry(served: Served, settings: TokenBudget, tokens: Budget) -> dict[str, Any]:
    """The item of `llmModels`, or from 4.8.20 the item of the exported list."""
    version = release(settings.version)
    of_provider = {"provider": settings.provider} if version >= WITH_PROVIDER else {}
    model = {
        **of_provider,
        "model": served.model_name,
        "name": served.model_name,
        "maxContext": tokens.context,
        "maxResponse": tokens.response,
        "quoteMaxToken": tokens.quote,
        "maxTemperature": settings.max_temperature,
        "charsPointsPrice": 0,
        "censor": False,
        "vision": False,
        **{flag: use in settings.uses for use, flag in USES.items()},
        "toolChoice": settings.tool_calls,
        "functionCall": False,
        "customCQPrompt": "",
        "customExtractPrompt": "",
        "defaultSystemChatPrompt": "",
        "defaultConfig": {},
        **({"fieldMap": {}} if of_provider else {}),
        RUN: f"{served.run_name}/{served.run_id}",
    }
    if version < IN_DATABASE:
        return model
    path = {"requestUrl": settings.request_url, "requestAuth": ""} if settings.request_url else {}
    return {
        "model": served.model_name,
        "metadata": {"isCustom": True, "isActive": True, "type": "llm", **model, **path},
    }


def model_of(item: dict[str, Any]) -> dict[str, Any]:
    """The model's own keys of an entry of either form."""
    return item.get("metadata", item)


def rule_problems(items: Iterable[dict[str, Any]]) -> list[Problem]:
    """What FastGPT asks of all its language models together: each use has one, and names differ."""
    every = list(items)
    # A newer FastGPT has models of its own besides the list, and turns on what has no flag.
    models = [model_of(item) for item in every if model_of(item).get("type", "llm") == "llm"]
    found = []
    for use, flag in USES.items():
        if models and not any(model.get(flag) for model in models):
            message = f"no model would have {flag}: FastGPT needs at least one"
            found.append(Problem("deploy.uses", message, f"with {use}"))
    names = [item.get("model") for item in every]
    for name in sorted({str(name) for name in names if names.count(name) > 1}):
        found.append(Problem("deploy.config", f"has the model {name} more than once", "each model once"))
    return found


def version_problems(settings: TokenBudget) -> list[Problem]:
    """Keys that the stated version does not have."""
    if settings.request_url and release(settings.version) < IN_DATABASE:
        message = f"FastGPT {settings.version} sends all to one address (OPENAI_BASE_URL)"
        return [Problem("deploy.request_url", message, "null", "deploy.version=4.8.20")]
    return []
