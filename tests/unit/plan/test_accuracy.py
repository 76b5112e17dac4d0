"""What was expected of runs beside what came, on the runs that ftcore itself freezes."""

import json

import pytest

from ftcore.cli.main import main
from ftcore.config.compose import compose
from ftcore.plan.accuracy import MEASURES, compared, errors
from ftcore.plan.cost import cost
from ftcore.repeat.reproduce import repeat
from ftcore.runs import record
from ftcore.runs.create import Request, create
from tests.fixtures import records as many_runs

LLAMA = [
    "model=llama3_8b_instruct", "data=openai_jsonl", "data.path=rows.jsonl", "evaluation=none",
    "hardware=cuda", "hardware.arch=sm_90", "hardware.card=H100", "hardware.memory_gib=80",
    "hardware.devices_per_node=4", "precision=bf16", "max_steps=10",
]  # fmt: skip
ASKER = Request("python -m ftcore", ".")


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a word"}]}
    (tmp_path / "rows.jsonl").write_text((json.dumps(chat) + "\n") * 50)


@pytest.fixture
def run(tmp_path):
    return create(compose([*LLAMA, "kernels=stock"]), ASKER)


def finished(run, peak: float, **changes):
    """`run`, completed with that peak."""

    def change(entry):
        entry["state"] = "completed"
        entry["attempts"] = []
        figures = {"peak_memory_gib": peak, "steps": 10, "training_seconds": 20.0}
        entry["results"].update(figures | changes)

    return record.update(run, change)


def test_frozen_before_anything_starts(run):
    """`plan.json` has the peak by part and the length; the record what is compared later, by the same names
    as what is measured."""
    plan = json.loads((run.path / "plan.json").read_text())
    expected = record.read(run)["results"]["predicted"]
    assert expected["peak_memory_gib"] == pytest.approx(plan["memory"]["allocated"] / 2**30, abs=1e-3)
    assert sum(expected["parts_gib"].values()) == pytest.approx(plan["memory"]["total"] / 2**30, abs=1e-2)
    assert expected["steps"] == plan["length"]["steps"] == 10
    assert plan["data"]["basis"] == "sampled"
    if plan["time"]["step_seconds"] is not None:
        assert expected["step_seconds"] == pytest.approx(plan["time"]["step_seconds"], rel=1e-3)


def test_training_leaves_it_there(run):
    """What a stage finds comes beside it."""
    expected = record.read(run)["results"]["predicted"]
    assert finished(run, 30.0)["results"]["predicted"] == expected


def test_a_rerun_has_what_was_expected_of_the_first(run, tmp_path):
    again = repeat(run, tmp_path / "again", "python -m ftcore rerun")
    assert (again.path / "plan.json").read_text() == (run.path / "plan.json").read_text()
    ours, other = (record.read(one)["results"]["predicted"] for one in (again, run))
    assert ours == other


def test_a_model_that_nobody_knows_is_made_all_the_same(tmp_path):
    run = create(compose([*LLAMA, "model.path=nobody/unknown"]), ASKER)
    plan = json.loads((run.path / "plan.json").read_text())
    assert plan["memory"] is None and plan["unknown"]
    assert "peak_memory_gib" not in record.read(run)["results"]["predicted"]


