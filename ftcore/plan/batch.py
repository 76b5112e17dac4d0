"""Batch and step arithmetic; one place for the numbers that plan prints and training uses."""

import math
from dataclasses import dataclass

from ftcore.config.schema import Experiment


@dataclass(frozen=True, slots=True)
class Batch:
    """How samples become steps.

    An iteration is one forward and backward pass of a micro batch on every rank; a step is an update of the
    weights, after `accumulation` iterations.
    """

    world_size: int
    data_parallel: int
    micro_batch: int
    accumulation: int

    @property
    def samples_per_step(self) -> int:
        """Sequences that decide one update (the global batch)."""
        return self.micro_batch * self.data_parallel * self.accumulation


@dataclass(frozen=True, slots=True)
class Duration:
    """Training length in steps and iterations."""

    steps: int
    iterations: int
    iterations_per_epoch: int


def batch(e: Experiment) -> Batch:
    """The batch of `e`. Under sequence parallel a rank has a part of a sequence, so accumulation grows
    by as much as the number of sequences at once shrinks (XTuner's rule)."""
    accumulation = e.optim.gradient_accumulation * e.parallelism.sequence_parallel
    return Batch(e.world_size, e.data_parallel_size, e.data.micro_batch_size, accumulation)


def duration(e: Experiment, samples: int) -> Duration:
    """Steps for `samples` sequences an epoch; at least one. The last step is filled from the next epoch."""
    b = batch(e)
    # InternEvo's order is cut to what the ranks share evenly; the other is lengthened by its own beginning.
    each = samples // b.data_parallel if e.data.sampler == "intern_repo" else -(-samples // b.data_parallel)
    per_epoch = math.ceil(each / b.micro_batch)
    # 1.1 * 10 is 11.000000000000002 in floating point: without rounding, that would be a twelfth iteration.
    iterations = round(e.epochs * per_epoch, 6)
    steps = e.max_steps or max(1, math.ceil(iterations / b.accumulation))
    return Duration(steps, steps * b.accumulation, per_epoch)
