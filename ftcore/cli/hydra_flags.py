"""Hydra's own views on the configuration: --info, and shell completion."""

import argparse
import logging
import os
import sys

from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.core_plugins.fish_completion import FishCompletion
from hydra._internal.core_plugins.zsh_completion import ZshCompletion
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from ftcore.cli.commands import COMMANDS
from ftcore.config import compose, overrides
from ftcore.config.errors import Problem, RequestError

SHELLS = {"bash": BashCompletion, "fish": FishCompletion, "zsh": ZshCompletion}
ACTIONS = ("install", "uninstall", "query")
PROGRAM = "ftcore"
TYPED = "COMP_LINE"
"""Where a shell leaves the line to complete."""


def main(flags: argparse.Namespace) -> int:
    if flags.info:
        _info(flags)
    else:
        with compose.hydra_configs(flags.config_dir, flags.config_name):
            _complete(flags)
    return 0


def _info(flags: argparse.Namespace) -> None:
    """Of the configuration that ftcore would compose: with its choice of hardware and experiment."""
    with compose.hydra_configs(flags.config_dir, flags.config_name) as groups:
        parsed, problems = overrides.parse(flags.words, groups)
        if problems:
            raise RequestError(problems)
        given = [o.input_line or "" for o in (*compose.complete(parsed.groups), *parsed.values)]
        logging.raiseExceptions = False  # a reader such as head may close the pipe
        try:
            GlobalHydra.instance().hydra.show_info(
                flags.info, config_name=flags.config_name, overrides=given,
                run_mode=RunMode.RUN,
            )  # fmt: skip
        except compose.BROKEN_FILES as error:
            raise RequestError([compose.broken(flags.config_name, error)]) from None


def _complete(flags: argparse.Namespace) -> None:
    request = dict(word.split("=", 1) for word in flags.words)
    action, shell = next(iter(request.items()), ("", ""))
    if len(request) != 1 or shell not in SHELLS or action not in ACTIONS:
        message = "needs install=SHELL or uninstall=SHELL"
        raise RequestError([Problem("--shell-completion", message, ", ".join(SHELLS))])
    if action == "query" and TYPED not in os.environ:
        message = f"query is for the shell, which sets {TYPED}; install={shell} prints what it needs"
        raise RequestError([Problem("--shell-completion", message)])
    plugin = SHELLS[shell](GlobalHydra.instance().config_loader())
    if action != "query":
        sys.argv[0] = PROGRAM  # what the shell's function is for; Hydra's knows no `python -m`
        getattr(plugin, action)()
        return
    os.environ[TYPED] = overrides_typed(os.environ[TYPED])
    try:
        plugin.query(flags.config_name)
    except compose.BROKEN_FILES as error:
        raise RequestError([compose.broken("--shell-completion", error)]) from None


def overrides_typed(line: str) -> str:
    """A command line without command and flags, which Hydra's completion would take for overrides."""
    words = line.split(" ")
    words = words[words.index(PROGRAM) + 1 :] if PROGRAM in words else words[1:]
    if words[:1] and words[0] in COMMANDS and len(words) > 1:
        words = words[1:]
    return " ".join([PROGRAM, *(word for word in words if not word.startswith("-"))])
