"""Which experiments are the same: a hash over the keys that can change the numbers."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ftcore.config.schema import Experiment


def semantic(section: BaseModel) -> dict[str, Any]:
    """`section` as plain data without its cosmetic fields."""
    return {name: _plain(getattr(section, name)) for name in _kept(type(section))}


@cache
def _kept(section: type[BaseModel]) -> tuple[str, ...]:
    """Names of the fields that are not cosmetic."""
    extras = {name: field.json_schema_extra for name, field in section.model_fields.items()}
    return tuple(n for n, extra in extras.items() if not (isinstance(extra, dict) and extra.get("cosmetic")))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return semantic(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value


def in_cache(e: Experiment) -> bool:
    """Whether the model is one that ftcore unpacks into `cache_dir`, wherever that is. Another folder in its
    place is another model."""
    return e.model.gguf is not None and Path(e.model.path).is_relative_to(e.cache_dir)


def config_hash(experiment: Experiment) -> str:
    """sha256 over the semantic keys, whatever their order; hex."""
    plain = semantic(experiment)
    if in_cache(experiment):
        plain["model"].pop("path")
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
