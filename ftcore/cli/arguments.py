"""Words of a command line, in Hydra's grammar and spelling."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from ftcore.cli.commands import COMMANDS, DEFAULT
from ftcore.config.errors import Problem, RequestError, nearest, shortened

CFG_KINDS = ("job", "xtuner", "deepspeed", "sbatch")
DEEPSPEED = tuple(f"deepspeed_zero{name}" for name in ("1", "2", "2_offload", "3", "3_offload"))
"""XTuner's names for its DeepSpeed settings."""

TURNED = ("max_length", "micro_batch_size", "nodes")
"""What `plan --fit` turns."""

WRITTEN = ("opencompass", "teval")
"""For whom `evaluate --write` writes."""

INFO_KINDS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class Parser(argparse.ArgumentParser):
    """argparse that raises instead of exiting."""

    def error(self, message: str) -> NoReturn:
        if match := re.match(r"argument ([^:/]+)[^:]*: expected one argument", message):
            raise RequestError([Problem(match[1], "needs a value after it")])
        raise RequestError([Problem(self.prog, message)])


def _one_of(flag: str, allowed: Sequence[str]) -> Callable[[str], str]:
    """Reads a word that is one of those; argparse's own message has neither the key nor the nearest name."""

    def read(word: str) -> str:
        if word not in allowed:
            message, near = f"{shortened(word)} is not allowed", nearest(word, allowed)
            raise RequestError([Problem(flag, message, ", ".join(allowed), near)])
        return word

    return read


def _number(flag: str, kind: type[int] | type[float], allowed: str) -> Callable[[str], float]:
    """Reads a number."""

    def read(word: str) -> float:
        try:
            return kind(word)
        except ValueError:
            message = f"{shortened(word)} is no {'whole ' * (kind is int)}number"
            raise RequestError([Problem(flag, message, allowed)]) from None

    return read


def parse(command: str, words: Sequence[str]) -> tuple[argparse.Namespace, list[Problem]]:
    """Flags of `command`, with `words` holding what is not a flag, and words that mean nothing.

    Raises RequestError where a flag's value is missing or not one of its choices.
    """
    parser = _parser(command)
    spelt = SPELT.get(command, list)
    flags, rest = parser.parse_known_args(spelt(words))
    flags.words, problems = [], []
    overrides = COMMANDS[command].takes == "OVERRIDES" and not getattr(flags, "accuracy", False)
    spelled = None
    for word in rest:
        if word.startswith("-") and len(word) > 1 and not (command == "note" and " " in word):
            known = [option for action in parser._actions for option in action.option_strings]
            spelled = _as_override(word) if COMMANDS[command].takes == "OVERRIDES" else None
            near = spelled or nearest(word, known)
            problems.append(Problem(shortened(word), "no such flag", nearest=near))
        elif spelled and "=" not in word:
            problems[-1] = replace(problems[-1], nearest=spelled.replace("VALUE", shortened(word)))
            spelled = None
        elif overrides and "=" not in word and not word.startswith("~"):
            problems.append(_no_override(word, command))
        else:
            flags.words.append(word)
    return flags, problems


def _as_override(word: str) -> str | None:
    """`max_length=512` of `--max-length=512`, as other programs take it; None where there is no such key."""
    from ftcore.config.fields import fields

    name, equals, value = word.lstrip("-").partition("=")
    key = name.replace("-", "_")
    return f"{key}={shortened(value) if equals else 'VALUE'}" if key in fields() else None


def _no_override(word: str, command: str) -> Problem:
    """What is wrong with a word of no flag and without `=`."""
    from ftcore.config.fields import fields

    if (key := word.lstrip("+")) in fields():
        return Problem(shortened(word), "has no value", f"{key}=VALUE")
    if command != DEFAULT:
        moved = f"ftcore {word}" if word in COMMANDS else nearest(word, fields())
        return Problem(shortened(word), f"is nothing that {command} takes", "key=value", moved)
    allowed, near = f"{', '.join(COMMANDS)}, or key=value", nearest(word, COMMANDS)
    return Problem(shortened(word), "neither a command nor an override", allowed, near)


