"""Samples and batches: packed rows train exactly as if each stood alone."""

import pickle

import numpy as np
import pytest
import torch

from ftcore.data.cache import build_entry
from ftcore.data.dataset import PackedDataset, collate
from ftcore.data.encode import IGNORE_INDEX
from ftcore.data.errors import DataError
from ftcore.data.layout import LABELS, ROW_ORDER, ROWS, SAMPLES, TOKENS
from ftcore.data.npy import write_npy

PAD = 0
VOCABULARY = 97


def make_entry(folder, rows, trained, bins):
    """An entry of these rows (lists of ids), loss masks and packing."""

    def write(building):
        write_npy(building / TOKENS, np.concatenate(rows), "i4")
        write_npy(building / LABELS, np.concatenate(trained), "?")
        write_npy(building / ROWS, np.cumsum([0, *map(len, rows)]), "i8")
        write_npy(building / SAMPLES, np.cumsum([0, *map(len, bins)]), "i8")
        write_npy(building / ROW_ORDER, np.concatenate(bins), "i8")
        return {"samples": len(bins)}

    build_entry(folder / "entry", write)
    return folder / "entry"


@pytest.fixture(scope="module")
def data():
    """Five rows (one of a single token) in samples of three, one and one rows; masks vary."""
    draw = np.random.default_rng(3)
    rows = [draw.integers(1, VOCABULARY, size) for size in (11, 7, 1, 9, 16)]
    trained = [draw.random(len(row)) < 0.6 for row in rows]
    trained[1][:] = True
    return rows, trained, [[4, 2, 0], [1], [3]]


