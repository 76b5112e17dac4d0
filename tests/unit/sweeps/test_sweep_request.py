"""From a command line with -m to its trials: what is wrong is told together, and nothing is made of it."""

# ruff: noqa: E501 (a case a line)

import json
from pathlib import Path

import pytest

from ftcore.cli import sweep
from ftcore.cli.main import main
from ftcore.config.errors import RequestError
from ftcore.runs.directory import every
from ftcore.sweeps import directory
from ftcore.sweeps.request import request


def points(*words: str, **flags) -> list[tuple[str, ...]]:
    """The trials' overrides."""
    return [trial.point for trial in request(["hardware=cpu", *words], None, **flags).trials]


def problems(*words: str, **flags) -> list[str]:
    """What is wrong with a sweep."""
    with pytest.raises(RequestError) as caught:
        request(["hardware=cpu", *words], None, **flags)
    return [str(problem) for problem in caught.value.problems]


TWO = "lr=1e-4,2e-4"
WRONG = {
    ("lx=1,2",): "lx: no such key (in lx=1)",
    ("lr=1e-4,-1",): "lr: should be greater than 0; got -1 (in lr=-1)",
    ("lr=[1],2e-4",): "lr: should be a valid number; got [1] (in lr=[1])",
    ("+lr=1e-4,2e-4",): "+lr: is there already",
    ("lora=lora,foo",): "lora: no choice named 'foo'; allowed: full, lora, qlora",
    ("+lora=lora,full",): "+lora: every experiment has it already",
    ("lr=choice()",): "lr=choice(): not an override",
    ("lr=1e-4,1e-4",): "lr: given twice: 0.0001",
    (TWO, "lr=3e-4,4e-4"): "lr: is swept twice",
    (TWO, "lr=3e-4"): "lr: given twice: to be swept, and as lr=3e-4",
    ("++lr=3e-4", TWO): "lr: given twice: to be swept, and as ++lr=3e-4",
    ("lora=lora,full", "lora=qlora"): "lora: given twice: to be swept, and as lora=qlora",
    ("search=list", "search.points=[{lr: 1e-4}]", TWO): "lr: is swept, and in search.points too",
    ("seed=range(0,10000000)",): "seed: 10000000 values",
    ("seed=range(0,9000)", "rank=range(1,9000)"): "-m: 80991000 trials; allowed: at most search.max_trials=10000",
    ("lora=glob(zz*)",): "lora: no choice matches",
    ("lr=interval(1e-5,1e-3)",): "lr: an interval has no end of values for search=grid",
    (TWO, "rank=1,2,3", "search=zip"): "search: zip pairs values, and lr has 2, rank has 3",
    ("search=grid",): "-m: nothing is swept",
    ("lr=1e-4",): "-m: nothing is swept",
    ("search=list",): "search.points: there are none",
    ("search=list", "search.points=[{lx: 1}]"): "lx: no such key (in lx=1)",
    ("search=list", "search.points=3"): "search.points",
    (TWO, "search=grd"): "search: no choice named 'grd'; allowed: asha, grid, list, random, tpe, zip; did you mean grid?",
    (TWO, "search=_base"): "search: no choice named '_base'",
    (TWO, "search=grid,zip"): "search: no choice named 'grid,zip'",
    (TWO, "search.max_trals=3"): "search.max_trals: no such key of this strategy",
    (TWO, "search.trials=3"): "search.trials: no such key of this strategy",
    (TWO, "search.max_trials=x"): "search.max_trials: should be a valid integer",
    (TWO, "search.max_trials=0"): "search.max_trials: should be greater than or equal to 1; got 0",
    (TWO, "search=random", "search.seed=1,2"): "search.seed: a sweep has one strategy",
    (TWO, "search.skip=lr>3"): "search.skip=lr>3: not an override",
    (TWO, "search.skip=['lr >']"): "search.skip: 'lr >' is no condition",
    (TWO, "search.skip=['rnak > 3']"): "search.skip: no such key: rnak; did you mean rank?",
    (TWO, "search.skip=['open(1)']"): "search.skip: 'open(1)': only keys, values",
    (TWO, "model=qwen"): "model: no choice named 'qwen'",
    ("hydra.verbose=true,false",): "hydra.verbose: Hydra composes",
    ("optim.betas.7=0.5,0.6",): "optim.betas.7: no such key",
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_wrong_sweep(words):
    """Each mistake under its key, with what would be right, never in Hydra's words."""
    told = problems(*words)
    assert any(line.startswith(WRONG[words]) for line in told), told


def test_everything_at_once():
    """Mistakes of the strategy, of axes and of what is not swept are told together."""
    told = problems("lora=lora,foo", "model=qwen", "seed=range(0,1,0)", "search.skip=['(']", "lr=1,1")
    assert [line.split(":")[0] for line in told] == ["lora", "seed", "lr", "model", "search.skip"]


def test_wrong_trials_are_told_together(tmp_path):
    """Every trial is checked before one is made, and those that are wrong are named, the first twenty."""
    told = problems("rank=-1,8,-2", "lr=1e-4,2")
    assert len(told) == 7
    assert "lr: should be less than or equal to 1; got 2 (in rank=8 lr=2)" in told
    many = problems("seed=range(-100,1)")
    assert len(many) == 21 and many[-1].startswith("-m: and 80 more")


def test_skip_invalid():
    """`--skip-invalid` keeps the right ones, in order and numbered anew; where none is right, that is told."""
    asked = request(["hardware=cpu", "rank=4,-1,8"], None, skip_invalid=True)
    assert [(trial.number, trial.point) for trial in asked.trials] == [(0, ("rank=4",)), (1, ("rank=8",))]
    assert len(asked.invalid) == 1
    assert len(problems("rank=-1,-2", skip_invalid=True)) == 2


def test_conditions_leave_out():
    """A point is left out where any condition holds, interpolated keys included."""
    asked = request(
        ["hardware=cpu", TWO, "rank=8,16", "search.skip=['optim.lr > 1.5e-4 and rank == 16', 'seed == 7']"],
        None,
    )
    assert [trial.point for trial in asked.trials] == [
        ("lr=0.0001", "rank=8"), ("lr=0.0001", "rank=16"), ("lr=0.0002", "rank=8"),
    ]  # fmt: skip
    assert asked.skipped == 1


def test_axes_of_a_file(tmp_path):
    """A strategy of one's own brings axes and conditions; words add to them."""
    (tmp_path / "search").mkdir()
    text = "defaults: [grid, _self_]\naxes: {lr: '1e-4,2e-4', rank: [8, 16]}\nskip: ['rank > lr * 100000']\n"
    (tmp_path / "search" / "mine.yaml").write_text(text)
    asked = request(["hardware=cpu", "search=mine", "seed=1,2"], str(tmp_path))
    assert {trial.point for trial in asked.trials} == {
        ("lr=0.0001", "rank=8", f"seed={seed}") for seed in (1, 2)
    } | {("lr=0.0002", f"rank={rank}", f"seed={seed}") for rank in (8, 16) for seed in (1, 2)}
    assert asked.skipped == 2


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("lr=3e-4,4e-4",), {("rank=8", "lr=0.0003"), ("rank=8", "lr=0.0004"),
                             ("rank=16", "lr=0.0003"), ("rank=16", "lr=0.0004")}),
        (("lr=3e-4",), {("rank=8",), ("rank=16",)}),
        (("++rank=4", "lr=1e-3,2e-3"), {("lr=0.001",), ("lr=0.002",)}),
    ],
)  # fmt: skip
def test_typed_before_a_file(tmp_path, typed, expected):
    """What is typed takes the place of the file's axis of that key, whether it is swept or has one value."""
    (tmp_path / "search").mkdir()
    text = "defaults: [grid, _self_]\naxes: {lr: '1e-4,2e-4', rank: [8, 16]}\n"
    (tmp_path / "search" / "mine.yaml").write_text(text)
    asked = request(["hardware=cpu", "search=mine", *typed], str(tmp_path))
    assert {trial.point for trial in asked.trials} == expected
    if typed == ("lr=3e-4",):
        assert {trial.composed.experiment.lr for trial in asked.trials} == {3e-4}


