"""The names in the schema: every dotted key, what it says of itself, and which mappings are open."""

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ftcore.config.schema import Experiment


@cache
def fields() -> dict[str, FieldInfo]:
    """Every dotted key of an Experiment, in the order of the schema."""
    return dict(_walk(Experiment, ""))


@cache
def open_mappings() -> frozenset[str]:
    """Keys that hold a mapping whose entries people name themselves (`hardware.env`)."""
    return frozenset(key for key, field in fields().items() if _is_mapping(field.annotation))


def is_free_entry(key: str) -> bool:
    """Whether `key` lies in an open mapping, so that any name will do."""
    return any(key.startswith(f"{mapping}.") for mapping in open_mappings())


def _walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        for section in _sections(field.annotation):
            yield from _walk(section, f"{prefix}{name}.")


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is dict:
        return []  # an open mapping: its entries have names of people's own
    return [section for part in get_args(annotation) for section in _sections(part)]


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(map(_is_mapping, get_args(annotation)))
