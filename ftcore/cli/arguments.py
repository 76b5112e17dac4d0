"""Words of a command line, in Hydra's grammar and spelling."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from ftcore.cli.commands import COMMANDS
from ftcore.config.errors import Problem, RequestError, nearest

CFG_KINDS = ("job", "xtuner", "deepspeed")
INFO_KINDS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class Parser(argparse.ArgumentParser):
    """argparse that raises instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise RequestError([Problem(self.prog, message)])


def parse(command: str, words: Sequence[str]) -> argparse.Namespace:
    """Flags of `command`, with `words` holding what is not a flag. Raises RequestError."""
    parser = _parser(command)
    flags, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-") and len(word) > 1]
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        raise RequestError(Problem(word, "no such flag", nearest=nearest(word, known)) for word in unknown)
    flags.words = rest
    if COMMANDS[command].takes == "OVERRIDES":
        raise_unless_overrides(rest)
    return flags


def raise_unless_overrides(words: Sequence[str]) -> None:
    """Every word must be `key=value`, `+key=value`, `++key=value` or `~key`."""
    wrong = [word for word in words if "=" not in word and not word.startswith("~")]
    if wrong:
        raise RequestError(
            Problem(word, "neither a command nor an override", f"{', '.join(COMMANDS)}, or key=value",
                    nearest(word, COMMANDS))
            for word in wrong
        )  # fmt: skip


def _parser(command: str) -> Parser:
    parser = Parser(prog=f"ftcore {command}", add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add("--help", "-h", action="store_true")
    add("--json", action="store_true")
    takes = COMMANDS[command].takes
    if takes == "OVERRIDES":
        add("--config-name", "-cn", default="config")
        add("--config-dir", "-cd")
    if command == "run":
        add("--cfg", "-c", choices=CFG_KINDS)
        add("--package", "-p")
        add("--resolve", action="store_true")
        add("--info", "-i", nargs="?", const="all", choices=INFO_KINDS)
        add("--multirun", "-m", action="store_true")
        add("--shell-completion", "-sc", action="store_true")
        add("--version", action="store_true")
    if command == "resume" or takes == "RUN":
        add("--runs-dir", default="runs")
    return parser
