"""A channel as One-API is told of it. Pure.

Source: `model/channel.go`, `controller/channel.go` and `relay/adaptor/openai/helper.go` of
songquanpeng/one-api (0.6.11-preview.7).
"""

import json
from collections.abc import Iterable
from typing import Any

from ftcore.config.errors import Problem
from ftcore.config.schema import OneApi

COMPATIBLE = 50
"""The one type whose base address ends in /v1; One-API puts it behind all others by itself."""

RUN = "ftcore_run"
"""Key of the channel's `config` that says whose it is; One-API keeps keys that it does not know."""

LONGEST_MAPPING = 1024
ENABLED = 1


def base_url(upstream: str, channel_type: int) -> str:
    """The upstream's address as that type of channel wants it: with /v1 for 50, without for the others."""
    bare = upstream.rstrip("/").removesuffix("/v1")
    return f"{bare}/v1" if channel_type == COMPATIBLE else bare


def channel(settings: OneApi, run: str, key: str) -> dict[str, Any]:
    """The body that makes the channel, or with `id` updates it.

    An update leaves alone what is null or empty, so that no mapping is `{}`, not nothing.
    """
    upstream = settings.upstream_model or settings.model_name
    mapping = {} if upstream == settings.model_name else {settings.model_name: upstream}
    return {
        "name": settings.channel,
        "type": settings.channel_type,
        "key": key,
        "base_url": base_url(settings.upstream, settings.channel_type),
        "models": settings.model_name,
        "group": settings.group,
        "model_mapping": json.dumps(mapping, ensure_ascii=False),
        "priority": settings.priority,
        "weight": 0,
        "status": ENABLED,
        "config": json.dumps({RUN: run}),
    }


def owner(there: dict[str, Any]) -> str | None:
    """`NAME/RUN_ID` of the run that a channel is of; None where ftcore did not make it."""
    try:
        config = json.loads(there.get("config") or "{}")
    except ValueError:
        return None
    return config.get(RUN) if isinstance(config, dict) else None


def same(there: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a channel is this one already, but for its key, which One-API never tells."""
    return all(
        there.get(name) == value for name, value in wanted.items() if name not in ("key", "config")
    ) and (owner(there) == owner(wanted))


def key_problems(name: str, key: str) -> list[Problem]:
    """What is wrong with the upstream's key, which One-API itself would not say."""
    if not key:
        message = "is empty or not set: One-API makes no channel without a key, and still answers success"
        return [Problem(name, message, "what the upstream asks for, or any text where it asks for nothing")]
    if len(key.splitlines()) > 1:
        return [Problem(name, "has more than one line: One-API makes a channel of each", "one line")]
    return []


def in_the_way(channels: Iterable[dict[str, Any]], settings: OneApi) -> list[Problem]:
    """Channels of others that have the name, or serve the model to the same group."""
    found = []
    for one in channels:
        if owner(one) is not None:
            continue
        if one["name"] == settings.channel:
            message = f"channel {one['id']} has that name, and is not ftcore's"
            found.append(Problem("deploy.channel", message, "another name"))
        elif _serves(one, settings):
            message = (
                f"{settings.model_name} is served to {settings.group} by channel {one['id']} "
                f"({one['name']}), which is not ftcore's: One-API would choose between the two at random"
            )
            found.append(Problem("deploy.model_name", message, "another name, or another deploy.group"))
    return found


def mine(channels: Iterable[dict[str, Any]], settings: OneApi) -> dict[str, Any] | None:
    """The channel to update: of that name, made by ftcore for this run or an earlier one."""
    return next((one for one in channels if one["name"] == settings.channel and owner(one) is not None), None)


def _serves(there: dict[str, Any], settings: OneApi) -> bool:
    models, groups = (str(there.get(name, "")).split(",") for name in ("models", "group"))
    return there.get("status") == ENABLED and settings.model_name in models and settings.group in groups
