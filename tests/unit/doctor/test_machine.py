"""Host, cards, variables, and places, each from given facts."""

from pathlib import Path

import pytest

from ftcore.config.compose import compose
from ftcore.doctor import places
from ftcore.doctor.machine import accelerators, driver, variables
from ftcore.hardware.detect import Device, Machine

K100 = Device("K100_AI", "gfx928", 64.0)
MOUNTS = """\
/dev/root / ext4 rw 0 0
proc /proc proc rw 0 0
10.0.0.1:/home /home nfs4 rw 0 0
store /home/big\\040disk lustre rw 0 0
user /home/me/remote fuse.sshfs rw 0 0
"""


def seen(machine: Machine, *words: str, here: bool = True) -> dict:
    e = compose(["hardware=dcu", "parallelism=ddp", *words]).experiment
    return {one.name: one for one in accelerators(e, machine, here=here)}


def test_cards_that_are_there():
    """Each card with its architecture, memory and real precision."""
    lines = seen(Machine(dcu=(K100,) * 4), "hardware.arch=gfx928")
    assert lines["dcu 3"].found == "K100_AI, gfx928, 64 GiB, bf16 in hardware"
    assert lines["asked for"].state == "ok" and "architecture" not in lines


def test_too_few_cards(monkeypatch):
    """Missing, with the variable that hides them."""
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0,1")
    one = seen(Machine(dcu=(K100,) * 2))["asked for"]
    assert one.state == "missing" and "HIP_VISIBLE_DEVICES" in one.remedy
    assert "hardware.devices_per_node=2" in one.remedy


def test_on_a_login_node():
    """Cards are the nodes' matter."""
    assert seen(Machine(), "cluster=slurm", here=False)["asked for"].state == "ok"


def test_another_card_than_stated():
    """The precision is decided from what is stated: a warning."""
    one = seen(Machine(dcu=(K100,) * 4), "hardware.arch=gfx926")["architecture"]
    assert one.state == "warning" and one.remedy == "hardware.arch=gfx928"


def test_driver(tmp_path):
    """From the module's file and the toolkit's folder."""
    for file, text in {"sys/module/hydcu/version": "6.2.26\n", "opt/dtk/.info/version": "25.04\n"}.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text)
    found = {one.name: one.found for one in driver("dcu", tmp_path, {"DTKROOT": "/opt/dtk"})}
    assert found == {"driver": "hydcu 6.2.26", "DTKROOT": "/opt/dtk, 25.04"}
    assert list(driver("cpu", tmp_path, {})) == []


def test_variables():
    """Those that matter, the misspelt and the contradictory; nothing of the rest, and no secrets."""
    env = {
        "NCCL_DEBUG": "INFO", "HOME": "/root", "HSA_FORCE_FINE_GRAIN_PRICE": "1", "HIP_VISIBLE_DEVICES": "0",
        "CUDA_VISIBLE_DEVICES": "0", "ROCR_VISIBLE_DEVICES": "0", "HF_ENDPOINT": "https://me:word@mirror",
    }  # fmt: skip
    lines = {one.name: one for one in variables("dcu", env)}
    assert lines["NCCL_DEBUG"].state == "ok" and "HOME" not in lines
    assert "HSA_FORCE_FINE_GRAIN_PCIE" in lines["HSA_FORCE_FINE_GRAIN_PRICE"].remedy
    assert lines["HIP and CUDA"].state == lines["ROCR and HIP"].state == "warning"
    assert "word" not in lines["HF_ENDPOINT"].found
    assert "HIP and CUDA" not in {one.name for one in variables("cuda", env)}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"), ("/var/x", "ext4"), ("/home", "nfs4"), ("/home/me", "nfs4"), ("/homes", "ext4"),
        ("/home/big disk/x", "lustre"), ("/home/me/remote/y", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_filesystem(path, kind):
    """The innermost mount counts, and a name that only begins like one does not."""
    assert places.filesystem(Path(path), MOUNTS) == kind


def test_filesystem_unknown():
    """No mounts, no type; which is not taken for shared."""
    assert places.filesystem(Path("/x"), "") == "unknown" and not places.is_shared("unknown")
    assert places.is_shared("lustre") and places.is_shared("fuse.juicefs") and not places.is_shared("tmpfs")


def test_place_on_a_filesystem_of_one_machine(tmp_path, monkeypatch):
    """A warning where nodes have to see it; none here, and none from a node that has seen it."""
    (tmp_path / "mounts").write_text("/dev/root / ext4 rw 0 0\n")
    monkeypatch.setattr(places, "MOUNTS", tmp_path / "mounts")
    states = [
        list(places.place("runs_dir", tmp_path / "runs", **words))[-1].state
        for words in ({"queue": True}, {"queue": False}, {"queue": True, "node": True})
    ]
    assert states == ["warning", "ok", "ok"] and not (tmp_path / "runs").exists()


def test_place_that_cannot_be_written(tmp_path):
    """A file in the folder's place is told before a run meets it."""
    (tmp_path / "runs").write_text("a file")
    first = next(places.place("runs_dir", tmp_path / "runs" / "x", queue=False))
    assert first.state == "missing" and "cannot write" in first.found
