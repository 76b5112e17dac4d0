"""Evaluations as the report and the terminal show them."""

import io

import pytest
from rich.console import Console

from ftcore.cli.measures import comparison
from ftcore.config.compose import compose
from ftcore.data.bfcl import load_cases
from ftcore.data.wording import right_reply
from ftcore.evaluation.answers import Answer
from ftcore.evaluation.foreseen import Block
from ftcore.evaluation.heldout_text import HeldOut
from ftcore.evaluation.outcome import Side, outcome
from ftcore.plan.preflight import preflight
from ftcore.report import render

CASES = [*load_cases("multiple")[:6], *load_cases("simple_java")[:2], *load_cases("irrelevance")[:2]]


def bfcl(text=None):
    """What BFCL's checker says of a base that only refuses, and of a tuned model that says what is taught."""
    e = compose(["evaluation=bfcl", "hardware=cpu"]).experiment
    refused = [Answer("Thought: x\nFinal Answer: no")] * len(CASES)
    right = [Answer(right_reply(case)) for case in CASES]
    blocks = [[Block(loss * tokens, tokens) for tokens in (90, 100, 80)] for loss in (2.0, 2.2)]
    sides = {
        who: Side(answers, blocks[number] if text else [], 1.0)
        for number, (who, answers) in enumerate((("base", refused), ("tuned", right)))
    }
    return outcome(e, CASES, text, sides)


def shown(results):
    console = Console(file=io.StringIO(), width=160, highlight=False)
    console.print(comparison(results, "x"))
    return " ".join(console.file.getvalue().split())


def test_the_outcome_has_a_share_for_each_category():
    """Base refuses rightly where nothing fits, the taught replies are right, and the difference says so."""
    found = bfcl()
    assert (found["base"]["correct"]["count"], found["base"]["irrelevance"]["share"]) == (2, 1.0)
    assert found["tuned"]["multiple"]["share"] == 1.0 and found["tuned"]["simple_java"]["of"] == 2
    assert found["difference"]["multiple"]["gained"] == 6 and found["difference"]["irrelevance"]["of"] == 2
    assert found["cases"][0]["base_score"]["error"] and not found["cases"][0]["tuned_score"]["error"]


def test_the_report_shows_what_was_evaluated_later():
    """Name, categories, intervals of differences, the text's perplexity and the cases, all escaped."""
    later = bfcl(HeldOut("<b>text</b>", "0", ("x",)))
    page = render({"state": "completed"}, [], None, "", [("bfcl-<i>1", later)])
    assert "Evaluated later: bfcl-&lt;i&gt;1" in page and "Not evaluated." in page and "<b>text" not in page
    assert "Correct by BFCL&#39;s checker" in page and "Simple java" in page
    assert "+22.1%" in page and "270 tokens" in page and "6\u00a0no→yes, 0\u00a0yes→no" in page
    change = later["difference"]["multiple"]
    assert f"+{100 * change['low']:.0f} to +{100 * change['high']:.0f}" in page
    assert "simple_java_0" in page or "multiple_0" in page


def test_a_report_of_older_runs_has_no_intervals_and_stands():
    """Without a difference the table is as it was."""
    old = bfcl()
    old["difference"] = {}
    assert "Correct by BFCL" in render({"state": "completed"}, [], old, "")


def test_the_terminal_shows_shares_and_differences():
    """Counts, points with their interval, a ratio for the perplexity; a side that is missing is empty."""
    found = bfcl(HeldOut("t", "0", ("x",)))
    text = shown(found)
    assert "0/6 0 %" in text and "6/6 100 %" in text and "+100 (" in text
    assert "7.39" in text and "+22.1 % (+22.1 to +22.1)" in text
    alone = shown({"base": {}, "tuned": found["tuned"], "difference": {}})
    assert "6/6 100 %" in alone and "difference" not in alone


def test_a_loss_has_a_minus_sign():
    """And what did not change no sign at all."""
    assert f"{chr(0x2212)}100 (" in shown(
        {
            "base": {"a": {"count": 2, "of": 2, "share": 1.0}},
            "tuned": {"a": {"count": 0, "of": 2, "share": 0.0}},
            "difference": {"a": {"difference": -1.0, "low": -1.0, "high": 0.001}},
        }
    )


def test_text_that_is_not_there_is_told_before_a_run():
    """A run would find out after training."""
    words = ["hardware=cpu", "evaluation.perplexity.text=gone.txt"]
    found = [one for one in preflight(compose(words).experiment) if one.key == "evaluation.perplexity.text"]
    assert [one.message for one in found] == ["no such file: gone.txt"]
    assert not [
        one
        for one in preflight(compose([*words, "evaluation=none"]).experiment)
        if one.key.startswith("evaluation")
    ]


def test_runs_of_before_are_read():
    """Their configuration gets what the defaults are, with no text and no other way to be asked."""
    from ftcore.config.upgrade import upgraded

    config = compose(["hardware=cpu"]).experiment.model_dump(mode="json")
    old = {key: value for key, value in config["evaluation"].items() if key not in ("perplexity", "endpoint")}
    assert upgraded(config | {"evaluation": old})["evaluation"] == config["evaluation"]


@pytest.mark.parametrize("choice", ["function_calls", "bfcl", "perplexity", "none"])
def test_every_choice_composes(choice):
    """Beside the quickstart's data and without a preset."""
    for words in ([], ["data=function_calls"]):
        assert compose([f"evaluation={choice}", "hardware=cpu", *words]).experiment.evaluation.kind == choice
