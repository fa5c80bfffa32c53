"""How well measured directions and levels agree with what a convention predicts. NumPy only.

Direction errors are taken as von Mises–Fisher noise about the prediction, mixed with `OUTLIERS` of directions that mean nothing (a wrong
label, a reflection louder than the direct sound); the unknown spread is averaged over `SPREADS_DEG`. These are such that one stretch alone
never settles a question, however well or badly it fits: its odds stay below `CLEAR`.
"""

from __future__ import annotations

import math

import numpy as np

from elsa_lightning.data.doctor.conventions import DIPOLE_GAINS

CLEAR = math.log(1000.0)
"""Natural logarithm of the odds from which one explanation is clearly better than another."""

SPREADS_DEG = (8.0, 12.0, 16.0)
OUTLIERS = 0.1

RATIO_BIAS = 0.04
"""By how much a microphone's dipoles may be off their nominal level, natural logarithm (0.35 dB)."""

RATIO_OUTSIDE = math.log(1.3)
"""A level further than this from every normalisation is none of them."""

_RATIO_SPREAD = 0.1  # expected scatter of ln ratio between stretches, worth _PRIOR stretches
_PRIOR = 3


def angles_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Great-circle angles, rad, between unit vectors (…, 3): exact for small and for opposite ones."""
    return 2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))


def direction_evidence(errors: np.ndarray) -> np.ndarray:
    """Logarithm of the probability of these errors over that of directions drawn at random.

    Args:
        errors: (C, N) rad, of N stretches under C conventions.

    Returns:
        (C,) natural logarithms.
    """
    kappa = 1 / np.deg2rad(np.array(SPREADS_DEG))[:, None, None] ** 2  # (S, 1, 1)
    peak = 2 * kappa / -np.expm1(-2 * kappa)
    density = (1 - OUTLIERS) * peak * np.exp(kappa * (np.cos(errors) - 1)) + OUTLIERS  # (S, C, N), 1 = uniform on the sphere
    total = np.log(density).sum(axis=-1)  # (S, C)
    top = total.max(axis=0)
    return top + np.log(np.exp(total - top).mean(axis=0))


def typical_ratio(ratios: np.ndarray) -> tuple[float, float]:
    """Median of ln ratio (N,) over the stretches, and its standard error from their scatter."""
    logs = np.log(ratios)
    median = float(np.median(logs))
    scatter = 1.4826 * float(np.median(np.abs(logs - median)))  # of a normal distribution, from the median deviation
    scatter = (scatter * len(logs) + _RATIO_SPREAD * _PRIOR) / (len(logs) + _PRIOR)
    return median, 1.2533 * scatter / math.sqrt(len(logs))  # √(π/2): a median's error over a mean's


def fitting_normalisations(median: float, error: float) -> tuple[str, ...]:
    """Those that the level of the dipoles does not speak clearly against, likeliest first; none if it is far from all.

    Args:
        median: of ln ratio.
        error: its standard error.
    """
    misses = {name: abs(median - math.log(gain)) for name, gain in DIPOLE_GAINS.items()}
    best = min(misses.values())
    if best > RATIO_OUTSIDE + 3 * error:
        return ()
    spread = 2 * (error**2 + RATIO_BIAS**2)
    fitting = [name for name, miss in misses.items() if (miss**2 - best**2) / spread < CLEAR]
    return tuple(sorted(fitting, key=misses.get))


def left_over_turn(seen: np.ndarray, labelled: np.ndarray) -> tuple[float, np.ndarray]:
    """By how much the recordings must be turned to lie nearest to their labels.

    Args:
        seen: (N, 3) unit vectors in the labels' frame.
        labelled: (N, 3) unit vectors.

    Returns:
        The angle about z from x to y, rad, and the errors (N,) that then remain, rad.
    """
    across = (seen[:, 0] * labelled[:, 1] - seen[:, 1] * labelled[:, 0]).sum()
    along = (seen[:, 0] * labelled[:, 0] + seen[:, 1] * labelled[:, 1]).sum()
    angle = math.atan2(across, along)
    cos, sin = math.cos(angle), math.sin(angle)
    turned = seen @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return angle, angles_between(turned, labelled)


def channel_gains(measured: np.ndarray, predicted: np.ndarray) -> tuple[float | None, ...]:
    """Gain of each dipole channel relative to W: least-squares slope of what was measured over what the labels predict.

    Args:
        measured: (N, 3) direction × ratio, by channel.
        predicted: (N, 3) unit vectors, by channel.

    Returns:
        Three gains; None where the labels hardly excite the channel.
    """
    power = (predicted**2).mean(axis=0)
    slopes = (measured * predicted).mean(axis=0) / np.maximum(power, 1e-12)
    return tuple(float(slope) if p > 0.05 else None for slope, p in zip(slopes, power, strict=True))
