"""gc and the cache: what no unfinished run goes on with, in a cache that is these runs' own."""

import json

from ftcore.cli.main import main
from ftcore.gc.find import Wanted, find
from ftcore.gc.remove import remove
from ftcore.gc.survey import Survey
from ftcore.runs.files import write_json
from tests.fixtures.run_folders import age

OLD, NEW, OTHER, ROWS = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def gc(folders, *words):
    return main(["gc", "--runs-dir", str(folders.runs), "--yes", *words])


def entry(folders, key, messages=None, kind="data"):
    """An entry of the cache, two hours old."""
    path = folders.runs / ".cache" / kind / key
    path.mkdir(parents=True)
    (path / "tokens.npy").write_bytes(b"x" * 50)
    write_json(path / "manifest.json", {"parts": [{"messages_key": messages}], "files": {"tokens.npy": 50}})
    age(path)
    return path


def data(key):
    return {"data": {"source": "x", "cache_key": key, "sources": []}}


def test_data_of_unfinished_runs_stays(folders):
    """Prepared data goes once the runs that used it are complete; with it the rows converted for it."""
    used, unused = entry(folders, NEW, ROWS), entry(folders, OLD, OTHER)
    kept, gone = entry(folders, ROWS, kind="messages"), entry(folders, OTHER, kind="messages")
    link = gone.with_name("function_calls")
    link.symlink_to(gone.name)
    folders.make("20260101-000000-00000", **data(OLD))
    folders.make("20260102-000000-00000", "cancelled", **data(NEW))
    assert gc(folders) == 0
    assert used.exists() and kept.exists() and not unused.exists() and not gone.exists()
    assert not link.is_symlink()


def test_young_entries_stay(folders):
    """What was built within the hour may be for a run that has not said so yet."""
    path = entry(folders, OLD)
    age(path, 60)
    assert gc(folders) == 0 and path.exists()


def test_run_that_is_about_to_prepare(folders):
    """While a run that has not prepared its data may run, nobody knows which it will find in the cache."""
    path = entry(folders, OLD)
    run = folders.make("20260102-000000-00000", "running")
    record = json.loads(run.record.read_text())
    record["attempts"][0]["nodes"] = ["another-host"]
    write_json(run.record, record)
    assert gc(folders) == 0 and path.exists()


def test_run_that_begins_between_look_and_removal(folders):
    """An entry that a new run goes on with is put back."""
    path = entry(folders, OLD)
    survey = Survey(folders.runs)
    candidates = find(survey, Wanted(kinds=frozenset({"data"})), lambda _: None).candidates
    real, looks = survey.look, []

    def look(*args, **how):
        looks.append(path.exists())
        if len(looks) == 2:
            folders.make("20260102-000000-00000", "cancelled", **data(OLD))
        return real(*args, **how)

    survey.look = look
    assert "uses it now" in remove(candidates[0], survey)
    assert looks == [True, False] and (path / "tokens.npy").exists()


def test_models(folders):
    """An unpacked model goes once no run names it; what somebody else put there stays."""
    models = folders.runs / ".cache" / "models"
    ours, theirs = models / "SmolLM2-135M-Instruct", models / "my-own"
    for path in (ours, theirs):
        path.mkdir(parents=True)
        age(path)
    run = folders.make("20260101-000000-00000", config={"model.path": str(ours)})
    assert gc(folders) == 0 and ours.exists()
    run.record.unlink()
    assert gc(folders, "--keep", "models") == 0 and ours.exists()
    assert gc(folders) == 0 and not ours.exists() and theirs.exists()


def test_sources_and_memo(folders):
    """Of the program's archives the newest stays, and the memo of hashes always."""
    sources = folders.runs / ".cache" / "sources"
    sources.mkdir(parents=True)
    for number in range(3):
        for name in (f"{number}.tar.gz", f"{number}.tar.json"):
            (sources / name).write_text("x")
            age(sources / name, 9000 - number)
    memo = sources.parent / "fingerprints.json"
    memo.write_text("{}")
    age(memo)
    assert gc(folders) == 0
    assert sorted(path.name for path in sources.iterdir()) == ["2.tar.gz", "2.tar.json"] and memo.exists()


def test_builds(folders):
    """A build that has not moved for a day goes; one of two hours may be a long one."""
    for name, seconds in ((f".{OLD}.0123456789ab", 7200), (f".{NEW}.0123456789ab", 90_000)):
        path = folders.runs / ".cache" / "data" / name
        path.mkdir(parents=True)
        age(path, seconds)
    assert gc(folders) == 0
    assert [path.name[1] for path in (folders.runs / ".cache" / "data").iterdir()] == ["a"]


def test_shared_cache(folders, capsys):
    """A cache outside of the runs' folder is looked at only on request."""
    outside = folders.runs.parent / "shared"
    path = outside / "data" / OLD
    path.mkdir(parents=True)
    age(path)
    folders.make("20260101-000000-00000", config={"cache_dir": str(outside)})
    assert gc(folders) == 0 and path.exists()
    assert "--shared-caches" in capsys.readouterr().out
    assert gc(folders, "--shared-caches") == 0 and not path.exists()
