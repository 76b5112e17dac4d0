"""Which configuration files a word stands for."""

import importlib.util
from pathlib import Path

from ftcore.config.errors import Problem, RequestError, nearest, shortened

SHIPPED = "shipped"
"""The word for every configuration that the installed XTuner ships."""


def config_files(word: str) -> list[Path]:
    """A file, every .py file of a folder, or a configuration that XTuner ships, by its name.

    Raises RequestError where there is none.
    """
    path = Path(word).expanduser()
    if word == SHIPPED:
        return _sorted(_shipped_folder())
    if path.is_dir():
        if not (files := _sorted(path)):
            raise RequestError([Problem(shortened(word), "no .py file in this folder or below it")])
        return files
    if path.exists() or path.suffix or "/" in word:
        return [path]  # whatever is wrong with it, the reader says
    folder = _shipped_folder()
    shipped = {file.stem: file for file in _sorted(folder)} if folder is not None else {}
    if word not in shipped:
        allowed = "a file, a folder, shipped, or the name of a configuration that XTuner ships"
        raise RequestError([Problem(shortened(word), "no such file", allowed, nearest(word, shipped))])
    return [shipped[word]]


def _sorted(folder: Path | None) -> list[Path]:
    if folder is None:
        raise RequestError([Problem(SHIPPED, "XTuner is not installed here", "a file or a folder")])
    return sorted(folder.rglob("*.py"))


def _shipped_folder() -> Path | None:
    spec = importlib.util.find_spec("xtuner")
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(folders[0]) / "configs" if folders else None
