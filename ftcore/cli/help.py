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
  --again              a new run, although the same experiment is finished, under way, or can be gone on with
  --force              although the card's memory is surely too small for it (plan says by how much)
  --version
  --json               one JSON object with the run's record at the end
""",
    "plan": """\
  --multirun, -m       a whole sweep: how many trials over what, how many are there already
  --fit KEY            the largest max_length or micro_batch_size, or the fewest nodes, that fits the card
  --compare            every combination of KEY=A,B side by side: peak memory by part, what fits, time
  --explain            the time's arithmetic too: amount, rate, where the rate is from, seconds
  --skip-invalid       with -m and --compare: leave out trials that contradict themselves, and tell of them
  --json               the plan as one JSON object
  --config-dir, -cd D  a folder of your own groups and presets
""",
    "calibrate": """\
  --to FILE.json       write the rates there (default: CARD.json in cache_dir/rates, where plan looks first)
  --limit SECONDS      begin nothing new after this (default: 105; the whole takes two minutes at most)
  --json               the rates as one JSON object
  --config-dir, -cd D  a folder of your own groups and presets
""",
    "doctor": """\
  --cluster            on nodes that the composed cluster lends: one task on each of nodes=N, with training's
                       own partition, gres, set-up lines, container, python and environment
  --limit SECONDS      with --cluster: for the job, waiting included; then it is cancelled (default: 600)
  --json               every line, and what the nodes do not agree on, as one JSON object
  --config-dir, -cd D  a folder of your own groups and presets
""",
    "resume": """\
  RUN|SWEEP            last, last-sweep, an id or the beginning of one; of a sweep all trials that are not
                       completed go on
  --wait               follow a queued job to its end (a local one is followed anyhow)
  --this-code          with the program as it is now, where it has changed since (else the run's own goes on)
  --force              although it cannot be seen from here whether its job still runs
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the record as one JSON object at the end; of a sweep how each trial ended
""",
    "ls": """\
  KEY=VALUE            only runs that are so; also !=  <  >  <=  >=  and KEY~TEXT for a part of a text (quote
                       < and > for the shell). KEY is any key of a record (results.tokens, launch.nodes), of
                       the configuration as it is typed (lr, optim.lr, lora.targets), or a group (model)
  --columns KEY,KEY    these columns; +KEY,KEY adds them to the usual ones
  --sort KEY, -KEY     by this key, with - from the largest down; runs without it come last
  --limit N            the newest N, or the first N of what is sorted
  --sweep SWEEP        the runs of one sweep (last-sweep, its id, the beginning of it), with the keys that
                       vary as columns
  --runs-dir FOLDER    where runs lie (default: runs)
  --json, --csv        the same as a JSON list, or as comma-separated values with a header
""",
    "status": """\
  RUN|SWEEP            last, last-sweep, an id or the beginning of one
  --follow, -f         of a sweep: go on, until nothing of it waits or runs
  --all                of a sweep: all trials, where otherwise the best and the latest of many are shown
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the record, the queue's answer and the progress as one JSON object; of a sweep how each
                       trial stands
""",
    "logs": """\
  --follow, -f         go on as the job writes, until it is over
  --rank N             of this rank (default: rank 0, and what Slurm and srun said)
  --attempt N          of an earlier attempt (default: the newest)
  --all                whole files, not their last 100 lines (of a sweep: and all its files)
  --runs-dir FOLDER    where runs lie (default: runs)
""",
    "cancel": """\
  --now                end it at once, without a checkpoint
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               what was asked of which job, as JSON
""",
    "report": """\
  --to FILE.html       write the page there (default: report.html of the run, or in the sweep's directory; of
                       several runs, a file report-IDS.html beside their folders)
  --x KEY, --y KEY     of a sweep: the keys of the heatmap (default: the two most important)
  --csv                of a sweep: one row a trial, to the terminal or to the file of --to
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               where the report is, as JSON; of a sweep also the best trial and which keys matter
""",
    "evaluate": """\
  RUN                  last, an id or the beginning of one
  evaluation=CHOICE    what is measured: function_calls, bfcl, perplexity (default: what the run itself did)
  evaluation.KEY=VALUE its settings (python -m ftcore --cfg job -p evaluation evaluation=CHOICE shows them)
  --endpoint URL       ask the tuned model where it is served (the OpenAI API: http://HOST:PORT/v1)
  --served-model NAME  its name there (default: the only one)
  --base-endpoint URL, --base-model NAME
                       ask the base model there too (default: in this process, from its weights)
  --again              answers and result of before are thrown away (default: what is there is kept)
  --write FOR          write what opencompass or teval is started with, and measure nothing
  --to FOLDER          where to write it
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the measures of both, and their difference, as JSON
""",
    "show": """\
  KEY KEY              only these keys of the record; a key of the configuration as it is typed
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the whole record, or the keys, as JSON
""",
    "diff": """\
  --patch              how the program's files differ between the first two
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               what differs, as JSON
""",
    "rerun": """\
  --verify             wait for it and compare: losses by step, weights, evaluation; exit 1 where different
  --force              although data or model are not what they were
  --to FOLDER          only put the run's program and configuration there
  --wait               follow a queued job to its end (a local one is followed anyhow)
  --runs-dir FOLDER    where runs lie and the new one will (default: runs)
  --json               the verdict, or the new record, as JSON
""",
    "deploy": """\
  RUN                  last, an id or the beginning of one
  deploy=TARGET        where it is served (default: the run's own choice, or openai)
  deploy.KEY=VALUE     settings of the target (python -m ftcore --cfg job -p deploy deploy=TARGET shows them)
  --print              what would be written, sent and started; does none of it
  --down               take back what was made for this run at this target
  --config-dir, -cd D  a folder of your own groups
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               where it is served, as JSON
""",
    "chat": """\
  --prompt, -p TEXT    ask this and end; several are asked one after the other (default: type them, or a line
                       each from standard input)
  --system TEXT        a system text before everything
  --compare            the base model's answer beside the tuned one's
  --max-tokens N       tokens of an answer at most (default: 512)
  --temperature T      0 takes the likeliest token each time (default: 0)
  --seed N             draws the same tokens each time
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               one JSON object an answer
""",
    "tag": """\
  +TAG, TAG            put the tag on the run; runs tagged keep are left alone by gc
  ~TAG, -TAG           take it away
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the run's tags as JSON
""",
    "note": """\
  TEXT                 in place of the note there is; '' takes it away; without a text it is printed
  --append             a further line instead
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               the note as JSON
""",
    "export": """\
  --weights            adapter and merged model too
  --checkpoints        checkpoints too: the run can be resumed from the archive
  --to FILE            *.tar.gz, or *.tar, which is faster for weights (default: NAME-ID.tar.gz here, with
                       weights or checkpoints NAME-ID.tar)
  --force              replace a file of that name
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               what was written, as JSON
""",
    "import": """\
  --runs-dir FOLDER    where the runs are to lie (default: runs)
  --json               the runs, and whether each was there already, as JSON
""",
    "gc": """\
  --yes                remove it; without, only say what could go
  --older-than AGE     only what was of no use for so long: 90m, 12h, 30d, 2w
  --keep WHAT,WHAT     leave these alone: checkpoints, temporary, data, models, sources, runs
  --failed             whole runs that failed too, as --state failed
  --state STATE,STATE  whole runs in these states too: completed, failed, cancelled, preempted
  --shared-caches      caches outside of the runs' folder too, if only these runs use them
  --runs-dir FOLDER    where runs lie (default: runs)
  --json               what, where, how much and why, as JSON
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
