"""The run that a command's words name."""

import argparse
from pathlib import Path

from ftcore.config.errors import Problem, RequestError
from ftcore.runs.directory import RunDirectory, find


def one_run(flags: argparse.Namespace) -> RunDirectory:
    """The one run that the command is about; `runs_dir=FOLDER` among the words says where runs lie."""
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    folders = [word.removeprefix("runs_dir=") for word in flags.words if word.startswith("runs_dir=")]
    if len(words) != 1:
        given = "none" if not words else ", ".join(words)
        raise RequestError(
            [Problem("RUN", f"one run is needed, given: {given}", "an id, its beginning, a folder, last")]
        )
    return find(Path(folders[-1] if folders else flags.runs_dir), words[0])