@pytest.fixture
def dataset(tmp_path, data):
    return PackedDataset(make_entry(tmp_path, *data))


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def model(request):
    """A random Llama of two layers in fp32 that, as models do, would make a cache if not told otherwise."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, attn_implementation=request.param,
    )  # fmt: skip
    assert config.use_cache
    return LlamaForCausalLM(config).eval()


def alone(model, row):
    """The logits of a row that is the whole input."""
    return model(input_ids=torch.from_numpy(row)[None], use_cache=False).logits[0]


def outputs(model, batch):
    with torch.no_grad():
        return model(**batch["data"])


def spans(data):
    """(row, sample, begin, end) of each row in the samples."""
    rows, _, bins = data
    for sample, members in enumerate(bins):
        begin = 0
        for row in members:
            yield row, sample, begin, begin + len(rows[row])
            begin += len(rows[row])


def test_a_sample_is_its_rows_one_behind_the_other(dataset, data):
    """Tokens, restarting positions, lengths, and labels masked at the first token of each row."""
    rows, trained, _ = data
    sample = dataset[0]
    assert sample["input_ids"].tolist() == np.concatenate([rows[4], rows[2], rows[0]]).tolist()
    assert sample["position_ids"].tolist() == [*range(16), 0, *range(11)]
    assert sample["lengths"].tolist() == [16, 1, 11]
    mask = np.concatenate([trained[4], trained[2], trained[0]])
    mask[[0, 16, 17]] = False
    assert sample["labels"].tolist() == np.where(mask, sample["input_ids"], IGNORE_INDEX).tolist()
    assert all(value.dtype == torch.int64 for value in sample.values())


def test_reading_a_sample_does_not_change_the_next_reading(dataset):
    """The mask of first tokens is not written into the mapped file."""
    first = dataset[1]["labels"].tolist()
    assert dataset[1]["labels"].tolist() == first
    assert bool(dataset._labels[dataset._rows[1]])


def test_indices_behave_as_a_lists_do(dataset):
    """Negative ones count from the end, others are refused."""
    assert len(dataset) == 3
    assert torch.equal(dataset[-1]["input_ids"], dataset[2]["input_ids"])
    for index in (3, -4):
        with pytest.raises(IndexError):
            dataset[index]


def test_a_pickled_dataset_holds_no_data(dataset):
    """Loader processes map the files themselves."""
    expected = dataset[0]["input_ids"]
    raw = pickle.dumps(dataset)
    assert len(raw) < 1000
    assert torch.equal(pickle.loads(raw)[0]["input_ids"], expected)


def test_a_torn_entry_is_refused(dataset):
    """A file of another size than its manifest says is never read."""
    with open(dataset.entry_path / TOKENS, "ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="no whole prepared data"):
        PackedDataset(dataset.entry_path)


def test_a_batch_has_xtuners_shape(dataset):
    """Padding is unlabelled, and its positions go on from the last row."""
    batch = collate([dataset[0], dataset[1]], PAD)
    data = batch["data"]
    assert batch["data_samples"] is None
    assert {
        name: tuple(data[name].shape) for name in ("input_ids", "labels", "position_ids")
    } == dict.fromkeys(("input_ids", "labels", "position_ids"), (2, 28))
    assert data["input_ids"][1, 7:].eq(PAD).all()
    assert data["labels"][1, 7:].eq(IGNORE_INDEX).all()
    assert data["position_ids"][1].tolist() == list(range(28))
    assert data["attention_mask"] is None
    assert data["use_cache"] is False


@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("chosen", [[0], [0, 1, 2], [1, 2]])
def test_packed_logits_are_those_of_each_row_alone(model, dataset, data, chosen, flatten):
    """To 1e-5, packed or not, padded or not."""
    logits = outputs(model, collate([dataset[index] for index in chosen], PAD, flatten)).logits
    checked = 0
    for row, sample, begin, end in spans(data):
        if sample in chosen:
            before = sum(len(dataset[index]["input_ids"]) for index in chosen[: chosen.index(sample)])
            found = (
                logits[0, before + begin : before + end]
                if flatten
                else logits[chosen.index(sample), begin:end]
            )
            torch.testing.assert_close(found, alone(model, data[0][row]), rtol=0, atol=1e-5)
            checked += 1
    assert checked == sum(len(data[2][index]) for index in chosen)


@pytest.mark.parametrize("flatten", [False, True])
def test_packed_loss_is_the_token_mean_over_unpacked_rows(model, dataset, data, flatten):
    """To 1e-6: no label is lost, and none is predicted from another row or from padding."""
    rows, trained, _ = data
    total, count = 0.0, 0
    for tokens, mask in zip(rows, trained, strict=True):
        if mask[1:].any():
            losses = torch.nn.functional.cross_entropy(
                alone(model, tokens)[:-1], torch.from_numpy(tokens[1:]), reduction="none"
            )
            total += losses[torch.from_numpy(mask[1:])].sum().item()
            count += int(mask[1:].sum())
    loss = outputs(model, collate([dataset[index] for index in range(3)], PAD, flatten)).loss.item()
    assert abs(loss - total / count) < 1e-6


def test_changing_a_row_leaves_the_others_bit_equal(model, dataset, data):
    """Not one bit of another row's logits depends on it, whether it stands before or behind."""
    batch = collate([dataset[0], dataset[1]], PAD)
    before = outputs(model, batch).logits
    for _, sample, begin, end in spans(data):
        if sample == 2:
            continue
        changed = {**batch["data"], "input_ids": batch["data"]["input_ids"].clone()}
        changed["input_ids"][sample, begin:end] = (changed["input_ids"][sample, begin:end] + 1) % VOCABULARY
        after = outputs(model, {"data": changed}).logits
        keep = torch.ones(before.shape[:2], dtype=torch.bool)
        keep[sample, begin:end] = False
        # What padding computes is nobody's; it follows the last row of its sample.
        keep[1, 7:] = False
        assert torch.equal(after[keep], before[keep])
        assert not torch.equal(after[~keep], before[~keep])


def test_padding_tokens_change_nothing(model, dataset):
    """Another pad token gives the same loss to the last bit."""
    losses = [outputs(model, collate([dataset[0], dataset[1]], pad)).loss for pad in (PAD, 5)]
    assert torch.equal(losses[0], losses[1])


@pytest.mark.parametrize("broken", [{"use_cache": True}, {"attention_mask": torch.ones(1, 28)}])
def test_a_cache_or_a_2d_mask_would_let_rows_see_each_other(model, dataset, data, broken):
    """Why `collate` states both: with either one transformers no longer looks at the positions."""
    batch = collate([dataset[0]], PAD)
    leaking = outputs(model, {"data": {**batch["data"], **broken}}).logits[0, 17:]
    assert (leaking - alone(model, data[0][0])).abs().max() > 1e-3
