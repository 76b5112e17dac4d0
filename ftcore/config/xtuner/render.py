"""A configuration of literals -> the text of a Python file that mmengine reads."""

from typing import Any

WIDTH = 100
INDENT = "    "


def render(config: dict[str, Any], header: str = "") -> str:
    """`config` as `name = value` lines, nested dicts as `dict(...)`; `header` becomes comment lines on top."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    lines += [f"{name} = {_value(value, '', len(name) + 3)}" for name, value in config.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any, indent: str, used: int) -> str:
    flat = _flat(value)
    if len(indent) + used + len(flat) <= WIDTH or not isinstance(value, (dict, list, tuple)) or not value:
        return flat
    inner = indent + INDENT
    if isinstance(value, dict):
        items = [f"{name}={_value(item, inner, len(name) + 2)}" for name, item in value.items()]
        return "dict(\n" + "".join(f"{inner}{item},\n" for item in items) + f"{indent})"
    items = [_value(item, inner, 1) for item in value]
    return "[\n" + "".join(f"{inner}{item},\n" for item in items) + f"{indent}]"


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        if all(str(name).isidentifier() for name in value):
            return f"dict({', '.join(f'{name}={_flat(item)}' for name, item in value.items())})"
        return "{" + ", ".join(f"{name!r}: {_flat(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_flat, value))}]"
    return repr(value)
