"""Removing what was found, each after another look: a run may have been resumed, or begun, meanwhile.

First renamed to a hidden name, then deleted: whoever looks sees the thing whole or not at all, and whatever
is left when this is killed is found as a temporary folder the next time.
"""

import errno
from contextlib import suppress
from pathlib import Path

from ftcore.gc import cache, checkpoints, leftovers, whole_runs
from ftcore.gc.candidate import Candidate
from ftcore.gc.find import pinned
from ftcore.gc.leftovers import gone_name, original_name
from ftcore.gc.survey import Known, Survey, going_on
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import locked, sync_path


class Stays(Exception):
    """It must not go after all; says why."""


def remove(candidate: Candidate, survey: Survey) -> str | None:
    """Remove it; why it stayed, or None where it is gone (or was gone already)."""
    try:
        _REMOVERS[candidate.kind](candidate, survey)
    except Stays as reason:
        return str(reason)
    except OSError as error:
        return f"{error.filename or candidate.path}: {error.strerror}"
    return None


def _checkpoint(candidate: Candidate, survey: Survey) -> None:
    run = candidate.run
    assert run is not None
    path, gone = candidate.path, gone_name(candidate.path)

    def take(entry: record.Record) -> None:
        # Under the record's lock: nobody begins an attempt between the look and the rename.
        if not path.is_dir():
            raise Stays("it is gone already")
        why = checkpoints.of_run(_still_closed(run, survey)).get(path.name)
        if why is None:
            raise Stays("it is needed now")
        if pinned(candidate, _all(survey)):
            raise Stays("another run points at it now")
        path.rename(gone)
        note_removed(entry, f"checkpoints/{path.name}", candidate.bytes, why)

    try:
        record.update(run, take)
    except OSError as error:
        if not gone.exists() or error.errno not in (errno.ENOSPC, errno.EDQUOT):
            with suppress(OSError):
                gone.rename(path)
            raise
        # On a full disk the record has room only once something is gone.
        leftovers.delete(gone)
        record.update(run, lambda entry: note_removed(entry, f"checkpoints/{path.name}", candidate.bytes))
    sync_path(path.parent)
    leftovers.delete(gone)


def note_removed(entry: record.Record, path: str, size: int, why: str = "") -> None:
    """Write into the record that `path` of the run is no longer there, and claim nothing of it."""
    removed = [one for one in entry.get("removed", []) if one["path"] != path]
    entry["removed"] = [*removed, {"path": path, "bytes": size, "why": why, "time": record.now()}]
    entry["artifacts"] = [
        one for one in entry["artifacts"] if one["path"] != path and not one["path"].startswith(f"{path}/")
    ]


def _run(candidate: Candidate, survey: Survey) -> None:
    run = candidate.run
    assert run is not None
    if not run.record.is_file():
        return
    gone = gone_name(run.path)
    with locked(run.path / ".record.lock"):
        one = _still_closed(run, survey)
        if one.ended != candidate.since:
            raise Stays(f"it went on meanwhile, and is {one.entry['state']}")
        if reason := whole_runs.stays(one, _all(survey)):
            raise Stays(reason)
        run.path.rename(gone)
    sync_path(run.path.parent)
    leftovers.delete(gone)


def _cached(candidate: Candidate, survey: Survey) -> None:
    path, gone = candidate.path, gone_name(candidate.path)
    folder = path.parents[1]
    if not cache.still_unused(candidate, folder, _all(survey)):
        raise Stays("a run uses it now")
    try:
        path.rename(gone)
    except FileNotFoundError:
        return
    # A run that began between the two looked for it under its name, and its record was there before.
    if not cache.still_unused(candidate, folder, _all(survey)):
        with suppress(OSError):  # it may have been built anew
            gone.rename(path)
            raise Stays("a run uses it now")
    leftovers.delete(gone)
    _drop_links(path)


def _source(candidate: Candidate, survey: Survey) -> None:
    # Its description first: without it the archive is made again.
    candidate.path.with_name(candidate.path.name.removesuffix(cache.SOURCE) + ".tar.json").unlink(
        missing_ok=True
    )
    candidate.path.unlink(missing_ok=True)


def _leftover(candidate: Candidate, survey: Survey) -> None:
    path, run = candidate.path, candidate.run
    if not leftovers.is_stale(path):
        raise Stays("it has changed now")
    if run is not None:
        _still_closed(run, survey)
        if path.parent == run.checkpoints and (name := original_name(path)):
            _note_once(run, f"checkpoints/{name}", candidate.bytes)
    leftovers.delete(path)


def _note_once(run: RunDirectory, path: str, size: int) -> None:
    """A gc that was killed between rename and record left this to be said."""
    if not any(one["path"] == path for one in record.read(run).get("removed", [])):
        record.update(run, lambda entry: note_removed(entry, path, size, "taken away by gc"))


def _drop_links(path: Path) -> None:
    """Links beside a removed entry that led to it."""
    for link in path.parent.iterdir():
        if link.is_symlink() and not link.exists() and link.readlink().name == path.name:
            link.unlink(missing_ok=True)


def _still_closed(run: RunDirectory, survey: Survey) -> Known:
    one = survey.fresh(run)
    if one.open or going_on(run, one.entry, settle=False):
        raise Stays("the run goes on now")
    return one


def _all(survey: Survey) -> list[Known]:
    known = survey.look(settle=False)
    if survey.unreadable:
        raise Stays(f"{survey.unreadable[0]} cannot be read, and may use it")
    return known


_REMOVERS = {"checkpoints": _checkpoint, "runs": _run, "data": _cached, "models": _cached, "sources": _source,
             "temporary": _leftover}  # fmt: skip
