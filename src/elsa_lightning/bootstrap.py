"""Bootstrap intervals over test clips, and of the difference of two runs on the same clips. NumPy alone; imports no torch.

A clip is drawn with everything that belongs to it (its spatial versions, its captions): these are not independent. A resample draws C of
the C clips with replacement; a metric of it is that of the scores, each counted as often as its clip was drawn. The interval is the
percentiles of many resamples (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). It says how much a figure hangs on
which clips were tested, and nothing about the training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elsa_lightning.errors import DataError

KINDS = ("mean", "median", "balanced")
"""How scores become a metric; `balanced` is the mean over the groups that occur of the mean in the group."""

BLOCK = 100
"""Resamples at a time; bounds memory, changes nothing."""


@dataclass(frozen=True)
class Scores:
    """The scores that a metric averages.

    Attributes:
        score: `(n,)`.
        clip: `(n,)` integers: which clip each belongs to.
        kind: one of `KINDS`.
        group: `(n,)` integers, of `balanced`.
    """

    score: np.ndarray
    clip: np.ndarray
    kind: str = "mean"
    group: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or (self.kind == "balanced") != (self.group is not None):
            raise ValueError(f"kind {self.kind} {'with' if self.group is not None else 'without'} groups")
        if any(len(part) != len(self.score) for part in (self.clip, self.group) if part is not None):
            raise ValueError("scores, clips and groups must be of one length")

    @property
    def value(self) -> float:
        """The metric."""
        clips = np.unique(self.clip)
        return float(_values(self, clips, np.ones((1, len(clips))))[0])


def interval(scores: Scores, resamples: int, level: float, seed: int) -> tuple[float, float]:
    """Percentile interval of a metric.

    Args:
        scores: at least one.
        resamples: how often the clips are drawn.
        level: share of the resamples within the interval.
        seed: of the draws.
    """
    clips = np.unique(scores.clip)
    return _percentiles(np.concatenate([_values(scores, clips, counts) for counts in _draws(len(clips), resamples, seed)]), level)


def paired_interval(left: Scores, right: Scores, resamples: int, level: float, seed: int) -> tuple[float, float, float]:
    """Difference left − right of one metric of two runs, and its interval, both drawing the same clips.

    Raises:
        DataError: the two were not tested on the same clips.
    """
    clips = np.unique(left.clip)
    if not np.array_equal(clips, np.unique(right.clip)):
        raise DataError("two runs with scores of different clips cannot be paired", "evaluate both on the same test set")
    differences = [_values(left, clips, counts) - _values(right, clips, counts) for counts in _draws(len(clips), resamples, seed)]
    return left.value - right.value, *_percentiles(np.concatenate(differences), level)


def write_scores(found: dict[str, Scores], path: Path) -> None:
    """Write `per_clip.safetensors` (docs/evaluation.md)."""
    from safetensors.numpy import save_file

    tensors = {}
    for key, scores in found.items():
        tensors[f"{key}/score"] = np.ascontiguousarray(scores.score, dtype=np.float64)
        tensors[f"{key}/clip"] = np.ascontiguousarray(scores.clip, dtype=np.int64)
        if scores.group is not None:
            tensors[f"{key}/group"] = np.ascontiguousarray(scores.group, dtype=np.int64)
    save_file(tensors, path, metadata={key: scores.kind for key, scores in found.items()})


def read_scores(path: Path) -> dict[str, Scores]:
    """Metric key → its scores, as `write_scores` wrote them."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names, kinds = set(file.keys()), file.metadata() or {}

        def part(key: str, name: str) -> np.ndarray | None:
            return file.get_tensor(f"{key}/{name}") if f"{key}/{name}" in names else None

        return {key: Scores(part(key, "score"), part(key, "clip"), kind, part(key, "group")) for key, kind in kinds.items()}


def _draws(clips: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each clip is drawn in each resample, `(≤ BLOCK, clips)`."""
    rng = np.random.default_rng(seed)
    for first in range(0, resamples, BLOCK):
        yield rng.multinomial(clips, np.full(clips, 1 / clips), size=min(BLOCK, resamples - first)).astype(np.float64)


def _values(scores: Scores, clips: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The metric of each resample `(R,)`; NaN where nothing was drawn that it counts."""
    row = np.searchsorted(clips, scores.clip)  # (n,)
    if scores.kind == "median":
        return _medians(scores.score, counts[:, row])
    groups = [np.ones(len(row), dtype=bool)] if scores.group is None else [scores.group == g for g in np.unique(scores.group)]
    means = np.stack([_means(scores.score[one], row[one], counts) for one in groups])  # (groups, R)
    drawn = ~np.isnan(means)
    with np.errstate(invalid="ignore"):
        return np.where(drawn, means, 0.0).sum(axis=0) / drawn.sum(axis=0)


def _means(score: np.ndarray, row: np.ndarray, counts: np.ndarray) -> np.ndarray:
    sums, sizes = (np.bincount(row, weight, minlength=counts.shape[1]) for weight in (score, None))
    with np.errstate(invalid="ignore"):
        return counts @ sums / (counts @ sizes)


def _medians(score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted medians `(R,)`, of weights `(R, n)`: the middle score, or the mean of the two middle ones."""
    order = np.argsort(score, kind="stable")
    heaped = np.cumsum(weights[:, order], axis=1)  # (R, n)
    half = heaped[:, -1:] / 2
    lower, upper = np.argmax(heaped >= half, axis=1), np.argmax(heaped > half, axis=1)
    return (score[order][lower] + score[order][upper]) / 2


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
