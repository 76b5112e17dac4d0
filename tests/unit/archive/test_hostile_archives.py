"""Archives that are damaged, forged or none: refused as a whole, with one message."""

import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcore.cli.main import main
from tests.fixtures.archives import ID, export, refused, repacked
from tests.fixtures.run_folders import Folders, tree


def forged(name, **given):
    info = tarfile.TarInfo(name)
    for key, value in given.items():
        setattr(info, key, value)
    return info


INSIDE = f"试验/{ID}"
HOSTILE = {
    "up": forged(f"{INSIDE}/../../../evil"),
    "up at once": forged("../evil"),
    "absolute": forged("/tmp/ftcore-evil"),
    "dot": forged(f"{INSIDE}/./evil"),
    "backslash": forged(f"{INSIDE}/a\\..\\evil"),
    "another run": forged("other/20260101/evil"),
    "beside": forged("evil"),
    "symlink": forged(f"{INSIDE}/a", type=tarfile.SYMTYPE, linkname="/etc"),
    "hard link": forged(f"{INSIDE}/a", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "fifo": forged(f"{INSIDE}/a", type=tarfile.FIFOTYPE),
    "device": forged(f"{INSIDE}/a", type=tarfile.CHRTYPE),
    "folder": forged(f"{INSIDE}/a", type=tarfile.DIRTYPE),
    "twice": forged(f"{INSIDE}/config.yaml"),
    "under a file": forged(f"{INSIDE}/config.yaml/evil"),
    "unlisted": forged(f"{INSIDE}/evil"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_member(run, tmp_path, kind, capsys):
    """A path that leads out, a link, or anything that no export writes: refused as a whole."""
    archive = export(run, tmp_path / "a.tar")
    info = HOSTILE[kind]
    with tarfile.open(archive) as old, tarfile.open(tmp_path / "b.tar", "w") as new:
        for one in old:
            if one.name == "manifest.json":
                new.addfile(info, io.BytesIO(b""))
            data = old.extractfile(one).read()
            if one.name == "ftcore-runs.json":  # with room for one more
                header = json.loads(data)
                data = json.dumps(header | {"files": header["files"] + 1}).encode()
                one.size = len(data)
            new.addfile(one, io.BytesIO(data))
    capsys.readouterr()
    refused(tmp_path / "b.tar", tmp_path / "there", capsys)
    assert not list(tmp_path.rglob("evil")) and not Path("/tmp/ftcore-evil").exists()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("version", 2, "a newer ftcore"),
        ("format", "else", "no archive of runs"),
        ("runs", [{"name": "..", "id": "x"}], "no name"),
        ("runs", [], "names no run"),
        ("runs", 3, "damaged"),
        ("bytes", 3, "more than it says"),
        ("files", 10**9, "files"),
    ],
)
def test_wrong_header(run, tmp_path, name, text, says, capsys):
    """A newer format, another one, and headers that say what cannot be."""
    archive = export(run, tmp_path / "a.tar")

    def change(member, info, data):
        return info, (
            json.dumps(json.loads(data) | {name: text}).encode() if member == "ftcore-runs.json" else data
        )

    forged_archive = repacked(archive, tmp_path / "b.tar", change)
    capsys.readouterr()
    code = 2 if name in ("version", "format") else 1
    assert says in refused(forged_archive, tmp_path / "there", capsys, code)


@pytest.mark.parametrize("what", ["changed", "hash", "missing", "no manifest", "no record", "after"])
def test_content_that_is_not_the_manifests(run, tmp_path, what, capsys):
    """A file, a hash or a whole member that is not what the manifest says."""
    archive = export(run, tmp_path / "a.tar")

    def change(member, info, data):
        if member.endswith("metrics.jsonl") and what == "changed":
            return info, data.replace(b"1.5", b"1.4")
        if member.endswith("metrics.jsonl") and what == "missing":
            return None
        if member.endswith("record.json") and what == "no record":
            return None
        if member == "manifest.json":
            if what == "no manifest":
                return None
            manifest = json.loads(data)
            for key in list(manifest["files"]):
                if what == "hash" and key.endswith("config.yaml"):
                    manifest["files"][key]["sha256"] = "0" * 64
                if what == "no record" and key.endswith("record.json"):
                    del manifest["files"][key]
            return info, json.dumps(manifest).encode()
        return info, data

    forged_archive = repacked(archive, tmp_path / "b.tar", change)
    if what == "after":
        with tarfile.open(forged_archive, "a") as tar:
            tar.addfile(forged(f"{INSIDE}/late"), io.BytesIO(b""))
    capsys.readouterr()
    refused(forged_archive, tmp_path / "there", capsys)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x1f\x8b", b"\x1f\x8bnonsense", b"\0" * 20_000, b"PK\x03\x04" * 999]
)
def test_no_archive_at_all(tmp_path, content, capsys):
    """Whatever else a file may be."""
    (tmp_path / "a.tar.gz").write_bytes(content)
    assert "no archive of runs" in refused(tmp_path / "a.tar.gz", tmp_path / "there", capsys, code=2)
    refused(tmp_path / "none.tar.gz", tmp_path / "there", capsys, code=2)


@pytest.fixture(scope="session")
def archives(made, tmp_path_factory):
    """The bytes of one run as .tar and .tar.gz, and what an import of it gives."""
    folder = tmp_path_factory.mktemp("archives")
    run = Folders(folder / "runs", made).make(ID)
    (run.path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.5}\n' * 500)
    found = {}
    for name in ("a.tar", "a.tar.gz"):
        assert main(["export", str(run.path), "--to", str(folder / name), "--weights"]) == 0
        found[name] = (folder / name).read_bytes()
    return found, tree(run.path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["a.tar", "a.tar.gz"]), cut=st.booleans())
def test_cut_off_or_flipped_anywhere(archives, data, name, cut, capsys):
    """Cut off anywhere, or with any byte changed: refused with nothing left, or the same run comes out."""
    content, expected = archives[0][name], archives[1]
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(1, 255))
    changed = (
        content[:place] if cut else content[:place] + bytes([content[place] ^ other]) + content[place + 1 :]
    )
    with tempfile.TemporaryDirectory() as folder:
        archive, there = Path(folder) / name, Path(folder) / "there"
        archive.write_bytes(changed)
        code = main(["import", str(archive), "--runs-dir", str(there)])
        err = capsys.readouterr().err
        if code:
            assert not there.exists() and "Traceback" not in err and len(err) < 2000
        else:
            assert tree(there / "x" / ID) == expected
            # Only where nothing is said: between the last member and the end, or a header's spare fields.
            assert name == "a.tar" or gzip.decompress(changed) == gzip.decompress(content)
