"""When things happen in a clip: regular, scattered and grouped events, slowly wandering curves. None depends on the sample rate."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio


def regular(draw: Draw, seconds: float, interval_s: float, spread: float = 0.0) -> np.ndarray:
    """Times of a steady beat over `seconds`, each moved by up to `spread` of the interval."""
    start = draw.rng.uniform(0.02, 0.02 + min(interval_s, 0.5, seconds / 2))
    times = np.arange(start, seconds, interval_s)
    return times + spread * interval_s * draw.rng.uniform(-0.5, 0.5, len(times))


def scattered(draw: Draw, seconds: float, per_second: float) -> np.ndarray:
    """Times of independent events at a mean rate, one in each equal cell so that no long hole remains."""
    n = max(round(seconds * per_second), 1)
    return (np.arange(n) + draw.rng.random(n)) * seconds / n


def groups(draw: Draw, seconds: float, length_s: float, gap_s: float = 0.9) -> np.ndarray:
    """Start times of whole repetitions of something `length_s` long, with gaps of about `gap_s` and never much more.

    A clip that is too short for one repetition gets one, from its start.
    """
    lead, gap_s = draw.rng.uniform(0.02, 0.15), gap_s * draw.rng.uniform(0.85, 1.15)
    room = seconds - lead - length_s - 0.05
    if room <= 0:
        return np.array([0.0])
    n = max(1 + round(room / (length_s + gap_s) - 0.2), 2 if room > length_s + 0.5 * gap_s else 1)
    if n == 1:
        return np.array([lead + room * draw.rng.uniform(0.2, 0.6)])
    stride = min(room / (n - 1), length_s + 1.5 * gap_s)
    return lead + (room - stride * (n - 1)) * draw.rng.random() + stride * np.arange(n)


def wander(draw: Draw, studio: Studio, hz: float, low: float, high: float) -> np.ndarray:
    """Slow random curve (n,) between `low` and `high`, with about `hz` turns a second."""
    points = max(round(studio.seconds * 2 * hz), 2) + 1
    values = draw.rng.uniform(low, high, points)
    return np.interp(studio.time(), np.linspace(0, studio.seconds, points), values)