@pytest.mark.parametrize("word", ["search.axes={lr: '1e-4,2e-4'}", "search.axes.lr=[1e-4,2e-4]"])
def test_axes_by_words(word):
    """`search.axes` has no keys beforehand, and takes new ones."""
    assert points(word) == [("lr=0.0001",), ("lr=0.0002",)]


def test_a_choice_and_its_keys():
    """Where a group is swept, keys that only some of its choices have may be given with those."""
    word = "search.points=[{lora: qlora, lora.quantization.quant_type: fp4}, {lora: lora, rank: 3}]"
    asked = request(["hardware=cuda", "search=list", word], None)
    first, second = (trial.composed for trial in asked.trials)
    assert (first.choices["lora"], first.experiment.lora.quantization.quant_type) == ("qlora", "fp4")
    assert (second.choices["lora"], second.experiment.lora.rank) == ("lora", 3)


@pytest.mark.parametrize("word", ["search=zip", "search.trials=3", "+search=random", "search.skip=[a]"])
def test_search_without_multirun(word, capsys):
    """A word about a sweep in a command that makes one run names the flag that is missing."""
    assert main([word]) == 2
    told = capsys.readouterr().err
    assert "is about a sweep; did you mean -m search" in told and "Hydra" not in told


@pytest.mark.parametrize(
    "flags", [["--cfg", "job"], ["--info"], ["--info", "defaults"], ["--cfg", "job", "-p", "lr"]]
)
def test_views_of_one_experiment(flags, capsys, tmp_path, monkeypatch):
    """What shows one experiment refuses a sweep, and starts nothing of it."""
    monkeypatch.chdir(tmp_path)
    assert main(["-m", TWO, "hardware=cpu", *flags]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and f"{flags[0]}: shows one experiment" in shown.err
    assert list(tmp_path.iterdir()) == []


def test_plan_of_a_sweep(capsys, tmp_path, monkeypatch):
    """`plan -m` counts, names the axes, the first and the last trial, and leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    words = ["plan", "-m", "hardware=cpu", TWO, "rank=4,8,-1", "lora=lora,full"]
    assert main(words) == 2
    assert "--skip-invalid" not in capsys.readouterr().out
    assert main([*words, "search.skip=['rank == 8 and lr > 1.5e-4']", "--skip-invalid", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["trials"], plan["skipped"], len(plan["invalid"]), plan["there_already"]) == (6, 2, 4, 0)
    assert [axis["key"] for axis in plan["axes"]] == ["lr", "rank", "lora"]
    assert plan["first"]["point"] == ["lr=0.0001", "rank=4", "lora=lora"]
    assert plan["last"]["point"] == ["lr=0.0002", "rank=4", "lora=full"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "swept",
    ["nodes=1,2", "hardware.devices_per_node=1,2", "runs_dir=a,b", "cluster.time='1:00:00','2:00:00'"],
)
def test_trials_of_several_sizes(swept, capsys, tmp_path, monkeypatch):
    """An array's tasks have one size: others are refused before anything is made."""
    monkeypatch.chdir(tmp_path)
    assert main(["-m", "hardware=dcu", "cluster=slurm", swept]) == 2
    assert "trials of one sweep have the same nodes, devices, cluster and runs_dir" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class Asked:
    """`ftcore -m` on this machine, with everything but the training."""

    def __init__(self, runs: Path, capsys) -> None:
        self.runs, self.capsys, self.started = runs, capsys, []

    def __call__(self, *words: str) -> str:
        self.started.clear()
        assert main(["-m", "hardware=cpu", f"runs_dir={self.runs}", *words]) == 0
        return self.capsys.readouterr().out

    @property
    def sweeps(self) -> int:
        return len(list(directory.every(self.runs)))


@pytest.fixture
def ask(tmp_path, capsys, monkeypatch) -> Asked:
    asked = Asked(tmp_path / "runs", capsys)
    monkeypatch.setattr(
        sweep, "launch", lambda _, numbers, *rest, **flags: asked.started.extend(numbers) or 0
    )
    monkeypatch.setattr(sweep, "preflight", lambda e: [])
    return asked


def test_asked_again(ask):
    """The same sweep twice makes nothing new; a larger one makes what is new; `--again` makes all."""
    ask(TWO, "rank=4,8")
    assert ask.started == [0, 1, 2, 3]
    told = ask("rank=4,8", TWO)
    assert ask.started == [] and ask.sweeps == 1 and "4 there already" in told
    told = ask("lr=1e-4,2e-4,3e-4", "rank=4,8")
    assert ask.started == [0, 1] and ask.sweeps == 2 and "4 there already" in told and "2 new" in told
    newest = list(directory.every(ask.runs))[-1]
    assert [entry.point for entry in directory.trials(newest)] == [
        ("lr=0.0003", "rank=4"), ("lr=0.0003", "rank=8"),
    ]  # fmt: skip
    assert len(directory.read(newest)["reused"]) == 4
    ask(TWO, "rank=4,8", "--again")
    assert ask.started == [0, 1, 2, 3] and len(list(every(ask.runs))) == 10


def test_nothing_is_made_of_a_wrong_sweep(ask, capsys):
    """One wrong trial, and there is no folder of any; `--skip-invalid` makes the others."""
    assert main(["-m", "hardware=cpu", f"runs_dir={ask.runs}", "rank=4,-1"]) == 2
    assert "rank=-1" in capsys.readouterr().err and not ask.runs.exists()
    told = ask("rank=4,-1", "--skip-invalid")
    assert ask.started == [0] and "1 invalid left out" in told
