"""Which checkpoints of a run can go. The newest whole one of a run that is not complete never does."""

from collections.abc import Iterator
from pathlib import Path

from ftcore.gc.candidate import Candidate, size
from ftcore.gc.survey import Known
from ftcore.training import checkpoint_files


def superfluous(found: list[tuple[str, bool]], done: bool) -> dict[str, str]:
    """Name -> why it can go, of checkpoints given oldest first with whether each is whole.

    `done`: the run is complete and its exported weights are there.
    """
    if done:
        return {name: "the run is complete, and its weights are exported" for name, _ in found}
    newest = next((name for name, whole in reversed(found) if whole), None)
    if newest is None:
        return {}  # torn ones are all there is: somebody may yet save something
    return {
        name: f"older than {newest}, the newest whole one" if whole else f"torn, and {newest} is whole"
        for name, whole in found
        if name != newest
    }


def of_run(known: Known) -> dict[str, str]:
    """Name -> why it can go, of the run's checkpoints as they lie there now."""
    if known.open or known.tagged_keep or known.experiment is None:
        return {}
    paths = checkpoint_files.every(known.run.checkpoints)
    return superfluous([(path.name, _is_whole(path)) for path in paths], known.done)


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(checkpoint_files.examine(path), checkpoint_files.Checkpoint)
    except (OSError, KeyError, TypeError, AttributeError):
        return False  # a manifest, but not one of ours


def candidates(known: Known) -> Iterator[Candidate]:
    """Checkpoints of this run that can go, but for what other runs point at."""
    for name, why in of_run(known).items():
        path = known.run.checkpoints / name
        yield Candidate("checkpoints", path, size(path), why, known.ended, known.run)
