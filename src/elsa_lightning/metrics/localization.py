"""Where the model says the sound is, against where it was.

**Conventions.** Directions are vectors x front, y left, z up. The error is the mean *great-circle angle* in degrees (90° for random
directions); not the mean chord converted to an angle, which flatters long tails. Azimuth and elevation errors stand beside it; azimuth
wraps, and means little near the poles. Distance is judged against a constant guess: the median of the test targets, the best there is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.metrics.similarity import finite_rows, unit_rows


def great_circle_deg(a: Tensor, b: Tensor) -> Tensor:
    """Angle between directions `(…, 3)` and `(…, 3)`, degrees in [0, 180], float64; lengths do not matter.

    atan2(|a × b|, a · b): exact to 1e-6° at 0 and 180, where acos(a · b) loses 0.04° in float32 and 7° in bfloat16.
    """
    a, b = torch.broadcast_tensors(a.double(), b.double())
    return torch.rad2deg(torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(dim=-1)))


def localization_metrics(
    direction: Tensor, target_direction: Tensor, distance_m: Tensor | None = None, target_distance_m: Tensor | None = None
) -> dict[str, float]:
    """Errors of direction and, if given, of distance.

    Args:
        direction: `(N, 3)`, of any length but zero.
        target_direction: likewise.
        distance_m: `(N,)`, m.
        target_distance_m: likewise.

    Returns:
        `doa_mae_deg`, `doa_median_deg`, `azimuth_mae_deg`, `elevation_mae_deg`, `n`; with distances also `distance_mae_m`,
        `distance_constant_mae_m` (of the targets' median) and their quotient `distance_ratio`. All NaN but `n` where N is 0.

    Raises:
        DataError: values that are not finite, directions of length zero.
    """
    errors = direction_errors(direction, target_direction)
    angle = errors["doa"]
    metrics = {
        "doa_mae_deg": angle.mean().item(),
        "doa_median_deg": _median(angle).item(),
        "azimuth_mae_deg": errors["azimuth"].mean().item(),
        "elevation_mae_deg": errors["elevation"].mean().item(),
        "n": float(len(angle)),
    }
    if distance_m is None or target_distance_m is None:
        return metrics
    if len(distance_m) != len(angle):
        raise ValueError(f"{len(angle)} directions but {len(distance_m)} distances")
    return metrics | distance_metrics(distance_m, target_distance_m.to(distance_m.device))


def direction_errors(direction: Tensor, target_direction: Tensor) -> dict[str, Tensor]:
    """Great-circle angle `doa` and absolute differences of `azimuth` and `elevation` of each pair, `(N,)` degrees, float64.

    Arguments and errors as in `localization_metrics`.
    """
    if direction.ndim != 2 or direction.shape[1] != 3 or direction.shape != target_direction.shape:
        raise ValueError(f"directions must both be (N, 3), not {tuple(direction.shape)} and {tuple(target_direction.shape)}")
    found, true = unit_rows("predicted directions", direction), unit_rows("target directions", target_direction.to(direction.device))
    (azimuth, elevation), (true_azimuth, true_elevation) = angles_deg(found), angles_deg(true)
    return {
        "doa": great_circle_deg(found, true),
        "azimuth": (torch.remainder(azimuth - true_azimuth + 180, 360) - 180).abs(),
        "elevation": (elevation - true_elevation).abs(),
    }


def distance_metrics(distance_m: Tensor, target_m: Tensor) -> dict[str, float]:
    """The errors of distance alone, `(N,)` each, m; see `localization_metrics`."""
    if distance_m.ndim != 1 or distance_m.shape != target_m.shape:
        raise ValueError(f"distances must both be (N,), not {tuple(distance_m.shape)} and {tuple(target_m.shape)}")
    found, true = finite_rows("predicted distances", distance_m), finite_rows("target distances", target_m)
    error, constant = (found - true).abs().mean().item(), (true - _median(true)).abs().mean().item()
    return {"distance_mae_m": error, "distance_constant_mae_m": constant, "distance_ratio": error / constant if constant > 0 else math.nan}


def angles_deg(direction: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth (+90° left) and elevation of `(N, 3)`, degrees."""
    x, y, z = direction.unbind(dim=-1)
    return torch.rad2deg(torch.atan2(y, x)), torch.rad2deg(torch.atan2(z, torch.hypot(x, y)))


def _median(value: Tensor) -> Tensor:
    """The middle value, or the mean of the two middle ones; NaN of nothing. (torch.median takes the lower one.)"""
    return value.quantile(0.5) if len(value) else value.new_tensor(math.nan)
