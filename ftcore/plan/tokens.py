"""Tokens of a mean micro batch, from what is known of the data."""

from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.parts import Parts
from ftcore.plan.work import Micro


def micro(e: Experiment, p: Parts, data: dict[str, Any]) -> Micro:
    """Of one rank, in the mean over the data (`ftcore.plan.data.data_of`); with unknown data sequences are
    full and every token is labelled, which is the most there can be.

    Samples stand one behind the other where any of ftcore's parts trains, and elsewhere are padded to the
    longest of the micro batch: the largest of k lengths is put at the mean times 1 + 1/2 + ... + 1/k, as it
    is for exponentially spread ones, and at the longest at most. Squares take the rows for alike, which is
    the least there can be.
    """
    count, shared = e.data.micro_batch_size, e.parallelism.sequence_parallel
    samples, rows, tokens = data["samples"], data["rows"], data["tokens"]
    if not samples or not rows or not tokens:
        sample = row = float(e.max_length)
    else:
        sample = min(float(e.max_length), tokens / samples)
        row = min(sample, tokens / rows)
    labelled_share = 1.0 if data["labelled_share"] is None else data["labelled_share"]
    padded = sample
    if not p.flat:
        longest = data["longest"] or e.max_length
        padded = max(sample, min(float(longest), sample * sum(1 / n for n in range(1, count + 1))))
    computed = count * padded
    if p.masked:
        squares = computed**2 if p.flat else count * padded**2
    elif e.data.packing:
        squares = count * sample * row
    else:
        squares = count * padded**2
    labelled = count * sample * labelled_share if p.loss else computed
    return Micro(computed / shared, squares / shared, labelled / shared)


def trained_tokens(e: Experiment, data: dict[str, Any]) -> float:
    """Real tokens of a micro batch on a rank."""
    if not data["samples"] or not data["tokens"]:
        return e.max_length * e.data.micro_batch_size / e.parallelism.sequence_parallel
    mean = data["tokens"] / data["samples"]
    return mean * e.data.micro_batch_size / e.parallelism.sequence_parallel
