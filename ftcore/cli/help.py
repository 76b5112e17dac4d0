"""Help pages, made without composing anything: the terminal should answer at once."""

import textwrap

import yaml

from ftcore.cli.commands import COMMANDS
from ftcore.config.groups import conf_dir, config_groups

FLAGS = {
    "run": """\
  --cfg, -c KIND       print and start nothing: job (resolved YAML), xtuner (the XTuner config as Python),
                       deepspeed (its JSON), sbatch (the batch script)
  --package, -p KEY    with --cfg job: only this part
  --info, -i [WHAT]    how the configuration is composed: all, config, defaults, defaults-tree, plugins,
                       searchpath
  --config-dir, -cd D  a folder of your own groups and presets, searched beside conf/
  --config-name, -cn N another top-level file than config.yaml
  --shell-completion   eval "$(ftcore -sc install=bash)", then for the command ftcore (zsh and fish likewise)
  --wait               follow a queued job to its end (a local one is followed anyhow)
  --version
  --json               one JSON object with the run's record at the end
""",
    "plan": """\
  --json               the plan as one JSON object
  --config-dir, -cd D  a folder of your own groups and presets
""",
    "resume": """\
  --wait               follow a queued job to its end (a local one is followed anyhow)
  --runs-dir FOLDER    where runs lie (default: runs)
""",
    "ls": """\
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the same as a JSON list
""",
    "status": """\
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the record, the queue's answer and the progress as one JSON object
""",
    "logs": """\
  --follow, -f         go on as the job writes, until it is over
  --rank N             of this rank (default: rank 0, and what Slurm and srun said)
  --attempt N          of an earlier attempt (default: the newest)
  --all                whole files, not their last 100 lines
  --runs-dir FOLDER    where runs lie (default: runs)
""",
    "cancel": """\
  --now                end it at once, without a checkpoint
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               what was asked of which job, as JSON
""",
    "report": """\
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               where the report is, as JSON
""",
    "import-xtuner": """\
  FILE                 a configuration file, a folder of them, the name of one that XTuner ships, or the word
                       shipped for all of those; many files are imported, rebuilt, compared and counted
  --name, -n N         the experiment's name (default: the file's)
  --to FOLDER          a folder of configs; the preset goes to FOLDER/experiment/N.yaml (default: conf; of
                       many files, nothing stays unless it is given)
  --deepspeed NAME     what was given to xtuner train --deepspeed: deepspeed_zero1, deepspeed_zero2, ...
  --check              rebuild the XTuner config from what was written, and compare setting by setting
  --force              replace a preset of that name
  --json               the same as one JSON object
""",
}


def show(command: str | None) -> int:
    """Print the page of `command`, or the front page."""
    print(front_page() if command is None else page(command), end="")
    return 0


def front_page() -> str:
    """Commands, groups with their choices, and the keys that people turn."""
    folder = conf_dir()
    commands = "".join(f"  {name:<13} {command.summary}\n" for name, command in COMMANDS.items())
    groups = "".join(
        textwrap.fill(
            ", ".join(choices),
            110,
            initial_indent=f"  {name:<12} ",
            subsequent_indent=" " * 15,
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
        for name, choices in config_groups([folder]).items()
    )
    top = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    keys = ", ".join(f"{key}={value}" for key, value in top.items() if not isinstance(value, (dict, list)))
    examples = "".join(f"  {line}\n" for command in COMMANDS.values() for line in command.examples[:2])
    return (
        "ftcore: declarative fine-tuning of language models\n\n"
        "  python -m ftcore [COMMAND] [OVERRIDES...] [FLAGS]\n\n"
        f"Commands (python -m ftcore COMMAND --help for each)\n{commands}\n"
        f"Config groups, as GROUP=CHOICE\n{groups}\n"
        f"Keys, as KEY=VALUE (python -m ftcore --cfg job shows all)\n  {keys}\n\n"
        f"Flags\n{FLAGS['run']}\n"
        f"Examples\n{examples}"
    )


def page(command: str) -> str:
    """The page of one command; ends in examples."""
    entry = COMMANDS[command]
    examples = "".join(f"  {line}\n" for line in entry.examples)
    return (
        f"ftcore {command}: {entry.summary}\n\n  python -m ftcore {command} {entry.takes} [FLAGS]\n\n"
        f"Flags\n{FLAGS[command]}\nExamples\n{examples}"
    )
