"""Hub datasets: what is asked of the loaders, whose content decides, and what is said where there is none."""

import builtins
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from ftcore.config.schema import Source
from ftcore.data import hub
from ftcore.data.dataset import PackedDataset
from ftcore.data.errors import DataError
from ftcore.data.hub import open_hub
from ftcore.data.prepare import cache_key, prepare
from tests.fixtures.data_experiment import SOURCE, data_experiment
from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer, tiny_tokenizer

ID = "somebody/alpaca"
ROWS = [{"instruction": f"问 {number}", "input": "", "output": f"answer {number}"} for number in range(12)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """datasets' cache and the working folder of a test are its own, and nobody asks the network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def write_local(rows, suffix="json", name=ID):
    """A folder that has the name of a hub dataset, relative to the working folder."""
    import datasets

    (hub.Path(name) / "data").mkdir(parents=True, exist_ok=True)
    path = hub.Path(name) / "data" / f"train.{suffix}"
    if suffix == "parquet":
        datasets.Dataset.from_list(rows).to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def source(**changes):
    return Source(**{**SOURCE, "format": "alpaca", "hub": "huggingface", "path": ID, **changes})


def opened(tmp_path, fetch=True, **changes):
    return open_hub(source(**changes), "data", tmp_path / "cache", fetch)


@pytest.fixture
def experiment(tmp_path):
    model = save_tiny_tokenizer(tmp_path / "model")

    def make(**changes):
        settings = {"format": "alpaca", "hub": "huggingface", "path": ID, "packing": False, **changes}
        return data_experiment(tmp_path / "cache", model, **settings)

    return make


def texts(prepared):
    dataset = PackedDataset(prepared.path)
    return [tiny_tokenizer().decode(dataset[index]["input_ids"]) for index in range(len(dataset))]


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_local_folder_of_that_name_is_read_as_the_dataset(tmp_path, suffix):
    """Rows in order, each with the dataset and its number for messages; sizes add up."""
    write_local(ROWS, suffix)
    rows = opened(tmp_path)
    records = list(rows.records())
    assert [record.payload for record in records] == ROWS
    assert records[4].place == "somebody/alpaca, line 5"
    assert sum(record.size for record in records) == rows.total() == sum(rows.sizes()) > 0


def test_a_hub_dataset_is_prepared_and_found_again(experiment):
    """The key that planning makes, without the network, is the one that prepare builds under."""
    write_local(ROWS)
    prepared = prepare(experiment())
    assert cache_key(experiment()) == prepared.key
    assert [f"answer {number}" in text for number, text in enumerate(texts(prepared))] == [True] * 12
    [told] = prepared.manifest["sources"]
    assert (told["path"], told["hub"], len(told["sha256"])) == (ID, "huggingface", 64)


def test_rows_are_drawn_by_the_seed(experiment):
    """As from files."""
    write_local(ROWS)
    drawn = texts(prepare(experiment(max_rows=5)))
    assert len(drawn) == 5
    assert drawn == texts(prepare(experiment(max_rows=5)))
    assert drawn != texts(prepare(experiment(max_rows=5, seed=3)))


def test_content_and_part_decide_the_key_and_the_name_does_not(experiment):
    """Another row or another slice of the same file is other data; a copy elsewhere is the same."""
    write_local(ROWS)
    write_local(ROWS, name="elsewhere/copy")
    write_local([*ROWS[:-1], ROWS[0]], name="elsewhere/changed")
    key = cache_key(experiment())
    assert cache_key(experiment(path="elsewhere/copy")) == key
    assert cache_key(experiment(path="elsewhere/changed")) != key
    slices = {cache_key(experiment(split=split)) for split in ("train[:6]", "train[6:]")}
    assert len(slices | {key}) == 3


def test_rows_in_memory_are_known_by_their_content(tmp_path, monkeypatch):
    """A dataset that no file holds is hashed row by row."""
    import datasets

    hashes = []
    for rows in (ROWS, ROWS, ROWS[::-1]):
        made = datasets.Dataset.from_list(rows)
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, made=made, **__: made)
        hashes.append(opened(tmp_path).content())
    assert hashes[0] == hashes[1] != hashes[2]


def test_what_is_stated_reaches_the_loader(tmp_path, monkeypatch):
    """Subset, split, folder and files; what is null is left to the loader, but the split."""
    import datasets

    asked = []

    def load(*path, **options):
        asked.append((path, options))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    opened(tmp_path)
    opened(tmp_path, subset="en", split="test", folder="data", files=["a.json"])
    assert asked == [
        ((ID,), {"split": "train"}),
        ((ID,), {"split": "test", "name": "en", "data_dir": "data", "data_files": ["a.json"]}),
    ]


def test_planning_never_asks_the_network(tmp_path, monkeypatch):
    """Offline while it looks, as before when it has looked."""
    import datasets

    seen = []
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *_, **__: seen.append(datasets.config.HF_HUB_OFFLINE)
    )
    for fetch in (False, True):
        with pytest.raises(AttributeError):
            opened(tmp_path, fetch)
    assert seen == [True, False]
    assert datasets.config.HF_HUB_OFFLINE is False


def test_a_dataset_out_of_reach_is_named_with_what_helps(tmp_path):
    """The mirror and the local folder, beside the reason."""
    with pytest.raises(
        DataError,
        match=r"data\.path: the Hugging Face dataset 'somebody/alpaca' cannot be loaded: Couldn't reach"
        r".*set HF_ENDPOINT to a mirror.*, or put a copy of it in a folder",
    ):
        opened(tmp_path)


def test_a_wrong_split_is_told_without_talk_of_the_network(tmp_path):
    """The loader's own words say which there are."""
    write_local(ROWS)
    with pytest.raises(DataError, match='Unknown split "tset"') as caught:
        opened(tmp_path, split="tset")
    assert "HF_ENDPOINT" not in str(caught.value)


def test_a_bad_row_of_a_hub_is_named(experiment):
    """Dataset and row number stand where file and line do."""
    write_local([ROWS[0], {**ROWS[1], "output": None}])
    with pytest.raises(DataError, match="somebody/alpaca, line 2: 'output' must be a string, it is a null"):
        prepare(experiment())


@pytest.mark.parametrize("name", ["modelscope", "openmind"])
def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch, name):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=rf"data\.hub: {name} needs the package {name}: pip install {name}"):
        opened(tmp_path, hub=name)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("modelscope", {"dataset_name": ID, "split": "train", "subset_name": "en"}),
        ("openmind", {"path": ID, "split": "train", "name": "en"}),
    ],
)
def test_other_hubs_are_asked_in_their_own_words(tmp_path, monkeypatch, name, asked):
    """Stand-ins for packages that the tests do not have; ModelScope's result is turned into datasets' own."""
    import datasets

    calls = []

    def load(**options):
        calls.append(options)
        made = datasets.Dataset.from_list(ROWS)
        return SimpleNamespace(to_hf_dataset=lambda: made) if name == "modelscope" else made

    package = ModuleType(name)
    package.OmDataset = SimpleNamespace(load_dataset=load)
    inner = ModuleType("modelscope.msdatasets")
    inner.MsDataset = SimpleNamespace(load=load)
    monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setitem(sys.modules, "modelscope.msdatasets", inner)
    rows = opened(tmp_path, hub=name, subset="en")
    assert calls == [asked]
    assert [record.payload for record in rows.records()] == ROWS
    with pytest.raises(DataError, match="is not asked before the data is prepared"):
        opened(tmp_path, fetch=False, hub=name)


def test_files_need_no_hub_library(tmp_path, monkeypatch):
    """datasets is imported for a hub alone."""
    real = builtins.__import__
    refused = {"datasets", "modelscope", "openmind"}

    def importing(name, *rest):
        assert name not in refused
        return real(name, *rest)

    from ftcore.data.source import open_sources

    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    monkeypatch.setattr(builtins, "__import__", importing)
    made = data_experiment(tmp_path, tmp_path, format="alpaca", path=str(tmp_path / "rows.json"))
    [opened_source] = open_sources(made.data, made.evaluation, 0, tmp_path / "cache")
    assert opened_source.origin.total() > 0
