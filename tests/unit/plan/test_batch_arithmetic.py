"""Samples to steps: nothing left over, nothing counted twice."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.config.compose import compose
from ftcore.plan.batch import batch, duration

BASE = compose(["hardware=cuda", "parallelism=ddp", "model.attention=flash_attention_2"]).experiment
SMALL = st.integers(1, 9)


def experiment(nodes=1, devices=1, sequence_parallel=1, micro=1, accumulation=1, epochs=1.0, max_steps=None):
    """BASE with other numbers, unchecked."""
    return BASE.model_copy(
        update={
            "nodes": nodes,
            "epochs": epochs,
            "max_steps": max_steps,
            "hardware": BASE.hardware.model_copy(update={"devices_per_node": devices * sequence_parallel}),
            "parallelism": BASE.parallelism.model_copy(update={"sequence_parallel": sequence_parallel}),
            "data": BASE.data.model_copy(update={"micro_batch_size": micro}),
            "optim": BASE.optim.model_copy(update={"gradient_accumulation": accumulation}),
        }
    )


EXPERIMENTS = st.builds(
    experiment, nodes=SMALL, devices=SMALL, sequence_parallel=st.sampled_from([1, 2, 4]), micro=SMALL,
    accumulation=SMALL, epochs=st.integers(1, 5).map(float),
)  # fmt: skip


@given(EXPERIMENTS, st.integers(1, 10**6))
def test_covers_all_samples(e, samples):
    """The steps of whole epochs take every sample as often as there are epochs, and less than a step more."""
    b, d = batch(e), duration(e, samples)
    padded = d.iterations_per_epoch * b.micro_batch * b.data_parallel
    assert 0 <= padded - samples < b.micro_batch * b.data_parallel
    seen = d.steps * b.samples_per_step
    assert e.epochs * samples <= seen < e.epochs * padded + b.samples_per_step


@given(EXPERIMENTS, st.integers(1, 10**6))
def test_whole_steps(e, samples):
    """There is at least one step, and iterations are whole steps of the accumulation."""
    d = duration(e, samples)
    assert d.steps >= 1
    assert d.iterations == d.steps * batch(e).accumulation


@given(EXPERIMENTS)
def test_sequence_parallel_keeps_the_batch(e):
    """Ranks that share a sequence accumulate so much longer that a step has as many samples as without."""
    b = batch(e)
    assert b.samples_per_step == e.world_size * b.micro_batch * e.optim.gradient_accumulation
    assert b.world_size == b.data_parallel * e.parallelism.sequence_parallel


@given(EXPERIMENTS, st.integers(1, 1000), st.integers(1, 1000))
def test_max_steps_wins(e, steps, samples):
    """max_steps is the number of steps, whatever the data and the epochs."""
    assert duration(e.model_copy(update={"max_steps": steps}), samples).steps == steps


@given(st.integers(1, 50), st.integers(1, 1000))
def test_fractions_of_an_epoch(tenths, samples):
    """Tenths of an epoch are exact: floating point adds no step."""
    expected = max(1, math.ceil(tenths * samples / 10))
    exact = -(-tenths * samples // 10)
    assert duration(experiment(epochs=tenths / 10), samples).steps == max(1, exact) == expected


@pytest.mark.parametrize(
    ("samples", "epochs", "steps"), [(10, 1.1, 11), (1, 0.001, 1), (100, 0.5, 50), (3, 0.1, 1), (7, 3.0, 21)]
)
def test_known_numbers(samples, epochs, steps):
    """Small cases worked out by hand."""
    assert duration(experiment(epochs=epochs), samples).steps == steps
