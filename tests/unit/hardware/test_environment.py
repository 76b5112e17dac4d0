"""Misspelt variables are told from the many that are meant."""

import re

import pytest

from ftcore.hardware.environment import KNOWN, distance, misspelt
from ftcore.hardware.software import folder


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("HSA_FORCE_FINE_GRAIN_PRICE", "HSA_FORCE_FINE_GRAIN_PCIE"),
        ("NCCL_SOCKET_IFNAMES", "NCCL_SOCKET_IFNAME"),
        ("NCCL_SOKCET_IFNAME", "NCCL_SOCKET_IFNAME"),
        ("GLOO_SOCKET_IFACE", "GLOO_SOCKET_IFNAME"),
        ("HIP_VISIBLE_DEVICE", "HIP_VISIBLE_DEVICES"),
        ("nccl_debug", "NCCL_DEBUG"),
        ("MIOPEN_FIND_MOD", "MIOPEN_FIND_MODE"),
    ],
)
def test_slips(typed, meant):
    """A letter or two beside a known name."""
    assert misspelt(typed) == meant


@pytest.mark.parametrize(
    "name",
    [
        "NCCL_DEBUG_FILE", "NCCL_DEBUG_SUBSYS", "NCCL_IB_TC", "NCCL_NVB_DISABLE", "RCCL_DEBUG",
        "HCCL_SOCKET_IFNAME", "MY_OWN_SETTING", "PATH", "HOME", "TORCH_EXTENSIONS_DIR", "OMP_PROC_BIND",
        "HSA_NO_SCRATCH_RECLAIM", "X", "",
    ],
)  # fmt: skip
def test_meant(name):
    """Unknown names, other libraries' names, and names that only begin like a known one stand."""
    assert misspelt(name) == ""


@pytest.mark.parametrize("name", KNOWN)
def test_known(name):
    """No known name is a slip of another one."""
    assert misspelt(name) == ""


def test_every_variable_of_nccl_stands():
    """Nothing that the installed NCCL reads is taken for a mistake."""
    nvidia = folder("nvidia")
    libraries = list(nvidia.glob("nccl/lib/libnccl.so*")) if nvidia else []
    if not libraries:
        pytest.skip("no NCCL is installed")
    names = {name.decode() for name in re.findall(rb"NCCL_[A-Z0-9_]{2,40}(?=\0)", libraries[0].read_bytes())}
    assert len(names) > 100
    assert {name: misspelt(name) for name in names if misspelt(name)} == {}


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("", "ab", 2), ("price", "pcie", 2)],
)
def test_distance(one, other, letters):
    """Insertions, deletions, changes and swaps, either way round."""
    assert distance(one, other) == distance(other, one) == letters
