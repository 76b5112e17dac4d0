"""`ftcore run`: compose, check, freeze, start, follow."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from ftcore import __version__
from ftcore.config.errors import Problem, RequestError

OF_ONE = ("cfg", "package", "info", "shell_completion")
"""Flags that show something of one experiment."""


def main(flags: argparse.Namespace) -> int:
    if flags.version:
        print(f"ftcore {__version__}")
        return 0
    if flags.multirun:
        if one := [name for name in OF_ONE if getattr(flags, name)]:
            message = "shows one experiment, and -m makes several"
            allowed = "without -m for one trial's values, or plan -m"
            raise RequestError([Problem(f"--{name.replace('_', '-')}", message, allowed) for name in one])
        from ftcore.cli import sweep

        return sweep.main(flags)
    if flags.shell_completion or flags.info:
        from ftcore.cli import hydra_flags

        return hydra_flags.main(flags)
    from ftcore.config.compose import compose

    composed = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name)
    if flags.cfg:
        from ftcore.cli.cfg import configuration

        print(configuration(composed, flags.cfg, flags.package, as_json=flags.json), end="")
        return 0
    from ftcore.cli.again import answer
    from ftcore.cli.launch import launch
    from ftcore.cli.screen import Screen
    from ftcore.plan.preflight import preflight
    from ftcore.plan.refusal import Room
    from ftcore.repeat.same import run_of
    from ftcore.runs.create import Request, create

    room = Room()
    refused = None if flags.force else room.refused(composed.experiment)
    if problems := [*preflight(composed.experiment), *filter(None, [refused])]:
        raise RequestError(problems)
    screen = Screen(quiet=flags.json)
    screen.describe(composed)
    if not flags.again and (asked_before := run_of(composed.experiment)):
        return answer(asked_before, flags, screen)
    if doubt := room.warning(composed.experiment):
        screen.say(f"warning: {doubt}")
    command = shlex.join(["python", "-m", "ftcore", *sys.argv[1:]])
    run = create(composed, Request(command, os.getcwd()))
    wait = flags.wait or composed.experiment.cluster.kind == "local"
    return launch(run, composed.experiment, screen, Path.cwd(), as_json=flags.json, wait=wait)
