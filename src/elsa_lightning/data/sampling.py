"""Which examples make up which batch: a function of (seed, step), so that ranks, workers and interruptions cannot change it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.seeding import rng_of


class KeyedBatchSampler(Sampler):
    """Training batches: the permutations of all epochs, one after the other, cut into batches.

    A batch may begin in one epoch and end in the next, so every step is full. Each rank gets a contiguous part of each batch: the parts in
    the order of ranks are the single process's batch. With `group`, runs of that many neighbouring items (a clip's versions are neighbours)
    stay together and the runs are permuted.

    Args:
        n_items: items per epoch.
        batch_size: examples per step over all ranks.
        seed: of the permutations.
        rank: of this process.
        world: number of processes.
        total_steps: steps of the whole training.
        start_step: steps already done; iteration begins there.
        group: neighbouring items that stay together.

    Raises:
        DataError: no items.
        ConfigError: a batch that cannot be divided among the ranks.
    """

    def __init__(
        self,
        n_items: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        total_steps: int = 1,
        start_step: int = 0,
        group: int = 1,
    ) -> None:
        if n_items < 1:
            raise DataError("the training split has no clips", "check the corpus' folds or splits (`elsa data summary`)")
        if batch_size < 1 or batch_size % world:
            raise ConfigError(f"trainer.batch_size {batch_size} cannot be divided among {world} devices", f"use a multiple of {world}")
        self.n_items, self.batch_size, self.seed = n_items, batch_size, seed
        self.rank, self.world = rank, world
        self.total_steps, self.start_step = total_steps, start_step
        self.group = group
        self._order = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        """Steps of the whole training: Lightning goes on counting where a checkpoint left off."""
        return self.total_steps

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Lists of (epoch, index), one for each remaining step."""
        share = self.batch_size // self.world
        for step in range(self.start_step, self.total_steps):
            first = step * self.batch_size + self.rank * share
            yield [self._at(position) for position in range(first, first + share)]

    def _at(self, position: int) -> tuple[int, int]:
        epoch, place = divmod(position, self.n_items)
        if self._order[0] != epoch:
            runs = rng_of("order", self.seed, epoch).permutation(-(-self.n_items // self.group))
            order = (runs[:, None] * self.group + np.arange(self.group)).ravel()  # the last run may be a short one
            self._order = (epoch, order[order < self.n_items])
        return epoch, int(self._order[1][place])


class EvaluationBatchSampler(Sampler):
    """Every item once, in order, unpadded: rank r of n takes items r, r + n, … (gather by key before scoring).

    Args:
        n_items: of the split.
        batch_size: examples per forward pass and rank.
        rank: of this process.
        world: number of processes.
    """

    def __init__(self, n_items: int, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.items = range(rank, n_items, world)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.items) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Lists of (0, index)."""
        for start in range(0, len(self.items), self.batch_size):
            yield [(0, index) for index in self.items[start : start + self.batch_size]]
