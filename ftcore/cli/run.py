"""`ftcore run`: compose, check, freeze, start, follow."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from ftcore import __version__
from ftcore.config.errors import Problem, RequestError


def main(flags: argparse.Namespace) -> int:
    if flags.version:
        print(f"ftcore {__version__}")
        return 0
    if flags.multirun:
        raise RequestError([Problem("--multirun", "sweeps are not part of this version")])
    if flags.shell_completion or flags.info:
        from ftcore.cli import hydra_flags

        return hydra_flags.main(flags)
    from ftcore.config.compose import compose

    composed = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name)
    if flags.cfg:
        print(_configuration(flags, composed), end="")
        return 0
    from ftcore.cli.launch import launch
    from ftcore.cli.screen import Screen
    from ftcore.plan.preflight import preflight
    from ftcore.runs.create import Request, create

    if problems := preflight(composed.experiment):
        raise RequestError(problems)
    screen = Screen(quiet=flags.json)
    screen.describe(composed)
    command = shlex.join(["python", "-m", "ftcore", *sys.argv[1:]])
    run = create(composed, Request(command, os.getcwd()))
    return launch(run, composed.experiment, screen, Path.cwd(), as_json=flags.json)


def _configuration(flags: argparse.Namespace, composed) -> str:
    from omegaconf import OmegaConf

    from ftcore.config.compose import to_yaml
    from ftcore.config.xtuner import deepspeed_config
    from ftcore.runs.create import xtuner_text

    if flags.cfg == "xtuner":
        return xtuner_text(composed)
    if flags.cfg == "deepspeed":
        import json

        block = deepspeed_config(composed.experiment)
        if block is None:
            raise RequestError([Problem("--cfg deepspeed", "this experiment does not use DeepSpeed", "parallelism=zero*")])
        return json.dumps(block, indent=2) + "\n"
    text = to_yaml(composed.experiment)
    if flags.package is None:
        return text
    part = OmegaConf.select(OmegaConf.create(text), flags.package)
    if part is None:
        raise RequestError([Problem("--package", f"no such part: {flags.package}")])
    return OmegaConf.to_yaml(part) if OmegaConf.is_config(part) else f"{part}\n"
