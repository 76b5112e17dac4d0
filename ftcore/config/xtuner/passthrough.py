"""Settings that no typed field has, put into an XTuner configuration as they stand."""

from collections.abc import Iterable, Mapping
from typing import Any

from ftcore.config.nested import merge


def pass_through(config: dict[str, Any], given: Mapping[str, Any], remove: Iterable[str]) -> dict[str, Any]:
    """`config` without the dotted paths in `remove`, and with `given` merged over it.

    Mappings are merged key by key; anything else, a list too, takes the place of what was there.
    """
    if not given and not remove:
        return config
    result = _unshared(config)
    for path in remove:
        *parents, last = path.split(".")
        node: Any = result
        for name in parents:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    merge(result, given)
    return result


def _unshared(node: Any) -> Any:
    """A copy of `node` in which no two places are one object: a setting of one is none of the other's."""
    if isinstance(node, dict):
        return {name: _unshared(inner) for name, inner in node.items()}
    return [_unshared(inner) for inner in node] if isinstance(node, list) else node
