"""An experiment that was asked for before: the run that answered it."""

from contextlib import suppress
from pathlib import Path

from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment
from ftcore.listing.rows import Listing
from ftcore.runs import source
from ftcore.runs.directory import RunDirectory
from ftcore.runs.verdict import OPEN_STATES

DECIDES = ("config_hash", "state", "data.cache_key", "code.source_sha256")


def run_of(e: Experiment) -> RunDirectory | None:
    """The newest run under `runs_dir` of the same experiment on the same data: a completed one before any
    other, then one that waits or runs, then one that can be gone on with.

    An unfinished run of another program is none: going on would mix the two.
    """
    listing = Listing(Path(e.runs_dir))
    columns = [listing.column(key) for key in DECIDES]
    wanted = config_hash(e)
    alike = [(row, *rest) for row, (known, *rest) in enumerate(zip(*columns, strict=True)) if known == wanted]
    listing.remember()
    if not alike:
        return None
    key, identity = data_key(e), source.identity(source.program())
    ranked = []
    for row, state, known, program in reversed(alike):
        if key and known and known != key:
            continue
        if state == "completed":
            ranked.append((0, row))
        elif state in OPEN_STATES:
            ranked.append((1, row))
        elif program == identity:
            ranked.append((2, row))
    return listing.run(min(ranked, key=lambda one: one[0])[1]) if ranked else None


def data_key(e: Experiment) -> str | None:
    """Of the data as it is now; None where that takes more than a look at files."""
    from ftcore.data.errors import DataError
    from ftcore.data.prepare import cache_key

    if any(one.hub for one in e.data.sources().values()):
        return None
    with suppress(DataError, OSError):
        return cache_key(e)
    return None
