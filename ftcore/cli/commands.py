"""The commands there are: what each is for, and examples of it."""

from dataclasses import dataclass

DEFAULT = "run"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the command line."""

    module: str
    summary: str
    takes: str
    examples: tuple[str, ...]


COMMANDS = {
    "run": Command(
        "ftcore.cli.run",
        "compose, check, train, merge and measure (the default command)",
        "OVERRIDES",
        (
            "python -m ftcore",
            "python -m ftcore lr=5e-4 rank=32 data.max_rows=100",
            "python -m ftcore model=qwen2_5_7b_instruct data=openai_jsonl data.path=chats.jsonl",
            "python -m ftcore experiment=agentflan_llama3_8b hardware=dcu nodes=6 --cfg xtuner",
        ),
    ),
    "plan": Command(
        "ftcore.cli.plan",
        "what an experiment amounts to, without starting anything",
        "OVERRIDES",
        (
            "python -m ftcore plan",
            "python -m ftcore plan experiment=agentflan_llama3_8b hardware=dcu nodes=6",
            "python -m ftcore plan epochs=3 --json",
            "python -m ftcore plan model=llama3_8b_instruct hardware=cuda max_steps=100 --explain",
            "python -m ftcore plan -m lr=1e-4,2e-4 rank=16,64",
            "python -m ftcore plan experiment=agentflan_llama3_8b hardware=cuda --fit max_length",
            "python -m ftcore plan --compare model=llama3_8b_instruct hardware=cuda kernels=stock,fast",
            "python -m ftcore plan --accuracy state=completed 'created>2026-11-24'",
        ),
    ),
    "calibrate": Command(
        "ftcore.cli.calibrate",
        "measure this machine's device in two minutes, so that plans know how long a job takes on it",
        "OVERRIDES",
        (
            "python -m ftcore calibrate",
            "python -m ftcore calibrate hardware=cuda --to conf/rates/nvidia_h100_80gb_hbm3.json",
            "python -m ftcore calibrate hardware=cpu --json",
        ),
    ),
    "doctor": Command(
        "ftcore.cli.doctor",
        "what is here or on a cluster's nodes, what is missing, and what to do",
        "OVERRIDES",
        (
            "python -m ftcore doctor",
            "python -m ftcore doctor --json hardware=dcu parallelism=zero3",
            "python -m ftcore doctor --cluster cluster=slurm cluster.partition=normal hardware=dcu nodes=2",
        ),
    ),
    "resume": Command(
        "ftcore.cli.resume",
        "go on with a run or a sweep that was stopped or failed: only what is missing is done",
        "RUN|SWEEP",
        (
            "python -m ftcore resume last",
            "python -m ftcore resume 20261124-0830",
            "python -m ftcore resume last-sweep",
        ),
    ),
    "ls": Command(
        "ftcore.cli.ls",
        "the runs there are, or those of them that are so, and how they stand",
        "FILTERS",
        (
            "python -m ftcore ls",
            "python -m ftcore ls state=failed --columns +reason,ended",
            "python -m ftcore ls 'lr>=1e-4' rank=16 tag=good --sort loss --columns +lr,rank,optim.schedule",
            "python -m ftcore ls 'created>2026-11-24' model~qwen --sort -created --limit 20",
            "python -m ftcore ls --columns run,lr,loss --csv",
            "python -m ftcore ls --sweep last-sweep --sort loss",
        ),
    ),
    "show": Command(
        "ftcore.cli.show",
        "what a run was asked for, what it ran on, what came out: all of it, or the keys that are named",
        "RUN",
        ("python -m ftcore show last", "python -m ftcore show last optim.lr results.final_loss --json"),
    ),
    "diff": Command(
        "ftcore.cli.diff",
        "what differs between runs: configuration, code, environment, machine, data, model, results",
        "RUNS",
        ("python -m ftcore diff 20261124-0830 last", "python -m ftcore diff 20261124-0830 last --patch"),
    ),
    "rerun": Command(
        "ftcore.cli.rerun",
        "the same program and configuration in a new run; --verify says whether it came out the same",
        "RUN",
        (
            "python -m ftcore rerun last",
            "python -m ftcore rerun 20261124-0830 --verify",
            "python -m ftcore rerun 20261124-0830 --to restored",
        ),
    ),
    "status": Command(
        "ftcore.cli.status",
        "what a run or a sweep is doing, where it waits, and what stopped it",
        "RUN|SWEEP",
        (
            "python -m ftcore status last",
            "python -m ftcore status last-sweep -f",
            "python -m ftcore status 20261124-0830 --json",
        ),
    ),
    "logs": Command(
        "ftcore.cli.logs",
        "what a run's ranks wrote, or what worked through a sweep",
        "RUN|SWEEP",
        (
            "python -m ftcore logs last",
            "python -m ftcore logs last -f",
            "python -m ftcore logs last --rank 3 --all",
        ),
    ),
    "cancel": Command(
        "ftcore.cli.cancel",
        "take back what waits of a run or a sweep; let what runs save and end",
        "RUN|SWEEP",
        (
            "python -m ftcore cancel last",
            "python -m ftcore cancel last-sweep",
            "python -m ftcore cancel 20261124-0830 --now",
        ),
    ),
    "report": Command(
        "ftcore.cli.report",
        "write a run's report.html anew, a sweep's, or one page that compares several, and say where it is",
        "RUNS|SWEEP",
        (
            "python -m ftcore report last",
            "python -m ftcore report last-sweep --x lr --y rank",
            "python -m ftcore report last-sweep --csv",
            "python -m ftcore report 20261124-0830 20261124-0915 last --to comparison.html",
            "python -m ftcore report last --json",
        ),
    ),
    "deploy": Command(
        "ftcore.cli.deploy",
        "serve a finished run's merged model, or take that back",
        "RUN [OVERRIDES]",
        (
            "python -m ftcore deploy last",
            "python -m ftcore deploy last deploy.port=8001 deploy.model_name=mine",
            "python -m ftcore deploy last deploy.upstream=http://127.0.0.1:9997/v1",
            "python -m ftcore deploy last --print",
            "python -m ftcore deploy last --down",
        ),
    ),
    "chat": Command(
        "ftcore.cli.chat",
        "talk with a run's model in the terminal, alone or beside its base model",
        "RUN",
        (
            "python -m ftcore chat last",
            "python -m ftcore chat last --compare",
            "python -m ftcore chat last -p 'What is the capital of France?' --json",
        ),
    ),
    "evaluate": Command(
        "ftcore.cli.evaluate",
        "measure a finished run anew, base against tuned, from its weights or where they are served",
        "RUN [OVERRIDES]",
        (
            "python -m ftcore evaluate last evaluation=bfcl evaluation.cases=100",
            "python -m ftcore evaluate last evaluation=perplexity",
            "python -m ftcore evaluate last evaluation=bfcl --endpoint http://127.0.0.1:8000/v1",
            "python -m ftcore evaluate last --write opencompass --to opencompass_configs",
        ),
    ),
    "tag": Command(
        "ftcore.cli.tag",
        "put tags on a run, or take them away (~bad, or -bad)",
        "RUN TAGS",
        ("python -m ftcore tag last +good -bad", "python -m ftcore tag 20261124-0830 keep 基线"),
    ),
    "note": Command(
        "ftcore.cli.note",
        "write down a few words on a run, or read them",
        "RUN [TEXT]",
        (
            "python -m ftcore note last the learning rate was too high",
            "python -m ftcore note last --append 'and the warm-up too short'",
            "python -m ftcore note last",
        ),
    ),
    "export": Command(
        "ftcore.cli.export",
        "runs as one file, to keep or to look at on another machine",
        "RUNS",
        (
            "python -m ftcore export last",
            "python -m ftcore export 20261124-0830 last --to two_runs.tar.gz",
            "python -m ftcore export last --weights --to with_weights.tar",
        ),
    ),
    "import": Command(
        "ftcore.cli.import_run",
        "put the runs of such a file among those here, verified file by file",
        "FILE",
        (
            "python -m ftcore import two_runs.tar.gz",
            "python -m ftcore import two_runs.tar.gz --runs-dir from_the_cluster",
        ),
    ),
    "gc": Command(
        "ftcore.cli.gc",
        "what can go: finished runs' checkpoints, left-overs, unused cache; --yes removes it",
        "[runs_dir=FOLDER]",
        (
            "python -m ftcore gc",
            "python -m ftcore gc --older-than 30d --keep data,models --yes",
            "python -m ftcore gc --failed --older-than 30d",
        ),
    ),
    "import-xtuner": Command(
        "ftcore.cli.import_xtuner",
        "make an experiment of an XTuner configuration file",
        "FILE",
        (
            "python -m ftcore import-xtuner my_config.py",
            "python -m ftcore import-xtuner qwen1_5_7b_chat_qlora_alpaca_e3 --to my_conf --check",
            "python -m ftcore import-xtuner internlm2_chat_7b_qlora_oasst1_e3 --to my_conf --json",
            "python -m ftcore import-xtuner shipped",
        ),
    ),
}
