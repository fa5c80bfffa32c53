"""Numbers → words (arXiv 2409.11369, table A3, with the ambisonic sign of azimuth: +90° is left).

A value between two words gets no word. Angles are radians, as everywhere in the code; they are compared in degrees to a thousandth, so
that a threshold survives the way through float32 radians.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from elsa_lightning.errors import DataError

INF = math.inf
DAMPENED, REVERBERANT = "acoustically dampened", "highly reverberant"


@dataclass(frozen=True)
class Interval:
    """A word and the interval of values it names.

    Args:
        word: as in the paper's table.
        low: lower end.
        high: upper end.
        closed: whether the ends belong to the word ("≤" in the table) or not ("<").
    """

    word: str
    low: float
    high: float
    closed: bool


RULES: dict[str, tuple[str, tuple[Interval, ...]]] = {
    "distance": ("distance_m", (Interval("near", -INF, 1, False), Interval("far", 2, INF, False))),
    "direction": (
        "azimuth",
        (
            Interval("front", -35, 35, True),
            Interval("left", 55, 125, True),
            Interval("right", -125, -55, True),
            Interval("back", 145, INF, True),
            Interval("back", -INF, -145, True),
        ),
    ),
    "elevation": ("elevation", (Interval("up", 40, INF, False), Interval("down", -INF, -40, False))),
    "area": (
        "floor_area_m2",
        (Interval("small", -INF, 50, False), Interval("medium-sized", 50, 100, True), Interval("large", 100, INF, False)),
    ),
    "reverberation": ("t30_s", (Interval(DAMPENED, -INF, 0.2, False), Interval(REVERBERANT, 1, INF, False))),
}
"""Attribute → its label's key and its words. Azimuth and elevation in degrees here, in [−180, 180] and [−90, 90]."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "direction": ("front", "left", "right", "back"),
    "elevation": ("up", "down"),
    "distance": ("near", "far"),
    "area": ("small", "large"),
    "reverberation": (DAMPENED, REVERBERANT),
}
"""Classes of the zero-shot evaluation: area is small against large, as in the paper."""

ANGLES = ("azimuth", "elevation")


@dataclass(frozen=True)
class SpatialWords:
    """The words that hold for one source in one room; None where a value lies between two words."""

    distance: str | None = None
    direction: str | None = None
    elevation: str | None = None
    area: str | None = None
    reverberation: str | None = None

    def items(self) -> list[tuple[str, str]]:
        """(attribute, word) of the words that are there."""
        return [(name, word) for name in RULES if (word := getattr(self, name)) is not None]


def words_of(labels: Mapping[str, float]) -> SpatialWords:
    """The words of one scene.

    Args:
        labels: azimuth and elevation in radians, distance_m, floor_area_m2, t30_s.
    """
    return words_of_all({key: [labels[key]] for key, _ in RULES.values()})[0]


def words_of_all(labels: Mapping[str, ArrayLike]) -> list[SpatialWords]:
    """The words of B scenes, from labels of shape (B,)."""
    columns = []
    for key, intervals in RULES.values():
        index = _first_match(_in_table_units(key, labels[key]), intervals)  # (B,)
        columns.append([intervals[i].word if i >= 0 else None for i in index.tolist()])
    return [SpatialWords(**dict(zip(RULES, row, strict=True))) for row in zip(*columns, strict=True)]


def attribute_index(name: str, labels: Mapping[str, ArrayLike]) -> np.ndarray:
    """Class of each scene within `ATTRIBUTES[name]`, int64 (B,); −1 where none of its classes holds.

    Args:
        name: an attribute.
        labels: arrays (B,), angles in radians.

    Raises:
        DataError: for an attribute that does not exist.
    """
    if name not in ATTRIBUTES:
        raise DataError(f"no attribute '{name}'", f"use one of {', '.join(ATTRIBUTES)}")
    key, intervals = RULES[name]
    index = _first_match(_in_table_units(key, labels[key]), intervals)
    position = {word: i for i, word in enumerate(ATTRIBUTES[name])}
    return np.array([position.get(intervals[i].word, -1) if i >= 0 else -1 for i in index.tolist()], dtype=np.int64)


def _in_table_units(key: str, values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=np.float32).astype(np.float64)
    if key not in ANGLES:
        return values.round(6)
    degrees = np.rad2deg(values)
    return (degrees if key == "elevation" else (degrees + 180) % 360 - 180).round(3)


def _first_match(values: np.ndarray, intervals: tuple[Interval, ...]) -> np.ndarray:
    """Index of the interval each value (B,) lies in, −1 for none."""
    index = np.full(values.shape, -1)
    for i, rule in enumerate(intervals):
        inside = (values >= rule.low) & (values <= rule.high) if rule.closed else (values > rule.low) & (values < rule.high)
        index[inside & (index < 0)] = i
    return index
