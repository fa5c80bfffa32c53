"""Cosine similarities that may be compared: float64, checked, and rounded so that equal things tie.

In bfloat16 the embeddings of a narrow cone tie by the hundred, and a matrix product may give two equal rows scores that differ in the last
bit, by the place they have in the matrix. Both decide ranks. So embeddings are normalised and multiplied in float64, and scores are
rounded to 2⁻⁴⁰ ≈ 10⁻¹²: far below what a float32 embedding resolves, far above float64's rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.errors import DataError

GRID = 2.0**40


def finite_rows(name: str, value: Tensor) -> Tensor:
    """`value (N, …)` in float64, detached.

    Raises:
        DataError: a row holds NaN or infinity.
    """
    finite = value.isfinite()
    bad = (~(finite.flatten(1).all(dim=1) if value.ndim > 1 else finite)).nonzero().flatten().tolist()
    if bad:
        raise DataError(
            f"{name}: {len(bad)} of {len(value)} rows are not finite (first: row {bad[0]})",
            "the model has diverged or its input is damaged; a metric of such values would be meaningless",
        )
    return value.detach().double()


def unit_rows(name: str, value: Tensor) -> Tensor:
    """`value (…, E)` in float64, each vector divided by its norm.

    Raises:
        DataError: a vector is zero or not finite.
    """
    value = finite_rows(name, value)
    norm = value.norm(dim=-1, keepdim=True)
    if bool((norm == 0).any()):
        raise DataError(f"{name}: {int((norm == 0).sum())} vectors are zero and have no direction", "the model that made them is broken")
    return value / norm


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """`(A, E)` and `(B, E)` unit rows in float64 → `(A, B)` similarities on the grid."""
    return on_grid(left @ right.T)


def on_grid(score: Tensor) -> Tensor:
    """Scores rounded so that equal things tie, however their last bits came about."""
    return torch.round(score * GRID) / GRID
