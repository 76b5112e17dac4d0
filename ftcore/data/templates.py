"""XTuner's prompt templates, read out of its source file.

Importing `xtuner.utils.templates` imports torch, mmengine and transformers (ten seconds); the dictionary in
it is made of literals, and both the cache key and a plan need nothing more.
"""

import ast
import difflib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from ftcore.data.errors import DataError

Template = dict[str, Any]
"""SYSTEM, INSTRUCTION, SUFFIX, SUFFIX_AS_EOS, SEP, STOP_WORDS; all but INSTRUCTION may be absent."""


def prompt_template(name: str) -> Template:
    """The template of that name; DataError, with the nearest name, where XTuner has none."""
    templates = _templates()
    if name not in templates:
        near = difflib.get_close_matches(name, templates, n=1, cutoff=0.0)[0]
        raise DataError(f"model.template: XTuner has no template {name!r}; did you mean {near!r}?")
    return dict(templates[name])


@cache
def _templates() -> dict[str, Template]:
    spec = importlib.util.find_spec("xtuner")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the package xtuner is not installed; its prompt templates are needed")
    source = Path(spec.submodule_search_locations[0]) / "utils" / "templates.py"
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "PROMPT_TEMPLATE":
            return _literal(node.value)
    raise DataError(f"{source}: no PROMPT_TEMPLATE in this version of xtuner")


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    return ast.literal_eval(node)
