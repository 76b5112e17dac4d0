"""Trials frozen together are what each would be alone."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.compose import load, to_yaml
from ftcore.listing.rows import Listing
from ftcore.runs import create as alone
from ftcore.runs import record
from ftcore.runs.create import Request
from ftcore.runs.directory import RunDirectory, every
from ftcore.runs.files import indented
from ftcore.sweeps import create as together
from ftcore.sweeps import directory
from ftcore.sweeps.create import Yaml
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.request import Sweep, request

ASKER = Request("python -m ftcore -m ...", "/somewhere")
OF_ITS_OWN = ("id", "created", "sweep", "trial", "point", "code")
"""Keys of a record in which a trial differs from the same run alone; `code` in what is kept for the queue."""


def asked_for(runs: Path, *words: str) -> Sweep:
    """A sweep on this machine's CPU under `runs`."""
    return request(["hardware=cpu", f"runs_dir={runs}", *words], None)


@pytest.fixture(scope="module")
def fifty(tmp_path_factory) -> tuple[Sweep, SweepDirectory]:
    """Fifty trials over values and group choices, frozen."""
    runs = tmp_path_factory.mktemp("sweep")
    words = ["lr=1e-5,2e-5,3e-4,4e-4,5e-4", "lora=lora,full", "rank=4,8,16,32,64", "name=名"]
    asked = asked_for(runs, *words)
    return asked, together.create(asked, asked.trials, ASKER, runs)


def test_each_as_if_created_alone(fifty, tmp_path):
    """Configuration, XTuner file, hash and record are, file by file, those of the same run made alone."""
    asked, sweep = fifty
    assert len(asked.trials) == 50
    (tmp_path / "kept").mkdir()
    made = alone.surroundings(asked.trials[0].composed.experiment, tmp_path / "kept")
    for trial, entry in zip(asked.trials, directory.trials(sweep), strict=True):
        run, single = sweep.run(entry), RunDirectory(tmp_path / str(trial.number))
        single.path.mkdir()
        alone.freeze(single, trial.composed, ASKER, made)
        for name in ("config.yaml", "xtuner_config.py", "overrides.yaml"):
            assert (run.path / name).read_text() == (single.path / name).read_text()
        assert load(run.config) == trial.composed.experiment
        ours, other = record.read(run), record.read(single)
        differing = {key for key in ours | other if ours.get(key) != other.get(key)}
        assert differing <= set(OF_ITS_OWN)
        assert (ours["sweep"], ours["trial"], ours["point"]) == (sweep.id, trial.number, list(trial.point))
        assert ours["config_hash"] == entry.config_hash == other["config_hash"]


def test_complete(fifty):
    """Every run has what a run has, the code and the environment included, and is nothing but created."""
    _, sweep = fifty
    for entry in directory.trials(sweep):
        run = sweep.run(entry)
        assert record.read(run)["state"] == "created"
        assert run.source_archive.stat().st_size and (run.path / "environment.txt").stat().st_size


def test_ids_sort_as_trials(fifty):
    """Where runs are listed by id, trials are in their order."""
    _, sweep = fifty
    runs = [entry.run for entry in directory.trials(sweep)]
    assert runs == sorted(runs) and len(set(runs)) == 50
    assert [run.id for run in every(sweep.runs_dir)] == [run.rpartition("/")[2] for run in runs]


def test_what_was_asked(fifty):
    """`sweep.json` says over what, in plain data."""
    asked, sweep = fifty
    told = json.loads(sweep.state.read_text())
    assert [axis["key"] for axis in told["axes"]] == ["lr", "lora", "rank"]
    assert [axis["group"] for axis in told["axes"]] == [False, True, False]
    assert told["trials"] == 50 and told["command"] == ASKER.command and told["fixed"] == list(asked.fixed)


def test_quoted_values_are_kept_as_data(tmp_path):
    """Values with quotes and brackets are written too, as what they mean."""
    asked = asked_for(tmp_path, "chat_samples.system='a b','c, d'", "optim.betas=[0.9,0.99],[0.8,0.9]")
    sweep = together.create(asked, asked.trials, ASKER, tmp_path)
    axes = json.loads(sweep.state.read_text())["axes"]
    assert [axis["values"] for axis in axes] == [["a b", "c, d"], [[0.9, 0.99], [0.8, 0.9]]]


def test_ended_in_the_middle(tmp_path, monkeypatch):
    """Where freezing ends early, what there is of it is shown as created at most, and no sweep is found."""
    asked = asked_for(tmp_path, "lr=1e-5,2e-5,3e-5,4e-5")
    whole, begun = together.freeze, []

    def killed(*words, **keys):
        begun.append(words)
        if len(begun) == 3:
            raise KeyboardInterrupt
        whole(*words, **keys)

    monkeypatch.setattr(together, "freeze", killed)
    with pytest.raises(KeyboardInterrupt):
        together.create(asked, asked.trials, ASKER, tmp_path)
    assert Listing(tmp_path).column("state") == ["created", "created"]
    assert list(directory.every(tmp_path)) == []


@pytest.mark.parametrize(
    "words", [[], ["lora=qlora", "parallelism=zero2", "hardware=cuda"], ["cluster=slurm"]]
)
def test_yaml_by_sections(tmp_path, words):
    """The rendered sections, together, are the configuration's YAML."""
    asked = asked_for(tmp_path, *words, "lr=1e-4,1", "chat_samples.system='a: #b','${name}'")
    writer = Yaml()
    for trial in asked.trials:
        text = writer.text(trial.composed.experiment)
        assert text == to_yaml(trial.composed.experiment)
        assert yaml.safe_load(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_json_by_parts(values):
    """What is written of kept parts is what json would write, `1` and `true` apart."""
    known = {}
    for value in [*values, values[0]]:
        assert indented(value, known) == json.dumps(value, indent=2, ensure_ascii=False)
