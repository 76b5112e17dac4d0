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
        ),
    ),
    "resume": Command(
        "ftcore.cli.resume",
        "go on with a run that was stopped or failed: only what is missing is done",
        "RUN",
        ("python -m ftcore resume last", "python -m ftcore resume 20261124-0830"),
    ),
    "ls": Command(
        "ftcore.cli.ls",
        "the runs there are, and how they stand",
        "RUNS",
        ("python -m ftcore ls", "python -m ftcore ls --json"),
    ),
    "status": Command(
        "ftcore.cli.status",
        "what a run is doing, where it waits, and what stopped it",
        "RUN",
        ("python -m ftcore status last", "python -m ftcore status 20261124-0830 --json"),
    ),
    "logs": Command(
        "ftcore.cli.logs",
        "what a run's ranks wrote",
        "RUN",
        (
            "python -m ftcore logs last",
            "python -m ftcore logs last -f",
            "python -m ftcore logs last --rank 3 --all",
        ),
    ),
    "cancel": Command(
        "ftcore.cli.cancel",
        "take a waiting run back; let a running one save and end",
        "RUN",
        ("python -m ftcore cancel last", "python -m ftcore cancel 20261124-0830 --now"),
    ),
    "report": Command(
        "ftcore.cli.report",
        "write a run's report.html anew and say where it is",
        "RUN",
        ("python -m ftcore report last", "python -m ftcore report last --json"),
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
