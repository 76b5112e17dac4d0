"""Predictions beside figures measured before: of today's model, on any machine."""

import json
import tempfile
from pathlib import Path
from typing import Any

from bench.plan.asked import composed, model, predicted
from bench.plan.configurations import EVERY
from bench.plan.shapes import SHAPES


def again(kept: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of `kept` (what --json wrote), predicted anew for the card that it names."""
    known = {one.name: one for one in EVERY}
    about = kept["about"]
    card = [
        f"hardware.card={about['card']}", f"hardware.arch={about['arch']}",
        f"hardware.memory_gib={about['memory_gib']}", "precision=bf16",
    ]  # fmt: skip
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for row in kept["rows"]:
            one = known[row["name"]]
            place = model(scratch, one.shape)
            place.mkdir(exist_ok=True)
            (place / "config.json").write_text(json.dumps(SHAPES[one.shape]), encoding="utf-8")
            rows.append(row | predicted(composed(one, scratch, *card).experiment, one.shape))
    return rows
