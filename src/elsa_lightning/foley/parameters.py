"""What a synthesiser draws: every value is recorded together with the words that describe it.

A continuous range is cut into `BINS` bins and each split owns some of them, evenly over the range: a test clip has no parameter value
that a training clip could have, yet lies inside the hull of what was trained on; every third of a range, hence every word, occurs in every
split.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from elsa_lightning.errors import DataError
from elsa_lightning.seeding import rng_of

BINS = 15
SPLIT_BINS: dict[str, tuple[int, ...]] = {
    "train": (0, 2, 4, 5, 6, 8, 10, 12, 14),
    "val": (3, 9, 11),
    "test": (1, 7, 13),
}
"""Bins of each continuous range that a split may draw from."""

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TIMES = ("never", "once", "twice", "three times", "four times", "five times", "six times", "seven times", "eight times", "nine times")


class Draw:
    """Parameters of one clip, drawn from (seed, split, index, label) and independent of the sample rate.

    Args:
        seed: seed of the corpus.
        split: train, val or test.
        index: index of the clip in its split.
        label: sound class.

    Attributes:
        rng: generator for parameters and for the timing of events; noise comes from elsewhere (`signals.Studio`).
        values: drawn value of each parameter.
        units: position in [0, 1) of each continuous parameter within its range.
        words: wordings of each parameter, all true of its value.

    Raises:
        DataError: for a split that does not exist.
    """

    def __init__(self, seed: int, split: str, index: int, label: str) -> None:
        if split not in SPLIT_BINS:
            raise DataError(f"foley has no split '{split}'", f"use one of {', '.join(SPLIT_BINS)}")
        self.rng = rng_of("foley", seed, split, index, label)
        self.bins = SPLIT_BINS[split]
        self.values: dict[str, float | int | str] = {}
        self.units: dict[str, float] = {}
        self.words: dict[str, tuple[str, ...]] = {}

    def amount(self, name: str, low: float, high: float, words: tuple[str, ...] = (), log: bool = False) -> float:
        """Draws a continuous parameter from the split's bins of [low, high).

        Args:
            name: slot name, usable in caption frames when `words` is given.
            low: lower end of the range.
            high: upper end of the range.
            words: wordings ("slow|lazy") of equal parts of the range, from its low to its high end.
            log: equal ratios instead of equal differences.
        """
        unit = (self.bins[self.rng.integers(len(self.bins))] + self.rng.random()) / BINS
        value = low * (high / low) ** unit if log else low + (high - low) * unit
        self.units[name], self.values[name] = unit, float(value)
        if words:
            self.words[name] = tuple(words[int(unit * len(words))].split("|"))
        return float(value)

    def count(self, name: str, low: int, high: int) -> int:
        """Draws a whole number in [low, high]; frames may say {name} ("three") or {name_times} ("three times")."""
        value = int(self.rng.integers(low, high + 1))
        self.values[name] = value
        self.words[name], self.words[f"{name}_times"] = (NUMBERS[value],), (TIMES[value],)
        return value

    def pick(self, name: str, options: Mapping[str, str]) -> str:
        """Draws one of the keys of `options`, whose values are their wordings ("a tin roof|sheet metal")."""
        key = tuple(options)[self.rng.integers(len(options))]
        self.values[name], self.words[name] = key, tuple(options[key].split("|"))
        return key

    def jitter(self, spread: float, size: int) -> np.ndarray:
        """Small unrecorded variations between repeated events: factors (size,) in [1 - spread, 1 + spread]."""
        return 1 + spread * self.rng.uniform(-1, 1, size)
