"""A run's own program, where it is another one than this: what was frozen is what goes on."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.runs import source
from ftcore.runs.directory import RunDirectory


def is_this_program(entry: Mapping[str, Any]) -> bool:
    """Whether the run of a record was made with the code that is running now; true where nobody knows."""
    identity = entry["code"].get("source_sha256")
    return identity is None or identity == source.identity(source.program())


def command(run: RunDirectory, words: Sequence[str], *, aside: bool = False) -> int:
    """`python -m ftcore WORDS` of the run's own program, in this terminal; its exit code.

    `aside` keeps stdout free for the caller's JSON.
    """
    if not run.source.is_dir():
        source.unpack(run.source_archive, run.source)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(run.source.absolute()), *_python_path()])}
    # -P: the folder that this is called from may hold another ftcore.
    words = [sys.executable, "-P", "-m", "ftcore", *words]
    return subprocess.run(words, env=env, stdout=sys.stderr if aside else None).returncode


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
