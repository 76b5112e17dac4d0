"""`plan` shows what an experiment needs, and says so where it cannot."""

import json

import pytest

from ftcore.cli.main import main
from ftcore.plan.memory import NAMES

ORIGINAL = ["plan", "experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No model's folder and no data."""
    monkeypatch.chdir(tmp_path)


def told(capsys, *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_original_recipe_as_data(capsys):
    """Its parameters, a peak that is the sum of its parts, and what is to be said of its settings."""
    plan = told(capsys, *ORIGINAL)
    assert plan["parameters"]["total"] == sum(plan["parameters"]["by_part"].values()) == 8_030_261_248
    assert plan["parameters"]["trained"] == 167_772_160
    memory = plan["memory"]
    assert tuple(memory["bytes"]) == NAMES
    assert memory["total"] == sum(memory["bytes"].values()) == max(memory["phases"].values())
    assert memory["fits"] is True
    keys = [one["key"] for one in plan["warnings"]]
    assert keys.count("parallelism") == 2 and {"kernels.loss", "chat_samples.every"} <= set(keys)


def test_original_recipe_for_a_person(capsys):
    """The table names its parts, the peak's moment and the verdict; warnings follow."""
    assert main(ORIGINAL) == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in ("activations", "logits", "in all", "fits", "warning: parallelism", "8,030,261,248"):
        assert part in text


def test_unknown_model_has_no_memory_and_says_why(capsys):
    """A hub id that is not here, or a family that is not known."""
    plan = told(capsys, "plan", "model=internlm2_7b", "hardware=cuda")
    assert plan["memory"] is plan["parameters"] is plan["disk"] is plan["host"] is None
    assert "internlm2" in plan["unknown"]
    assert main(["plan", "model=internlm2_7b", "hardware=cuda"]) == 0
    assert "not known" in capsys.readouterr().out


def test_a_cpu_has_no_accelerator_memory(capsys):
    """Its host's memory and disk are there."""
    plan = told(capsys, "plan", "hardware=cpu", "model=llama3_8b_instruct")
    assert plan["memory"] is None and plan["host"]["weights"] == 4 * 8_030_261_248


def test_sweep_says_what_its_trials_need(capsys):
    """From the least to the most, and how many do not fit."""
    words = [
        "plan", "-m", "rank=8,64", "max_length=1024,8192", "data.micro_batch_size=1,16",
        "model=llama3_8b_instruct", "hardware=cuda", "hardware.memory_gib=80", "kernels=stock",
    ]  # fmt: skip
    plan = told(capsys, *words)
    assert plan["trials"] == 8 and plan["memory"]["least"] < plan["memory"]["most"]
    assert plan["memory"]["do_not_fit"] == 2
    assert main(words) == 0
    assert "2 trial(s) do not fit" in " ".join(capsys.readouterr().out.split())


PRICED = ["cluster.price_per_device_hour=2.0", "cluster.currency=CNY"]


def test_sweep_says_how_long_its_trials_take(capsys):
    """All together what each says alone: steps, time with its range, accelerator-hours and money."""
    words = ["model=llama3_8b_instruct", "data=agent_flan", "hardware=cuda", "max_steps=7", *PRICED]
    each = [told(capsys, "plan", *words, f"max_length={n}") for n in (1024, 4096)]
    time = told(capsys, "plan", "-m", *words, "max_length=1024,4096")["time"]
    assert time["steps"] == 14 and time["unknown"] == 0
    for name in ("total_seconds", "low", "high", "accelerator_hours"):
        assert time[name] == pytest.approx(sum(one["time"][name] for one in each))
    assert [time["shortest"], time["longest"]] == [one["time"]["total_seconds"] for one in each]
    assert time["cost"]["price"] == pytest.approx(sum(one["cost"]["price"] for one in each))
    assert main(["plan", "-m", *words, "max_length=1024,4096"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "14 of all trials" in shown and "accelerator-hours" in shown and "CNY at 2 an hour" in shown


def test_sweep_says_which_trials_times_are_unknown(capsys):
    """A CPU without rates: nothing is added up that is not known, and the reason is told."""
    plan = told(capsys, "plan", "-m", "hardware=cpu", "rank=8,16", "cache_dir=nowhere", *PRICED)
    assert plan["time"]["unknown"] == 2 and plan["time"]["accelerator_hours"] is None
    assert plan["time"]["cost"]["price"] is None and "calibrate" in plan["time"]["why"]


def test_layout_and_checkpoints(capsys):
    """Who shares what, and how many checkpoints there will be."""
    words = [*ORIGINAL, "max_steps=1200", "parallelism.sequence_parallel=2", "kernels.attention=rows"]
    plan = told(capsys, *words)
    world = plan["world"]
    assert (world["data_parallel"], world["sequence_parallel"], world["zero_group"]) == (12, 2, 24)
    every, iterations = plan["checkpoints"]["every"], plan["length"]["iterations"]
    assert plan["checkpoints"]["saved"] == -(-iterations // every)
    assert main(words) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "12 data parallel group(s) of 2 ranks" in text and "ZeRO-" in text and "are kept" in text


def test_cost_where_the_cluster_states_a_rate(capsys):
    """In JSON and in the table; nothing where none is stated."""
    assert told(capsys, *ORIGINAL)["cost"] is None
    words = [
        *ORIGINAL,
        "max_steps=1200",
        "cluster.price_per_device_hour=2",
        "cluster.quota_device_hours=1000",
    ]
    plan = told(capsys, *words)
    hours = plan["time"]["accelerator_hours"] if plan["time"] else None
    assert plan["cost"]["device_hours"] == hours
    if hours is not None:
        assert plan["cost"]["price"] == pytest.approx(2 * hours)
        assert plan["cost"]["share"] == pytest.approx(hours / 1000)
    assert main(words) == 0
    assert "cost" in capsys.readouterr().out
