"""Draws: splits are disjoint, words follow values, keys decide."""

from __future__ import annotations

import numpy as np
import pytest

from elsa_lightning import foley
from elsa_lightning.foley.catalog import SOUNDS
from elsa_lightning.foley.parameters import BINS, SPLIT_BINS, Draw
from elsa_lightning.foley.signals import Studio
from elsa_lightning.seeding import rng_of


def test_bins_partition_the_range_and_hold_out_its_inside() -> None:
    owned = [b for bins in SPLIT_BINS.values() for b in bins]
    assert sorted(owned) == list(range(BINS))
    assert {0, BINS - 1} <= set(SPLIT_BINS["train"])
    for bins in SPLIT_BINS.values():
        assert {3 * b // BINS for b in bins} == {0, 1, 2}  # every third, so every word, in every split


@pytest.mark.parametrize("log", [False, True])
def test_splits_never_share_a_value(log: bool) -> None:
    edges = np.geomspace(2, 50, BINS + 1) if log else np.linspace(2, 50, BINS + 1)
    for split, bins in SPLIT_BINS.items():
        values = [Draw(0, split, i, "rain").amount("x", 2, 50, log=log) for i in range(150)]
        assert set(np.digitize(values, edges) - 1) == set(bins)


@pytest.mark.parametrize("label", foley.CLASSES)
def test_continuous_parameters_of_every_class_are_held_out(label: str) -> None:
    for split, bins in SPLIT_BINS.items():
        names = set()
        for index in range(4):
            draw = Draw(0, split, index, label)
            SOUNDS[label].make(draw, Studio(16000, 0.5, rng_of("test")))
            names |= {*draw.units}
            assert {int(u * BINS) for u in draw.units.values()} <= set(bins)
            free = {n for n, v in draw.values.items() if isinstance(v, float)}
            assert free == set(draw.units)  # no continuous value drawn behind the bins' back
        assert len(names) >= 2


def test_words_follow_the_value() -> None:
    for index in range(60):
        draw = Draw(0, "train", index, "rain")
        value = draw.amount("x", 0, 3, ("low|deep", "middle", "high"))
        assert draw.words["x"] == (("low", "deep"), ("middle",), ("high",))[int(value)]
        n = draw.count("n", 2, 4)
        assert draw.words["n"] == ({2: "two", 3: "three", 4: "four"}[n],)
        assert draw.words["n_times"] == ({2: "twice", 3: "three times", 4: "four times"}[n],)
        key = draw.pick("k", {"a": "first|one", "b": "second"})
        assert draw.words["k"] == {"a": ("first", "one"), "b": ("second",)}[key] and draw.values["k"] == key


def test_counts_and_picks_reach_all_values() -> None:
    draws = [Draw(0, "test", i, "dog") for i in range(80)]
    assert {d.count("n", 1, 4) for d in draws} == {1, 2, 3, 4}
    assert {d.pick("k", {"a": "", "b": "", "c": ""}) for d in draws} == {"a", "b", "c"}
