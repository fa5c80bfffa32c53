"""The sampler against the plain definition: all epochs' permutations in a row, cut into batches."""

import itertools

import pytest

from elsa_lightning.data.sampling import EvaluationBatchSampler, KeyedBatchSampler
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.seeding import rng_of


def oracle(n, batch, seed, steps):
    row = [(epoch, int(i)) for epoch in range(steps * batch // n + 1) for i in rng_of("order", seed, epoch).permutation(n)]
    return [row[step * batch : (step + 1) * batch] for step in range(steps)]


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (7, 7), (3, 8), (1, 2), (100, 6)])
def test_batches_are_the_permutations_in_a_row(n, batch):
    batches = list(KeyedBatchSampler(n, batch, 3, total_steps=11))
    assert batches == oracle(n, batch, 3, 11)
    assert all(len(b) == batch for b in batches)
    whole = [index for epoch, index in itertools.chain(*batches) if epoch == 0]
    assert sorted(whole) == list(range(n))[: len(whole)] or len(whole) < n


@pytest.mark.parametrize("world", [2, 3, 6])
def test_ranks_in_order_are_the_single_process(world):
    ranks = [list(KeyedBatchSampler(10, 6, 0, rank, world, total_steps=9)) for rank in range(world)]
    assert [list(itertools.chain(*parts)) for parts in zip(*ranks, strict=True)] == list(KeyedBatchSampler(10, 6, 0, total_steps=9))


@pytest.mark.parametrize("start", [0, 1, 5, 9, 12])
def test_resume_goes_on_exactly(start):
    whole = list(KeyedBatchSampler(10, 4, 1, total_steps=12))
    resumed = KeyedBatchSampler(10, 4, 1, total_steps=12, start_step=start)
    assert list(resumed) == whole[start:]
    assert len(resumed) == 12


def test_seeds_and_epochs_differ():
    first, second = (list(KeyedBatchSampler(50, 50, seed, total_steps=2)) for seed in (0, 1))
    assert first[0] != second[0]
    assert [i for _, i in first[0]] != [i for _, i in first[1]]


def test_refusals():
    with pytest.raises(ConfigError, match="batch_size 7 cannot be divided among 2"):
        KeyedBatchSampler(10, 7, 0, 0, 2)
    with pytest.raises(DataError, match="no clips"):
        KeyedBatchSampler(0, 7, 0)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_sees_each_item_once(world):
    ranks = [EvaluationBatchSampler(11, 4, rank, world) for rank in range(world)]
    seen = [at for sampler in ranks for batch in sampler for at in batch]
    assert sorted(seen) == [(0, i) for i in range(11)]
    assert all(len(list(sampler)) == len(sampler) for sampler in ranks)


@pytest.mark.parametrize("n_items", [12, 14])
def test_groups_of_neighbours_share_a_batch_and_every_item_comes_once(n_items):
    sampler = KeyedBatchSampler(n_items, batch_size=4, seed=0, total_steps=2 * n_items, group=4)
    drawn = [one for batch in sampler for one in batch]
    for epoch in range(4):
        order = [index for e, index in drawn if e == epoch]
        assert sorted(order) == list(range(n_items))
        assert all(b == a + 1 for a, b in itertools.pairwise(order) if a % 4 != 3 and a != n_items - 1)
    assert [i for e, i in drawn if e == 0] != [i for e, i in drawn if e == 1]
