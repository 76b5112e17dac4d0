"""The order in which ranks see samples: a pure function of seed, epoch, rank and position."""

from collections.abc import Iterator

import numpy as np

from ftcore.config.xtuner.data import INTERN_SEED


class EpochSampler:
    """An endless stream of sample indices for one data-parallel rank.

    Epoch e is a permutation drawn from (seed, e), or the samples' own order without `shuffle`, lengthened
    by its own beginning to a multiple of `world_size` and dealt to the ranks in turn. Every rank of a
    sequence-parallel group passes the same rank and world size.

    order: "intern_repo" takes InternEvo's order in place of that: the seed has no part in the permutation,
    and an epoch is cut, not lengthened, to a multiple of `world_size` (xtuner.dataset.samplers).

    start: samples this rank has consumed already; the stream goes on from there at no cost.
    `len()` is the samples of one rank in one epoch.
    """

    def __init__(
        self, num_samples: int, rank: int, world_size: int, seed: int, shuffle: bool, start: int = 0,
        order: str = "default",
    ) -> None:  # fmt: skip
        if num_samples < 1:
            raise ValueError("there are no samples to draw from")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is not one of {world_size}")
        if start < 0:
            raise ValueError(f"start must not be negative, it is {start}")
        if order == "intern_repo" and num_samples < world_size:
            raise ValueError(
                f"data.sampler=intern_repo: {num_samples} samples are fewer than {world_size} ranks"
            )
        self.num_samples, self.rank, self.world_size = num_samples, rank, world_size
        self.seed, self.shuffle, self.start, self.order = seed, shuffle, start, order

    def __len__(self) -> int:
        whole = self.num_samples // self.world_size
        return whole if self.order == "intern_repo" else -(-self.num_samples // self.world_size)

    def __iter__(self) -> Iterator[int]:
        epoch, position = divmod(self.start, len(self))
        while True:
            yield from self.epoch(epoch)[position:].tolist()
            epoch, position = epoch + 1, 0

    def epoch(self, epoch: int) -> np.ndarray:
        """This rank's sample indices of one epoch, int64 of shape (len(self),)."""
        order = np.arange(self.num_samples)
        if self.shuffle and self.order == "intern_repo":
            np.random.RandomState(INTERN_SEED + epoch).shuffle(order)
        elif self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.num_samples)
        return np.resize(order, len(self) * self.world_size)[self.rank :: self.world_size]