def _joined(words: Sequence[str]) -> list[str]:
    """`words` with `--sort -lr` as `--sort=-lr`: argparse takes what begins with a dash for a flag."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--sort" and word.startswith("-") and not word.startswith("--"):
            joined[-1] = f"--sort={word}"
        else:
            joined.append(word)
    return joined


def _taken_away(words: Sequence[str]) -> list[str]:
    """`words` with `-bad` as `~bad`, Hydra's way to take something away; `-h` stays the flag that it is."""
    flag = re.compile(r"^(--.*|-h|-)$")
    return [f"~{word[1:]}" if word.startswith("-") and not flag.match(word) else word for word in words]


SPELT: dict[str, Callable[[Sequence[str]], list[str]]] = {"ls": _joined, "tag": _taken_away}
"""What begins with a dash and is no flag, as argparse takes it."""


def _parser(command: str) -> Parser:
    parser = Parser(prog=f"ftcore {command}", add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add("--help", "-h", action="store_true")
    if command != "logs":  # which shows files as they are
        add("--json", action="store_true")
    takes = COMMANDS[command].takes
    if takes == "OVERRIDES":
        add("--config-name", "-cn", default="config")
        add("--config-dir", "-cd")
    if command == "run":
        add("--cfg", "-c", type=_one_of("--cfg", CFG_KINDS))
        add("--package", "-p")
        add("--resolve", action="store_true")
        add("--info", "-i", nargs="?", const="all", type=_one_of("--info", INFO_KINDS))
        add("--shell-completion", "-sc", action="store_true")
        add("--wait", action="store_true")
        add("--again", action="store_true")
        add("--force", action="store_true")
        add("--version", action="store_true")
    if command in ("run", "plan"):
        add("--multirun", "-m", action="store_true")
        add("--skip-invalid", action="store_true")
    if command == "plan":
        add("--fit", type=_one_of("--fit", TURNED))
        add("--compare", action="store_true")
        add("--accuracy", action="store_true")
        add("--explain", action="store_true")
    if command == "doctor":
        add("--cluster", action="store_true")
        add("--limit", type=_number("--limit", float, "seconds"))
    if command == "calibrate":
        add("--to")
        add("--limit", type=_number("--limit", float, "seconds"))
    if takes != "OVERRIDES" and command != "import-xtuner":
        add("--runs-dir", default="runs")
    if command == "ls":
        add("--columns")
        add("--sort")
        add("--limit", type=_number("--limit", int, "a whole number"))
        add("--sweep")
        add("--csv", action="store_true")
    if command == "resume":
        add("--wait", action="store_true")
        add("--force", action="store_true")
        add("--this-code", action="store_true")
    if command == "status":
        add("--follow", "-f", action="store_true")
        add("--all", action="store_true")
    if command == "logs":
        add("--follow", "-f", action="store_true")
        add("--rank", type=_number("--rank", int, "a rank's number, from 0"))
        add("--attempt", type=_number("--attempt", int, "an attempt's number, from 1"))
        add("--all", action="store_true")
    if command == "diff":
        add("--patch", action="store_true")
    if command == "rerun":
        add("--verify", action="store_true")
        add("--wait", action="store_true")
        add("--force", action="store_true")
        add("--to")
    if command == "note":
        add("--append", action="store_true")
    if command == "export":
        add("--weights", action="store_true")
        add("--checkpoints", action="store_true")
        add("--to")
        add("--force", action="store_true")
    if command == "gc":
        add("--yes", action="store_true")
        add("--older-than")
        add("--keep")
        add("--failed", action="store_true")
        add("--state")
        add("--shared-caches", action="store_true")
    if command == "cancel":
        add("--now", action="store_true")
    if command == "evaluate":
        add("--endpoint")
        add("--served-model")
        add("--base-endpoint")
        add("--base-model")
        add("--again", action="store_true")
        add("--write", type=_one_of("--write", WRITTEN))
        add("--to")
    if command == "report":
        add("--to")
        add("--x")
        add("--y")
        add("--csv", action="store_true")
    if command == "deploy":
        add("--down", action="store_true")
        add("--print", action="store_true")
        add("--config-dir", "-cd")
    if command == "chat":
        add("--prompt", "-p", action="append")
        add("--system")
        add("--compare", action="store_true")
        add("--max-tokens", type=_number("--max-tokens", int, "1 and more"), default=512)
        add("--temperature", type=_number("--temperature", float, "0 and more"), default=0.0)
        add("--seed", type=_number("--seed", int, "a whole number"))
    if command == "import-xtuner":
        add("--name", "-n")
        add("--to")
        add("--deepspeed", type=_one_of("--deepspeed", DEEPSPEED))
        add("--check", action="store_true")
        add("--force", action="store_true")
    return parser
