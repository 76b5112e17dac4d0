"""Hydra's own views on the configuration: --info, and shell completion."""

import argparse
import os

from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.core_plugins.fish_completion import FishCompletion
from hydra._internal.core_plugins.zsh_completion import ZshCompletion
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from ftcore.config.compose import hydra_configs
from ftcore.config.errors import Problem, RequestError

SHELLS = {"bash": BashCompletion, "fish": FishCompletion, "zsh": ZshCompletion}


def main(flags: argparse.Namespace) -> int:
    with hydra_configs(flags.config_dir) as (_, searchpath):
        if flags.info:
            hydra = GlobalHydra.instance().hydra
            hydra.show_info(
                flags.info, config_name=flags.config_name, overrides=[*searchpath, *flags.words],
                run_mode=RunMode.RUN,
            )  # fmt: skip
        else:
            _complete(flags)
    return 0


def _complete(flags: argparse.Namespace) -> None:
    request = dict(word.split("=", 1) for word in flags.words if "=" in word)
    action, shell = next(iter(request.items()), ("", ""))
    if shell not in SHELLS or action not in ("install", "uninstall", "query"):
        raise RequestError(
            [Problem("--shell-completion", "needs install=SHELL or uninstall=SHELL", ", ".join(SHELLS))]
        )
    plugin = SHELLS[shell](GlobalHydra.instance().config_loader())
    # The completion function must call the module again, not this file.
    os.environ.setdefault("_", "python")
    getattr(plugin, action)(*([flags.config_name] if action == "query" else []))
