"""Distances between the clusters of audio embeddings of two words (paper, table A10), beside the floor that finite samples have."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.metrics.similarity import unit_rows
from elsa_lightning.metrics.transport import euclidean, transport_cost, wasserstein
from elsa_lightning.schema import WassersteinConfig
from elsa_lightning.seeding import rng_of

CLUSTERS = ("direction", "distance")


@dataclass(frozen=True)
class Distances:
    """Between C clusters, `(C, C)` each; diagonals are the floors, those of `interval` and `p` NaN.

    Attributes:
        n: points of each set.
        w1, w2: distances, means over splits.
        interval: `(C, C, 2)`, 95 % of W1 where the two clusters' labels are exchanged at random.
        p: share of these at least as far as the clusters of the first split are (both counting it once).
    """

    n: int
    w1: np.ndarray
    w2: np.ndarray
    interval: np.ndarray
    p: np.ndarray


def evaluate(embedded: Embedded) -> Found:
    """W1 between every two directions and between near and far."""
    found, audio = Found(), unit_rows("audio embeddings", embedded.tensors["test/audio"]).cpu().numpy()
    for name in CLUSTERS:
        labels, words = embedded.words(name, "test").numpy(), ATTRIBUTES[name]
        clusters = [audio[labels == i] for i in range(len(words))]
        small = [f"{len(cluster)} {word}" for word, cluster in zip(words, clusters, strict=True) if len(cluster) < 4]
        if small:
            found.absent[name] = f"a cluster needs 4 clips to be halved, and there are {' and '.join(small)}"
            continue
        result = distances(clusters, embedded.evaluation.wasserstein, embedded.seed("wasserstein", name))
        _report(found, name, words, result)
    return found


def distances(clusters: list[np.ndarray], cfg: WassersteinConfig, seed: int) -> Distances:
    """Distances between clusters of points `(n_i, E)`, at least 4 in each.

    Every set has the same number of points, half of the smallest cluster (at most `per_cluster`), since a cluster's floor takes two
    disjoint sets of it.
    """
    rng = rng_of("transport", seed)
    n, count = min(cfg.per_cluster, min(len(cluster) for cluster in clusters) // 2), len(clusters)
    first, total = None, np.zeros((2, count, count))
    for _ in range(cfg.splits):
        halves = [cluster[rng.permutation(len(cluster))[: 2 * n]].reshape(2, n, -1) for cluster in clusters]
        for i in range(count):
            total[:, i, i] += wasserstein(halves[i][0], halves[i][1])
        for i, j in combinations(range(count), 2):
            total[:, i, j] += wasserstein(halves[i][0], halves[j][0])
        first = first or halves
    w1, w2 = np.triu(total, 1) + np.triu(total, 0).transpose(0, 2, 1)
    interval, p = np.full((count, count, 2), np.nan), np.full((count, count), np.nan)
    for i, j in combinations(range(count), 2):
        interval[i, j], p[i, j] = permuted(first[i][0], first[j][0], cfg.permutations, rng)
        interval[j, i], p[j, i] = interval[i, j], p[i, j]
    return Distances(n, w1 / cfg.splits, w2 / cfg.splits, interval, p)


def permuted(left: np.ndarray, right: np.ndarray, permutations: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """95 % of W1 between random halves of two sets `(n, E)` together, and the p-value of the sets as they are."""
    n, points = len(left), np.concatenate([left, right])
    between = euclidean(points, points)  # (2n, 2n)
    observed = transport_cost(between[:n, n:])
    values = []
    for _ in range(permutations):
        order = rng.permutation(2 * n)
        values.append(transport_cost(between[np.ix_(order[:n], order[n:])]))
    farther = sum(value >= observed - 1e-12 for value in values)
    return np.percentile(values, [2.5, 97.5]), (1 + farther) / (1 + permutations)


def _report(found: Found, name: str, words: tuple[str, ...], result: Distances) -> None:
    floor = result.w1.diagonal()
    found.metrics |= {f"{name}/{word}_floor": float(value) for word, value in zip(words, floor, strict=True)}
    for i, j in combinations(range(len(words)), 2):
        key = f"{name}/{words[i]}_{words[j]}"
        found.metrics[key] = float(result.w1[i, j])
        found.metrics[f"{key}_over_floor"] = float(result.w1[i, j] - (floor[i] + floor[j]) / 2)
        found.metrics[f"{key}_p"] = float(result.p[i, j])
    if name == "direction":
        pairs = {frozenset((words[i], words[j])): result.w1[i, j] for i, j in combinations(range(len(words)), 2)}
        front_back = pairs.pop(frozenset(("front", "back")))
        if (nearest := min(pairs.values())) > 0:
            found.metrics[f"{name}/front_back_ratio"] = float(front_back / nearest)
        else:
            found.absent[f"{name}/front_back_ratio"] = "two other directions' embeddings are the same"
    found.metrics[f"{name}/n"] = float(result.n)
    found.details[name] = {
        "labels": list(words),
        "n": result.n,
        "distance": result.w1.tolist(),
        "distance_w2": result.w2.tolist(),
        "floor": floor.tolist(),
        "floor_w2": result.w2.diagonal().tolist(),
        "interval": _no_nan(result.interval.tolist()),
        "p": _no_nan(result.p.tolist()),
    }


def _no_nan(values: Any) -> Any:
    """Nested lists with None for NaN; an interval of NaNs becomes one None."""
    if isinstance(values, list):
        inner = [_no_nan(value) for value in values]
        return None if inner == [None, None] and not isinstance(values[0], list) else inner
    return None if values != values else values
