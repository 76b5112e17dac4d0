"""The OmegaConf resolvers that `conf/` uses; each a pure function of its arguments and this machine."""

from pathlib import PurePath

from omegaconf import OmegaConf

from ftcore.hardware.capabilities import default_dtype
from ftcore.hardware.detect import this_machine


def detected(what: str, fallback: object = None) -> object:
    """`accelerator`, or `cuda.card`, `dcu.devices` and the like; `fallback` where there is no such device."""
    machine = this_machine()
    if what == "accelerator":
        return machine.accelerator
    accelerator, _, field = what.partition(".")
    devices = machine.devices(accelerator)
    if not devices:
        return fallback
    return len(devices) if field == "devices" else getattr(devices[0], field)


def strategy(nodes: object, devices_per_node: object) -> str:
    """One process, or a replica a rank; of values that the schema has yet to check."""
    return "single" if nodes == devices_per_node == 1 else "ddp"


def dtype(accelerator: object, arch: object) -> str:
    """The precision that an accelerator computes in; of values that the schema has yet to check."""
    return default_dtype(str(accelerator), None if arch is None else str(arch))


def on(wanted: object, accelerator: object, there: object, elsewhere: object) -> object:
    """`there` on the accelerator `wanted`, `elsewhere` on every other one."""
    return there if accelerator == wanted else elsewhere


def last_part(path: object) -> str:
    """The last part of a path or hub id, without the suffix of a file: a name for what has none yet, fit to
    be a folder's."""
    name = PurePath(str(path)).name.removesuffix(PurePath(str(path)).suffix)
    # The schema's letters are narrower than those of Python's regular expressions: no superscripts.
    fit = "".join(one if one.isalpha() or one.isdecimal() or one in "_.-" else "_" for one in name)
    return fit.lstrip(".-")[:100] or "unnamed"


def gres(accelerator: object, devices_per_node: object) -> str | None:
    """A node's accelerators as most sites spell them; None on a CPU."""
    name = {"dcu": "dcu", "cuda": "gpu"}.get(str(accelerator))
    return f"{name}:{devices_per_node}" if name else None


RESOLVERS = {
    "detected": detected, "strategy": strategy, "dtype": dtype, "on": on, "last_part": last_part,
    "gres": gres,
}  # fmt: skip


def register() -> None:
    """Make `${ftcore.detected:...}` and the others of RESOLVERS known."""
    for name, function in RESOLVERS.items():
        OmegaConf.register_new_resolver(f"ftcore.{name}", function, replace=True)
