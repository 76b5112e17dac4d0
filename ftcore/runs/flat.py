"""A record as one level of dotted keys: what `ls` filters, sorts and shows."""

from collections.abc import Mapping, Sequence
from typing import Any

Flat = dict[str, Any]
"""Dotted key -> number, text, bool, None, or a list of these."""

LEFT_OUT = ("error.traceback",)
"""Pages of text that nobody lists."""

NESTED = (dict, list)


Memory = dict[str, tuple[Mapping[str, Any], Flat]]
"""Prefix -> the mapping last met there, and what became of it."""


def flat(record: Mapping[str, Any], memory: Memory | None = None) -> Flat:
    """Every value of the record under its dotted key.

    Of entries with names (stages) each is under its name; of other lists of entries (attempts, artifacts)
    there is how many they are. `attempt.` has the newest attempt. `memory`, of one dictionary for many
    records, makes it quick where most of a record is as in the one before: it usually is.
    """
    found: Flat = {}
    memory = {} if memory is None else memory
    _add(found, "", record, memory)
    attempts = record.get("attempts")
    if isinstance(attempts, list) and attempts and isinstance(attempts[-1], dict):
        _add(found, "attempt.", attempts[-1], memory)
    for key in LEFT_OUT:
        found.pop(key, None)
    return found


def _add(found: Flat, prefix: str, mapping: Mapping[str, Any], memory: Memory) -> None:
    # Exact classes, since all of it comes from JSON: a folder's cold listing spends its time here.
    for name, value in mapping.items():
        kind = value.__class__
        if kind is dict:
            _add_mapping(found, f"{prefix}{name}.", value, memory)
        elif kind is list and value and (value[0].__class__ in NESTED or value[-1].__class__ in NESTED):
            _add_entries(found, f"{prefix}{name}", value, memory)
        else:
            found[prefix + name] = value


def _add_mapping(found: Flat, prefix: str, mapping: Mapping[str, Any], memory: Memory) -> None:
    last = memory.get(prefix)
    if last is None or last[0] != mapping:
        part: Flat = {}
        _add(part, prefix, mapping, memory)
        memory[prefix] = last = (mapping, part)
    found.update(last[1])


def _add_entries(found: Flat, key: str, entries: Sequence[Any], memory: Memory) -> None:
    found[key] = len(entries)
    for entry in entries:
        if entry.__class__ is dict and (name := entry.get("name")).__class__ is str:
            rest = {inner: entry[inner] for inner in entry if inner != "name"}
            _add(found, f"{key}.{name}.", rest, memory)
