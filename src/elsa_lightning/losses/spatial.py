"""Regression of where a sound is: direction, distance and the room's floor area.

Examples without a place (`is_spatial` false) do not count, whatever their targets hold (NaN included); nor do, in each term by itself,
those whose target is unknown (`known`). A batch without any example that counts gives a zero that is still connected to the predictions, so
that DDP finds every parameter used. Over ranks each divides its sum by the mean number of such examples on a rank: the mean of the ranks'
losses is the joined batch's, however unevenly they fall. Every rank must call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from elsa_lightning.errors import DataError
from elsa_lightning.losses.gather import mean_over_ranks, world_size


@dataclass(frozen=True)
class TargetScale:
    """Shift and scale of a regression target: of the distance in m, or of the natural logarithm of the floor area in m²."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
            raise DataError(
                f"targets cannot be standardised by mean {self.mean:g} and standard deviation {self.std:g}",
                "use more than one training room, or set loss.<term>.standardize: false",
            )

    @classmethod
    def of(cls, values: Tensor) -> TargetScale:
        """Mean and standard deviation (of the population) of `(N,)` values, those apart that are unknown (NaN)."""
        values = torch.as_tensor(values).double()
        values = values[~values.isnan()]
        return cls(values.mean().item(), values.std(correction=0).item())

    def standardize(self, value: Tensor) -> Tensor:
        return (value - self.mean) / self.std


def known(target: Tensor, is_spatial: Tensor) -> Tensor:
    """`(B,)` bool: spatial examples whose target `(B,)` or `(B, 3)` is known, which is to say no NaN (a recording may lack any label)."""
    return is_spatial & ~(target.isnan() if target.ndim == 1 else target.isnan().any(dim=1))


def _full_precision(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Floating tensors in float32, or in float64 where they are: losses are never computed in half precision."""
    return tuple(x.to(torch.promote_types(x.dtype, torch.float32)) for x in tensors)


def _masked_mean(value: Tensor, mask: Tensor) -> Tensor:
    """Mean of `(B,)` over the true entries of `mask (B,)`, this rank's part of all ranks' mean; a connected zero where there is none."""
    count = mean_over_ranks(mask.sum().to(value.dtype))  # of a rank, on average
    return (value * mask).sum() / count.clamp(min=1 / world_size())


def _mean_square(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    pred, target = _full_precision(pred, target)
    if pred.shape != target.shape or pred.shape != mask.shape:
        shapes = f"{tuple(pred.shape)}, {tuple(target.shape)}, {tuple(mask.shape)}"
        raise ValueError(f"prediction, target and mask must all be (B,), not {shapes}")
    return _masked_mean((pred - torch.where(mask, target, 0.0)).square(), mask)


def direction_loss(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 − cosine of the angle between predicted and true direction. (Never the angle: acos has an infinite gradient at 0.)

    Args:
        pred: `(B, 3)`, unit vectors.
        target: `(B, 3)`, unit vectors from the listener towards the source.
        mask: `(B,)` bool, which examples count.

    Returns:
        Scalar between 0 and 2.
    """
    pred, target = _full_precision(pred, target)
    if pred.shape != target.shape or pred.shape != (*mask.shape, 3):
        shapes = f"{tuple(pred.shape)}, {tuple(target.shape)}, {tuple(mask.shape)}"
        raise ValueError(f"directions must be (B, 3) and mask (B,), not {shapes}")
    target = torch.where(mask[:, None], target, 0.0)  # (B, 3)
    return _masked_mean(1 - (pred * target).sum(dim=1), mask)


def angle_loss(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 − cosine of the difference of two angles: the same for angles a turn apart.

    Args:
        pred: `(B,)` radians, any number.
        target: `(B,)` radians.
        mask: `(B,)` bool, which examples count.

    Returns:
        Scalar between 0 and 2.
    """
    pred, target = _full_precision(pred, target)
    if pred.shape != target.shape or pred.shape != mask.shape:
        raise ValueError(f"angles and mask must all be (B,), not {tuple(pred.shape)}, {tuple(target.shape)}, {tuple(mask.shape)}")
    return _masked_mean(1 - (pred - torch.where(mask, target, 0.0)).cos(), mask)


def distance_loss(pred: Tensor, distance_m: Tensor, mask: Tensor, scale: TargetScale | None = None) -> Tensor:
    """Squared error of the source distance.

    Args:
        pred: `(B,)`, in units of `scale`, or metres.
        distance_m: `(B,)`, m.
        mask: `(B,)` bool, which examples count.
        scale: mean and standard deviation of distances; None: literal, m².
    """
    return _mean_square(pred, scale.standardize(distance_m) if scale else distance_m, mask)


def area_loss(pred: Tensor, floor_area_m2: Tensor, mask: Tensor, scale: TargetScale | None = None) -> Tensor:
    """Squared error of the floor area.

    Args:
        pred: `(B,)`, standardised ln(area), or square metres.
        floor_area_m2: `(B,)`, m².
        mask: `(B,)` bool, which examples count.
        scale: mean and standard deviation of ln(area / m²); None: literal, m⁴.
    """
    return _mean_square(pred, scale.standardize(floor_area_m2.log()) if scale else floor_area_m2, mask)
