"""Bootstrap intervals of every headline metric that the other evaluators kept scores of."""

from __future__ import annotations

from collections.abc import Mapping

from elsa_lightning.bootstrap import Scores, interval
from elsa_lightning.seeding import seed_of

SEED = seed_of("bootstrap over clips")
"""The same for all runs: each draws the same clips, so that rows may be compared."""


def intervals(scores: Mapping[str, Scores], resamples: int, level: float) -> dict[str, list[float]]:
    """Metric key → [low, high]."""
    return {key: list(interval(one, resamples, level, SEED)) for key, one in scores.items()}
