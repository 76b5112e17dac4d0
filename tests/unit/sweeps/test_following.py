"""What a command that follows a sweep tells of its trials."""

import pytest

from ftcore.cli import sweep as following
from ftcore.cli.screen import Screen
from ftcore.sweeps.standing import Standing
from tests.fixtures.sweeps import grid, make

POINTS = grid(lr=[1, 2, 3])


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Follow a sweep through the given looks at its trials' (state, attempts); the lines that it says."""
    sweep = make(tmp_path, POINTS, lambda one: 1.0)
    entries = following.directory.trials(sweep)
    monkeypatch.setattr(following, "POLL_SECONDS", 0)
    monkeypatch.setattr(following.time, "sleep", lambda _: None)
    monkeypatch.setattr(following, "tell_end", lambda *_: 0)

    def follow(before, *looks):
        def standings(look):
            return [
                Standing(entry, state, None, {"attempts": attempts})
                for entry, (state, attempts) in zip(entries, look, strict=False)
            ]

        left = iter(looks)
        monkeypatch.setattr(following.standing, "standings", lambda *_: standings(next(left)))
        monkeypatch.setattr(
            following.standing, "going_on", lambda _, found: len(looks) > 1 and not over(found)
        )
        lines: list[str] = []
        monkeypatch.setattr(Screen, "say", lambda _, text: lines.append(text.strip()))
        following._follow(sweep, following._ended(standings(before)), Screen(), False)
        return lines

    def over(found) -> bool:
        return all(one.state not in ("created", "running") for one in found)

    return follow


def test_resumed(told):
    """How trials stood before is not told again; one that fails once more is, and completed ones count."""
    before = [("completed", 1), ("failed", 1), ("cancelled", 1)]
    lines = told(
        before,
        [("completed", 1), ("failed", 1), ("running", 2)],
        [("completed", 1), ("running", 2), ("completed", 2)],
        [("completed", 1), ("failed", 2), ("completed", 2)],
    )
    assert lines == ["2/3 lr=3: completed", "3/3 lr=2: failed"]


def test_from_the_beginning(told):
    """Each trial once, in the order in which they end."""
    lines = told(
        [],
        [("created", 0), ("completed", 1), ("running", 1)],
        [("completed", 1), ("completed", 1), ("cancelled", 1)],
    )
    assert lines == ["1/3 lr=2: completed", "2/3 lr=1: completed", "3/3 lr=3: cancelled"]
