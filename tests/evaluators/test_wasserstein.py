import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from elsa_lightning.evaluators import EVALUATORS
from elsa_lightning.evaluators.wasserstein import distances, permuted
from elsa_lightning.metrics.transport import euclidean, transport_cost, wasserstein
from elsa_lightning.schema import WassersteinConfig

CFG = WassersteinConfig(per_cluster=20, splits=2, permutations=19)


def sphere(count, shift, seed, width=24):
    points = np.random.default_rng(seed).normal(size=(count, width)) / math.sqrt(width)
    points[:, 0] += shift
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_hand_worked():
    left, right = [[0.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [2.0, 3.0]]
    assert wasserstein(left, right) == pytest.approx((2.0, math.sqrt(5)))
    assert wasserstein([[0.0]], [[1.0], [3.0]]) == pytest.approx((2.0, math.sqrt(5)))
    assert wasserstein(left, left) == (0, 0)


@pytest.mark.parametrize("count", [3, 40])
def test_equal_counts_are_an_assignment(count):
    left, right = sphere(count, 0.0, 1), sphere(count, 0.7, 2)
    cost = euclidean(left, right)
    w1, w2 = cost[linear_sum_assignment(cost)].mean(), math.sqrt((cost**2)[linear_sum_assignment(cost**2)].mean())
    assert wasserstein(left, right) == pytest.approx((w1, w2), abs=1e-6)
    assert wasserstein(right, left) == pytest.approx((w1, w2), abs=1e-6)


def test_unequal_counts_on_a_line():
    rng = np.random.default_rng(5)
    left, right = rng.normal(size=(7, 1)), rng.normal(size=(12, 1))
    assert transport_cost(euclidean(left, right)) == pytest.approx(wasserstein_distance(left[:, 0], right[:, 0]), abs=1e-9)


def test_one_distribution_is_at_the_floor_and_two_are_beyond_it():
    clusters = [sphere(40, 0.0, 1), sphere(90, 0.0, 2), sphere(60, 1.5, 3)]
    found = distances(clusters, CFG, seed=0)
    assert found.n == 20 and np.allclose(found.w1, found.w1.T) and np.allclose(found.p[0, 1], found.p[1, 0])
    floor = found.w1.diagonal()
    assert abs(found.w1[0, 1] - floor[:2].mean()) < 0.1 * floor[0] and floor.min() > 0.5  # no bare figure means anything
    assert found.p[0, 1] > 0.05 and found.p[0, 2] == found.p[1, 2] == 1 / 20
    assert found.interval[0, 2, 1] < found.w1[0, 2] and found.interval[0, 1, 0] * 0.9 < found.w1[0, 1] < found.interval[0, 1, 1] * 1.1
    assert np.isnan(found.p.diagonal()).all()
    again = distances(clusters, CFG, seed=0)
    assert np.array_equal(found.w1, again.w1) and np.array_equal(found.interval, again.interval, equal_nan=True)
    assert not np.array_equal(found.w1, distances(clusters, CFG, seed=1).w1)


def test_the_largest_set_is_half_of_the_smallest_cluster():
    clusters = [sphere(9, 0.0, 1), sphere(30, 0.0, 2)]
    assert distances(clusters, CFG, 0).n == 4
    assert distances([sphere(30, 0.0, 1)] * 2, WassersteinConfig(5, 1, 2), 0).n == 5


def test_permutations_exchange_labels():
    left = np.zeros((3, 1))
    interval, p = permuted(left, left + 1, 200, np.random.default_rng(0))
    assert interval.tolist() == [1 / 3, 1]  # 1 of 3 stays apart in 18 of 20 exchanges, all in 2
    assert 0.05 < p < 0.2


def test_evaluator(world):
    world.evaluation.wasserstein = CFG
    found = EVALUATORS["wasserstein"](world)
    assert found.details["direction"]["labels"] == ["front", "left", "right", "back"] and found.details["direction"]["n"] == 12
    matrix, floor = torch.tensor(found.details["direction"]["distance"]), found.details["direction"]["floor"]
    assert matrix.diagonal().tolist() == pytest.approx(floor)
    assert found.metrics["direction/front_left"] == pytest.approx(matrix[0, 1].item())
    over = matrix[0, 3].item() - (floor[0] + floor[3]) / 2
    assert found.metrics["direction/front_back_over_floor"] == pytest.approx(over) and over > 0
    others = [matrix[i, j].item() for i, j in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3))]
    assert found.metrics["direction/front_back_ratio"] == pytest.approx(matrix[0, 3].item() / min(others))
    assert found.details["distance"]["interval"][0][0] is None and len(found.details["distance"]["interval"][0][1]) == 2


def test_too_small_a_cluster_says_so(world):
    world.tensors["test/distance_m"] = torch.full_like(world.tensors["test/distance_m"], 3.0)
    found = EVALUATORS["wasserstein"](world)
    assert "0 near" in found.absent["distance"] and not any(key.startswith("distance") for key in found.metrics)
