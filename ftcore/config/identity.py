"""Which experiments are the same: a hash over the keys that can change the numbers."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from ftcore.config.schema import Experiment


def semantic(section: BaseModel) -> dict[str, Any]:
    """`section` as plain data without its cosmetic fields."""
    plain: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("cosmetic"):
            continue
        value = getattr(section, name)
        plain[name] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return semantic(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value


def config_hash(experiment: Experiment) -> str:
    """sha256 over the semantic keys, whatever their order; hex."""
    plain = semantic(experiment)
    if experiment.model.gguf is not None:
        # Unpacked into the cache, wherever that lies.
        plain["model"].pop("path")
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
