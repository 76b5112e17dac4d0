"""docs/plan.md has the tables that the model of today makes of what was measured."""

import json
from pathlib import Path

from bench.plan import markdown
from bench.plan.again import again

ROOT = Path(__file__).parents[3]


def test_the_tables_are_of_todays_model():
    """`python -m bench.plan --again ... --markdown` prints them anew."""
    kept = [
        json.loads((ROOT / "bench" / "plan" / f"{one}.json").read_text("utf-8")) for one in ("h100", "h200")
    ]
    cards = {one["about"]["card"].split()[1]: again(one) for one in kept}
    page = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    for table in (markdown.memory(cards), markdown.time(cards)):
        lines = table.splitlines()
        assert len(lines) > 40 and [line for line in lines if line not in page.splitlines()] == []
