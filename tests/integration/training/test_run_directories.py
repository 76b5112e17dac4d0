"""Runs made at the same moment."""

import secrets
from concurrent.futures import ThreadPoolExecutor

from ftcore.runs.directory import make
from tests.fixtures.tiny import finish, ftcore


def test_runs_of_the_same_second_never_share_a_directory(tmp_path, monkeypatch):
    """Not even where the random part of the name comes out the same most of the time."""
    draw = secrets.token_hex
    monkeypatch.setattr(secrets, "token_hex", lambda size: f"{int(draw(1), 16) % 64:04x}")
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: make(tmp_path, "same"), range(48)))
    assert len({run.path for run in runs}) == 48
    assert all(run.path.is_dir() for run in runs)


def test_two_commands_at_once_make_two_runs(tiny, tmp_path):
    """Started together and stopped by a mistake in the data: each has its own record and says why."""
    data = tmp_path / "broken.jsonl"
    data.write_text('{"messages": "none"}\n')
    both = [ftcore(*tiny.overrides(tmp_path, data__path=data)) for _ in range(2)]
    ended = [finish(process) for process in both]
    assert ended[0].run.path != ended[1].run.path
    for one in ended:
        assert one.code == 1 and one.record["state"] == "failed"
        assert one.record["error"]["stage"] == "prepare" and "broken.jsonl" in one.record["error"]["message"]
        assert "broken.jsonl" in one.err and "Traceback" not in one.err
