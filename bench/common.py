"""What the benchmarks share."""

import os
import platform
from pathlib import Path

from ftcore.hardware.facts import cpu_name

BARE_APP = """\
import hydra


@hydra.main(config_path={conf!r}, config_name="config", version_base="1.3")
def main(config):
    pass


if __name__ == "__main__":
    main()
"""
"""A Hydra application that does nothing, on the same config groups; `conf` is their folder."""


def machine() -> str:
    """What the numbers were measured on."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    name = cpu_name(Path("/proc/cpuinfo")) or platform.processor()
    return f"{os.cpu_count()} x {name}, load {load}, {platform.platform()}"
