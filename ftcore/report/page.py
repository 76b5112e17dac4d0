"""One run as one HTML page: self-contained, readable without scripts, the same bytes for the same input."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.report import comparison, curves, summary
from ftcore.report import format as fmt

# Heading, key in the record, and (key, label) of each fact in it.
_GROUPS = (
    (
        "Data",
        "data",
        (
            ("source", "Source"),
            ("rows", "Rows"),
            ("samples", "Packed samples"),
            ("tokens", "Tokens"),
            ("truncated_rows", "Truncated rows"),
            ("sha256", "SHA-256"),
            ("cache_key", "Cache key"),
        ),
    ),
    ("Model", "model", (("path", "Path"), ("sha256", "SHA-256"))),
    (
        "Code",
        "code",
        (
            ("commit", "Commit"),
            ("dirty", "Uncommitted"),
            ("diff_sha256", "Diff SHA-256"),
            ("source_sha256", "Program SHA-256"),
        ),
    ),
    (
        "Hardware",
        "hardware",
        (
            ("accelerator", "Accelerator"),
            ("card", "Card"),
            ("arch", "Architecture"),
            ("memory_gib", "Memory a device"),
            ("devices_per_node", "Devices a node"),
            ("hostname", "Host"),
        ),
    ),
    (
        "Launch",
        "launch",
        (("cluster", "Cluster"), ("nodes", "Nodes"), ("tasks_per_node", "Tasks a node"), ("job_id", "Job")),
    ),
    (
        "Software",
        "environment",
        (
            ("python", "Python"),
            ("platform", "Platform"),
            ("driver", "Driver"),
            ("cuda", "CUDA"),
            ("dtk", "DTK"),
        ),
    ),
)


def render(
    record: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any] | None,
    config_text: str,
    later: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> str:
    """The report as the text of an HTML file; write it as UTF-8.

    `record`, `metrics` and `evaluation` are record.json, the lines of metrics.jsonl and evaluation.json;
    `later` are names and contents of the evaluations that were made after the run.
    Any key may be missing or null. Everything in them is taken as untrusted text and escaped.
    """
    record = record or {}
    lines = curves.by_step(metrics or ())
    return (
        environment()
        .get_template("run.html.j2")
        .render(
            name=fmt.text(record.get("name")) or "unnamed run",
            state=fmt.text(record.get("state")) or "unknown",
            tone=summary.tone(record.get("state")),
            command=fmt.text(record.get("command")),
            overrides=[fmt.text(one) for one in record.get("overrides") or ()],
            origin=_origin(record),
            failure=summary.failure(record),
            trouble=curves.trouble(lines),
            figures=summary.figures(record, lines),
            comparison=comparison.compare(evaluation),
            evaluations=[
                (fmt.text(name), view) for name, one in later if (view := comparison.compare(one)) is not None
            ],
            charts=curves.charts(lines),
            steps=len(lines),
            stages=summary.stages(record),
            attempts=summary.attempts(record),
            groups=_groups(record),
            packages=summary.packages(record),
            artifacts=summary.artifacts(record),
            config=fmt.text(config_text),
            commands=summary.commands(record),
        )
    )


def environment():
    """The templates, with everything escaped that they do not call safe."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("ftcore.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["language"] = fmt.language
    return templates


def _origin(record: Mapping[str, Any]) -> tuple[summary.Fact, ...]:
    dated = {**record, "created": fmt.timestamp(record["created"])} if record.get("created") else record
    # A seed is a name, not a quantity: no thousands separators.
    dated = {**dated, "seed": fmt.text(record.get("seed"))}
    return summary.facts(
        dated,
        ("id", "Run"),
        ("sweep", "Sweep"),
        ("created", "Created"),
        ("seed", "Seed"),
        ("config_hash", "Config hash"),
        ("reproduces", "Reproduces"),
        ("tags", "Tags"),
        ("note", "Note"),
    )


def _groups(record: Mapping[str, Any]) -> tuple[tuple[str, tuple[summary.Fact, ...]], ...]:
    """(heading, facts) for what the run was made from and what it ran on; empty groups are left out."""
    found = ((heading, summary.facts(_readable(record, key), *wanted)) for heading, key, wanted in _GROUPS)
    return tuple((heading, facts) for heading, facts in found if facts)


def _readable(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = dict(summary.child(record, key))
    memory = fmt.number(part.get("memory_gib"))
    if memory is not None:
        part["memory_gib"] = f"{fmt.significant(memory, 3)} GiB"
    return part
