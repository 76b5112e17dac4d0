"""Accelerators as the driver's files and tools describe them, narrowed by *_VISIBLE_DEVICES."""

import pytest

from ftcore.config import resolvers
from ftcore.hardware.detect import Device, Machine, cuda_devices, dcu_devices, parse_nvidia_smi, visible

GIB = 2**30
TWO_CARDS = """\
GPU-aaaa1111-0000, NVIDIA A100-SXM4-80GB, 8.0, 81920
GPU-bbbb2222-0000, NVIDIA H100 80GB HBM3, 9.0, 81559
"""


def sysfs(root, *nodes, hygon=True):
    """A copy of /sys/class/kfd with `nodes` of (gfx_target_version, memory banks in GiB)."""
    if hygon:
        (root / "opt/hyhal").mkdir(parents=True)
    for number, (version, banks) in enumerate(nodes):
        node = root / f"sys/class/kfd/kfd/topology/nodes/{number}"
        node.mkdir(parents=True)
        lines = (
            f"simd_count 256\ngfx_target_version {version}\nunique_id {number + 1}\nname with spaces here\n"
        )
        (node / "properties").write_text(lines)
        for index, size in enumerate(banks):
            bank = node / "mem_banks" / str(index)
            bank.mkdir(parents=True)
            (bank / "properties").write_text(f"heap_type 1\nsize_in_bytes {size * GIB}\nflags 0\n")
    return root


@pytest.mark.parametrize(
    ("version", "arch", "card"),
    [
        (90006, "gfx906", "Z100"),
        (90206, "gfx926", "K100"),
        (90208, "gfx928", "K100_AI"),
        (90306, "gfx936", "BW1000"),
        (90010, "gfx90a", "gfx90a"),
    ],
)
def test_dcu_architecture(tmp_path, version, arch, card):
    """KFD's decimal version becomes the architecture's name, its step in hexadecimal."""
    (device,) = dcu_devices(sysfs(tmp_path, (version, [64])), {})
    assert device == Device(card, arch, 64.0)


def test_dcu_order_and_cpus(tmp_path):
    """CPU nodes are no devices; cards come in the order of their numbers (2 before 10), banks added up."""
    nodes = [(0, [256])] + [(90206, [size]) for size in range(1, 11)] + [(90206, [32, 32])]
    found = dcu_devices(sysfs(tmp_path, *nodes), {})
    assert [device.memory_gib for device in found] == [*map(float, range(1, 11)), 64.0]


def test_other_hip_card_is_no_dcu(tmp_path):
    """A HIP card without Hygon's runtime is not a DCU, and with it or DTKROOT it is."""
    root = sysfs(tmp_path, (90010, [64]), hygon=False)
    assert dcu_devices(root, {}) == ()
    assert len(dcu_devices(root, {"DTKROOT": "/opt/dtk"})) == 1


def test_no_driver(tmp_path):
    """A runtime without cards is no device."""
    assert dcu_devices(sysfs(tmp_path), {}) == ()


@pytest.mark.parametrize(
    ("env", "memory"),
    [
        ({}, [1, 2, 3, 4]),
        ({"HIP_VISIBLE_DEVICES": "3,0"}, [4, 1]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [2]),
        ({"HIP_VISIBLE_DEVICES": "0", "CUDA_VISIBLE_DEVICES": "1"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, [3, 4]),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, [4]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-0000000000000002"}, [2]),
        ({"HIP_VISIBLE_DEVICES": ""}, []),
    ],
)
def test_dcus_visible(tmp_path, env, memory):
    """ROCR hides below HIP, and HIP counts what is left; CUDA's variable stands in for HIP's."""
    root = sysfs(tmp_path, *((90206, [size]) for size in (1, 2, 3, 4)))
    assert [device.memory_gib for device in dcu_devices(root, env)] == memory


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (None, "abc"), ("", ""), ("0", "a"), ("2,0", "ca"), (" 1 , 2 ", "bc"), ("-1", ""), ("0,-1,1", "a"),
        ("1,7,0", "b"), ("NoDevFiles", ""), ("0,0", ""), ("1,2,1", ""), ("GPU-a", "a"),
        ("GPU-b1,GPU-a1", "ba"), ("GPU-zz", ""), ("GPU-", ""), ("GPU-a1,GPU-a1", ""), ("0,GPU-b1", "ab"),
        (",0", ""), ("all", ""), ("٣", ""),
    ],
)  # fmt: skip
def test_visible(listed, chosen):
    """Each form of the variable selects what the runtimes would show."""
    devices = [(f"GPU-{name}1", Device(name, "sm_90", 80.0)) for name in "abc"]
    assert "".join(device.card for _, device in visible(devices, listed)) == chosen


def test_nvidia_smi():
    """Rows become devices with architecture and GiB."""
    assert parse_nvidia_smi(TWO_CARDS) == [
        ("GPU-aaaa1111-0000", Device("NVIDIA A100-SXM4-80GB", "sm_80", 80.0)),
        ("GPU-bbbb2222-0000", Device("NVIDIA H100 80GB HBM3", "sm_90", 79.6)),
    ]
    assert parse_nvidia_smi("") == []


def test_nvidia_smi_without_memory():
    """A card that shares the host's memory has none of its own to tell."""
    ((_, device),) = parse_nvidia_smi("GPU-c, NVIDIA GB10, 12.1, [N/A]\n")
    assert device == Device("NVIDIA GB10", "sm_121", None)


@pytest.mark.parametrize(
    ("listed", "cards"),
    [
        (None, 2),
        ("1", 1),
        ("GPU-bbbb2222-0000", 1),
        ("GPU-bbbb", 1),
        ("GPU-bbbb2222-0000,GPU-aaaa1111-0000", 2),
        ("", 0),
    ],
)
def test_cuda_visible(listed, cards):
    """CUDA_VISIBLE_DEVICES narrows by index, UUID, or the beginning of one."""
    assert len(cuda_devices(TWO_CARDS, {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed})) == cards


def test_mig_instance():
    """A MIG instance is one device of unknown memory, and not a machine without cards."""
    (device,) = cuda_devices(TWO_CARDS, {"CUDA_VISIBLE_DEVICES": "MIG-1234"})
    assert (device.arch, device.memory_gib) == ("sm_80", None)
    assert cuda_devices("", {"CUDA_VISIBLE_DEVICES": "MIG-1234"}) == ()


def test_accelerator_of_a_machine():
    """DCUs come before CUDA cards, and a machine without either is a CPU."""
    card = Device("x", "y", 1.0)
    assert Machine(cuda=(card,), dcu=(card,)).accelerator == "dcu"
    assert Machine(cuda=(card,)).accelerator == "cuda"
    assert Machine().accelerator == "cpu"
    assert Machine(cuda=(card,)).devices("cpu") == ()


def test_detected_or_fallback(monkeypatch):
    """A group file gets what is here, and its fallback where there is no such device."""
    machine = Machine(cuda=(Device("A100", "sm_80", 80.0),) * 3)
    monkeypatch.setattr(resolvers, "this_machine", lambda: machine)
    assert resolvers.detected("cuda.devices", 8) == 3
    assert resolvers.detected("cuda.card", "x") == "A100"
    assert resolvers.detected("dcu.memory_gib", 64.0) == 64.0
    assert resolvers.detected("accelerator") == "cuda"
