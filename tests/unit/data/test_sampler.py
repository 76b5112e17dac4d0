"""The sampler: complete, disjoint, and resumable anywhere."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.data.sampler import EpochSampler

sizes = st.integers(1, 60)
worlds = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


@given(num_samples=sizes, world=worlds, seed=seeds, epoch=st.integers(0, 3), shuffle=st.booleans())
def test_shards_are_complete_and_disjoint_up_to_padding(num_samples, world, seed, epoch, shuffle):
    """One epoch of all ranks has every sample once, and as many again as even shards need."""
    shards = [EpochSampler(num_samples, rank, world, seed, shuffle) for rank in range(world)]
    drawn = [index for shard in shards for index in shard.epoch(epoch).tolist()]
    assert set(drawn) == set(range(num_samples))
    assert len(drawn) == -(-num_samples // world) * world
    if num_samples >= world:
        assert len(drawn) - num_samples < world
        assert max(drawn.count(index) for index in drawn) <= 2
    assert len({len(shard) for shard in shards}) == 1


@given(num_samples=sizes, world=worlds, seed=seeds, start=st.integers(0, 200), shuffle=st.booleans())
def test_starting_at_k_is_skipping_k(num_samples, world, seed, start, shuffle):
    """A resumed rank goes on exactly where it stopped, across epochs."""
    whole = EpochSampler(num_samples, world - 1, world, seed, shuffle)
    later = EpochSampler(num_samples, world - 1, world, seed, shuffle, start)
    assert list(islice(later, 70)) == list(islice(whole, start, start + 70))


@given(num_samples=sizes, seed=seeds)
def test_unshuffled_epochs_are_in_order(num_samples, seed):
    """Without shuffle the data's own order repeats."""
    stream = EpochSampler(num_samples, 0, 1, seed, shuffle=False)
    assert list(islice(stream, 2 * num_samples)) == list(range(num_samples)) * 2


def test_epochs_and_seeds_differ():
    """Each epoch is another permutation, and so is each seed."""
    first = EpochSampler(50, 0, 1, 7, True)
    assert first.epoch(0).tolist() != first.epoch(1).tolist()
    assert first.epoch(0).tolist() != EpochSampler(50, 0, 1, 8, True).epoch(0).tolist()


def test_a_far_start_costs_nothing():
    """Resuming does not iterate over what was consumed."""
    assert next(iter(EpochSampler(1000, 0, 1, 0, True, start=10**12))) >= 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((0, 0, 1, 0, True), "no samples"),
        ((5, 2, 2, 0, True), "rank 2"),
        ((5, 0, 1, 0, True, -1), "negative"),
        ((3, 0, 4, 0, True, 0, "intern_repo"), "3 samples are fewer than 4 ranks"),
    ],
)
def test_impossible_arguments_are_refused(arguments, reason):
    """A wrong rank would train on nothing, or on another's data."""
    with pytest.raises(ValueError, match=reason):
        EpochSampler(*arguments)


@pytest.mark.parametrize("shuffle", [True, False])
def test_internevos_order_is_xtuners(stock, monkeypatch, shuffle):
    """Every rank of every epoch, whatever the seed; what does not go round is left out."""
    module = stock.samplers.intern_repo
    monkeypatch.setattr(module, "get_data_parallel_world_size", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(module, "get_data_parallel_rank", lambda rank=rank: rank)
        theirs = stock.samplers.InternRepoSampler(range(17), shuffle)
        ours = EpochSampler(17, rank, 3, seed=9, shuffle=shuffle, order="intern_repo")
        assert len(ours) == len(theirs) == 5
        for epoch in (0, 1, 2):
            theirs.set_epoch(epoch)
            assert ours.epoch(epoch).tolist() == list(theirs)
        assert list(islice(ours, 12))[5:10] == ours.epoch(1).tolist()