def told(capsys, *words: str) -> dict:
    assert main(["plan", "--accuracy", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_errors_by_the_code_that_trained(run, tmp_path, capsys):
    """Median and worst, over all and by layers, method and parallelism; runs that are not completed, and
    those of which nothing was expected, do not count."""
    expected = record.read(run)["results"]["predicted"]["peak_memory_gib"]
    finished(run, expected / 1.1)
    for share in (0.98, 0.9):
        fused = create(compose([*LLAMA, "kernels=fast"]), ASKER)
        predicted = record.read(fused)["results"]["predicted"]["peak_memory_gib"]
        finished(fused, predicted / share, kernels={"layers": "fused"})
    create(compose([*LLAMA, "kernels=fast"]), ASKER)
    unexpected = create(compose([*LLAMA, "kernels=fast"]), ASKER)
    finished(unexpected, 40.0)
    record.update(unexpected, lambda entry: entry["results"].pop("predicted"))

    found = told(capsys)
    memory = [one for one in found["errors"] if one["measure"] == "memory"]
    assert [(one["group"], one["runs"]) for one in memory] == [
        (None, 3), (["fused", "lora", "ddp"], 2), (["stock", "lora", "ddp"], 1),
    ]  # fmt: skip
    assert [one["median"] for one in memory] == pytest.approx([-0.02, -0.06, 0.1], abs=1e-3)
    assert [one["worst"] for one in memory] == pytest.approx([0.1, -0.1, 0.1], abs=1e-3)
    assert found["runs"] == 5 and found["without_prediction"] == 1
    assert all(one["worst"] == 0 for one in found["errors"] if one["measure"] == "steps")


def test_filters_are_those_of_ls(run, capsys):
    finished(run, 30.0)
    assert told(capsys, "config.kernels.layers=stock")["runs"] == 1
    assert told(capsys, "results.peak_memory_gib>31")["runs"] == 0
    assert main(["plan", "--accuracy", "no_such_key=1", "quickstart"]) == 2
    said = capsys.readouterr().err
    assert "no_such_key: no run has such a key" in said and "quickstart: is no filter" in said


def test_for_people(run, capsys):
    finished(run, 30.0)
    assert main(["plan", "--accuracy"]) == 0
    text = capsys.readouterr().out
    assert run.id in text and "expected, 30 GiB" in text and "0 completed without one" in text


def test_no_runs_yet(capsys):
    assert main(["plan", "--accuracy", "runs_dir=nowhere"]) == 0
    assert "0 runs" in capsys.readouterr().out


def test_old_records_read_as_runs_without_a_prediction(tmp_path, capsys):
    """As older versions left them."""
    base = many_runs.template(tmp_path / "made")
    base["results"] = {}
    many_runs.write(tmp_path / "old", many_runs.variants(base, 12))
    found = told(capsys, "runs_dir=old")
    assert found["runs"] == 12 and found["without_prediction"] > 0 and not found["pairs"]


def test_a_cpus_memory_is_no_cards(run):
    """A process's memory is not what was predicted."""
    row = dict.fromkeys(("results.training_seconds", "results.kernels.layers"))
    row |= {
        "id": "a", "state": "completed", "hardware.accelerator": "cpu", "hardware.card": "CPU",
        "config.kernels.layers": "stock", "config.lora.method": "lora",
        "config.parallelism.strategy": "single",
        "config.parallelism.deepspeed.zero_optimization.stage": None,
    }  # fmt: skip
    row |= {key: 1.0 for pair in MEASURES.values() for key in pair if key}
    assert [pair.measure for pair in compared([row])] == ["steps"]
    assert [one.group for one in errors(compared([row]))] == [None, ("stock", "lora", "single")]


@pytest.mark.parametrize(
    ("words", "hours", "price", "share"),
    [
        ([], 3.0, None, None),
        (["cluster.price_per_device_hour=2.5", "cluster.currency=CNY"], 3.0, 7.5, None),
        (["cluster.quota_device_hours=60"], 3.0, None, 0.05),
        (["cluster.price_per_device_hour=2.5", "cluster.quota_device_hours=60"], None, None, None),
    ],
)
def test_money_and_quota(words, hours, price, share):
    """Only by a rate that the cluster states; unknown where the time is."""
    found = cost(compose([*LLAMA, *words]).experiment, hours)
    assert (found is None) == (not words)
    if found:
        assert (found["price"], found["share"]) == (price, pytest.approx(share) if share else None)
        assert found["device_hours"] == hours


def test_a_rate_is_no_part_of_the_experiment(capsys):
    """Nor one of Slurm's options: the same run, the same batch script."""
    from ftcore.config.identity import config_hash

    words = [*LLAMA, "cluster=slurm"]
    rate = "cluster.price_per_device_hour=9"
    assert config_hash(compose(words).experiment) == config_hash(compose([*words, rate]).experiment)
    scripts = []
    for more in ([], [rate]):
        assert main([*words, *more, "--cfg", "sbatch"]) == 0
        scripts.append(capsys.readouterr().out)
    assert scripts[0] == scripts[1]
