"""Stage `word_rules`: where each spatial word begins and ends (the paper's table A3), asked of the rules, and how many rooms get it."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
from torch import Tensor

from elsa_lightning.captions.attributes import RULES, words_of_all
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.facts import write_facts
from elsa_lightning.stages.rooms import load_banks

ROWS = {
    "near": ("distance", "near"),
    "far": ("distance", "far"),
    "front": ("direction", "front"),
    "left": ("direction", "left"),
    "right": ("direction", "right"),
    "back": ("direction", "back"),
    "up": ("elevation", "up"),
    "down": ("elevation", "down"),
    "small": ("area", "small"),
    "medium": ("area", "medium-sized"),
    "large": ("area", "large"),
    "dampened": ("reverberation", "acoustically dampened"),
    "reverberant": ("reverberation", "highly reverberant"),
}
"""Row → attribute and word."""

DOMAINS = {
    "distance": (0.0, 10.0, 0.125),
    "direction": (-180.0, 180.0, 2.5),
    "elevation": (-90.0, 90.0, 2.5),
    "area": (0.0, 500.0, 2.5),
    "reverberation": (0.0, 10.0, 0.05),
}
"""First and last value that the rules are asked about, and the step between, in their units (m, degrees, degrees, m², s). No word holds for
less than a step; between two values with different words the bound is sought by bisection."""

ROUNDS = 20
"""Halvings of a step: to a millionth of it."""

UNITS = {"reverberation": 1000.0}
"""Factor to the table's unit where it is not that of the rules: milliseconds."""

OPEN = "no bound"


def run(stage: Stage) -> dict:
    """`<word>/{from,to,train_share,test_share}`."""
    metrics, absent = bounds()
    banks = load_banks(stage)
    for split in ("train", "test"):
        metrics |= {f"{row}/{split}_share": share for row, share in shares(banks[split].labels).items()}
    return write_facts(stage, metrics, absent)


def bounds() -> tuple[dict[str, float], dict[str, str]]:
    """`<word>/{from,to}`: where the word begins and ends, and which of these are no bounds.

    A word that holds at both ends of a domain (back: behind, to the left and to the right) is told by its positive side.
    """
    metrics, absent = {}, {}
    for attribute in DOMAINS:
        first, last, _ = DOMAINS[attribute]
        spans = spans_of(attribute)
        for row, (_, word) in ((row, names) for row, names in ROWS.items() if names[0] == attribute):
            low, high = max(span for span, said in spans if said == word)
            factor = UNITS.get(attribute, 1.0)
            metrics |= {f"{row}/from": factor * low, f"{row}/to": factor * high}
            for name, value in (("from", low), ("to", high)):
                if value in (first, last) and attribute != "direction":
                    metrics[f"{row}/{name}"], absent[f"{row}/{name}"] = math.nan, OPEN
    return metrics, absent


def spans_of(attribute: str) -> list[tuple[tuple[float, float], str | None]]:
    """The domain in pieces of one word each, None where there is none, in rising order."""
    first, last, step = DOMAINS[attribute]
    grid = np.linspace(first, last, round((last - first) / step) + 1)
    said = said_of(attribute, grid)
    changes = [i for i in range(len(grid) - 1) if said[i] != said[i + 1]]
    low, high = grid[changes], grid[[i + 1 for i in changes]]
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        below = np.array([word == said[i] for word, i in zip(said_of(attribute, middle), changes, strict=True)])
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    ends = [first, *((low + high) / 2).tolist(), last]
    words = [said[i] for i in [0, *(i + 1 for i in changes)]]
    return list(zip(pairwise(ends), words, strict=True))


def said_of(attribute: str, values: np.ndarray) -> list[str | None]:
    """The word of each value (N,), in the unit of the rules (degrees for angles)."""
    key, _ = RULES[attribute]
    labels = {other: np.full(len(values), np.nan) for other, _ in RULES.values()}
    labels[key] = np.deg2rad(values) if key in ("azimuth", "elevation") else values
    return [getattr(words, attribute) for words in words_of_all(labels)]


def shares(labels: dict[str, Tensor]) -> dict[str, float]:
    """Which share of a bank's rooms gets each word."""
    said = words_of_all({name: labels[name].numpy() for name, _ in RULES.values()})
    counts = Counter((attribute, word) for words in said for attribute, word in words.items())
    return {row: counts[word] / len(said) for row, word in ROWS.items()}
