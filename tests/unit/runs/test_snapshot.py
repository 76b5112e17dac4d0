"""The code a run is made with can be put together again from its directory."""

import hashlib
import subprocess

import pytest

from ftcore.runs import snapshot


def git(root, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository that looks like ftcore's, with one commit."""
    root = tmp_path / "repo"
    (root / "ftcore").mkdir(parents=True)
    (root / "ftcore/__init__.py").write_text("one\n")
    (root / "latin.txt").write_bytes(b"caf\xe9\r\nline\r\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "-c", "core.autocrlf=false", "commit", "-qm", "first")
    return root


def rebuilt(root, folder, tmp_path):
    """A fresh checkout of the saved commit with the saved diff applied."""
    target = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(root), str(target))
    git(target, "checkout", "-q", (folder / "commit.txt").read_text().strip())
    if (folder / "diff.patch").read_bytes():
        git(target, "apply", str(folder / "diff.patch"))
    return target


def test_clean(checkout, tmp_path):
    """A clean checkout is its commit."""
    code = snapshot.save_code(tmp_path / "code", checkout)
    assert code["commit"] == git(checkout, "rev-parse", "HEAD")
    assert (code["dirty"], code["diff_sha256"], code["untracked"]) == (False, None, [])


def test_dirty(checkout, tmp_path):
    """Changes are in the patch, which brings a checkout of the commit to the same state."""
    (checkout / "ftcore/__init__.py").write_text("two\n")
    code = snapshot.save_code(tmp_path / "code", checkout)
    patch = (tmp_path / "code/diff.patch").read_bytes()
    assert code["dirty"] and code["diff_sha256"] == hashlib.sha256(patch).hexdigest()
    again = rebuilt(checkout, tmp_path / "code", tmp_path)
    assert (again / "ftcore/__init__.py").read_text() == "two\n"


def test_patch_of_any_bytes(checkout, tmp_path):
    """A patch of a file in another encoding with other line ends still applies."""
    (checkout / "latin.txt").write_bytes(b"caf\xe9 2\r\nline\r\n")
    (checkout / "binary").write_bytes(bytes(range(256)))
    git(checkout, "add", "-A")
    snapshot.save_code(tmp_path / "code", checkout)
    again = rebuilt(checkout, tmp_path / "code", tmp_path)
    assert (again / "latin.txt").read_bytes() == b"caf\xe9 2\r\nline\r\n"
    assert (again / "binary").read_bytes() == bytes(range(256))


def test_patch_whatever_git_is_set_to(checkout, tmp_path):
    """A user's git settings (colours, prefixes) do not spoil the patch."""
    git(checkout, "config", "color.ui", "always")
    git(checkout, "config", "diff.noprefix", "true")
    (checkout / "ftcore/__init__.py").write_text("two\n")
    snapshot.save_code(tmp_path / "code", checkout)
    assert (rebuilt(checkout, tmp_path / "code", tmp_path) / "ftcore/__init__.py").read_text() == "two\n"


def test_untracked(checkout, tmp_path):
    """Small untracked files are copied under their path; large ones and ignored ones are not."""
    (checkout / "conf").mkdir()
    (checkout / "conf/mine.yaml").write_text("a: 1")
    (checkout / "large.bin").write_bytes(b"x" * (snapshot.MAX_UNTRACKED_BYTES + 1))
    (checkout / ".gitignore").write_text("ignored\n")
    (checkout / "ignored").write_text("x")
    code = snapshot.save_code(tmp_path / "code", checkout)
    assert code["untracked"] == [".gitignore", "conf/mine.yaml", "large.bin"]
    assert code["untracked_left_out"] == ["large.bin"]
    copied = {
        str(p.relative_to(tmp_path / "code/untracked")) for p in (tmp_path / "code/untracked").rglob("*.*")
    }
    assert copied == {".gitignore", "conf/mine.yaml"}


def test_untracked_of_any_name(checkout, tmp_path):
    """An untracked file with a Chinese name, a space or a quote is copied too."""
    names = ["试验.yaml", "a b.yaml", 'quo"te.yaml']
    for name in names:
        (checkout / name).write_text("a: 1")
    code = snapshot.save_code(tmp_path / "code", checkout)
    assert sorted(code["untracked"]) == sorted(names)
    assert code["untracked_left_out"] == []


def test_outside_git(tmp_path):
    """An installed package has a version and no commit."""
    (tmp_path / "site").mkdir()
    code = snapshot.save_code(tmp_path / "code", tmp_path / "site")
    assert (code["commit"], code["dirty"]) == (None, False)


def test_inside_another_repository(checkout, tmp_path):
    """A package installed inside somebody's repository is not that repository's code."""
    (checkout / ".venv/site").mkdir(parents=True)
    assert snapshot.save_code(tmp_path / "code", checkout / ".venv/site")["commit"] is None


def test_environment(tmp_path):
    """Every installed package is listed with its version, the important ones in the record too."""
    entry = snapshot.environment(tmp_path)
    lines = (tmp_path / "environment.txt").read_text().splitlines()
    assert f"omegaconf=={entry['packages']['omegaconf']}" in lines
