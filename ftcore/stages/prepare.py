"""Stage prepare: the base model unpacked, the data tokenised into the cache; rank 0 alone."""

import hashlib
import time
from pathlib import Path

from ftcore.config.errors import WorkError
from ftcore.config.xtuner.data import messages_path
from ftcore.models.fingerprint import fingerprint
from ftcore.models.gguf import unpack
from ftcore.runs.attempt_files import FAILURES
from ftcore.runs.files import read_json, write_json
from ftcore.runs.record import Record
from ftcore.stages.context import Context, Detail

RESULT = "prepared.json"
POLL_SECONDS = 0.1


def work(context: Context) -> Detail:
    from ftcore.data.prepare import prepare

    e = context.experiment
    context.report(
        0, None, f"unpacking {e.model.name}" if not Path(e.model.path).is_dir() else "reading the data"
    )
    unpack(e.model)
    prepared = prepare(e, context.report)
    for source, folder in prepared.messages.items():
        _link(Path(messages_path(e, source)), folder)
    manifest = prepared.manifest
    detail = {
        "data": str(prepared.path),
        "cache_key": prepared.key,
        "model_sha256": fingerprint(e.model, Path(e.cache_dir)),
        **{name: manifest[name] for name in (
            "sources", "rows", "sequences", "tokens", "labelled_tokens", "tokens_cut", "samples",
            "fill_share",
        )},
    }  # fmt: skip
    write_json(context.attempt / RESULT, detail)
    return detail


def into_record(record: Record, detail: Detail) -> None:
    rows = detail["rows"]
    hashes = "\n".join(source["sha256"] for source in detail["sources"])
    record["data"].update(
        rows=rows["kept"], tokens=detail["tokens"], samples=detail["samples"], cache_key=detail["cache_key"],
        truncated_rows=rows["truncated"], skipped_rows=rows["skipped"], sources=detail["sources"],
        sha256=hashlib.sha256(hashes.encode()).hexdigest(), prepared=detail["data"],
    )  # fmt: skip
    record["model"]["sha256"] = detail["model_sha256"]


def wait(context: Context) -> Detail:
    """What rank 0 prepared in this attempt; other ranks wait here, at no cost to anyone."""
    while (detail := read_json(context.attempt / RESULT)) is None:
        context.stop.check()
        if any(context.attempt.glob(FAILURES)):
            raise WorkError("another rank failed before training began")
        time.sleep(POLL_SECONDS)
    return detail


def _link(link: Path, target: Path) -> None:
    """Let `link` lead to `target`, in one step."""
    temporary = link.with_name(f".{link.name}.{time.time_ns()}")
    temporary.symlink_to(target.name)
    temporary.replace(link)
