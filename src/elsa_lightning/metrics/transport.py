"""Wasserstein distances between sets of embeddings, exact, by POT's network simplex.

The ground metric is the Euclidean distance. In hundreds of dimensions two samples of n points of *one* distribution are far apart, and the
distance falls slowly with n (Fournier and Guillin, 2015): figures compare for equal n only, and mean something only beside that floor.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def wasserstein(left: ArrayLike, right: ArrayLike) -> tuple[float, float]:
    """W1 and W2 between two sets of points `(n, E)` and `(m, E)` of equal weights.

    W1 = min Σ π_ij d_ij and W2 = √(min Σ π_ij d_ij²) over couplings π of the uniform distributions.
    """
    distance = euclidean(left, right)
    return transport_cost(distance), math.sqrt(transport_cost(distance**2))


def transport_cost(cost: np.ndarray) -> float:
    """Least cost of moving uniform weights over `cost (n, m)`."""
    from ot import emd2

    rows, columns = (np.full(size, 1 / size) for size in cost.shape)
    return max(0.0, float(emd2(rows, columns, np.ascontiguousarray(cost), numItermax=1_000_000)))


def euclidean(left: ArrayLike, right: ArrayLike) -> np.ndarray:
    """`(n, m)` distances, float64."""
    from scipy.spatial.distance import cdist

    return cdist(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))
