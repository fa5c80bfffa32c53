"""The paper's table A3 on every edge."""

import numpy as np
import pytest

from elsa_lightning.captions.attributes import ATTRIBUTES, DAMPENED, REVERBERANT, attribute_index, words_of, words_of_all
from elsa_lightning.errors import DataError

NEUTRAL = {"azimuth": np.deg2rad(45), "elevation": 0.0, "distance_m": 1.5, "floor_area_m2": 70.0, "t30_s": 0.5}
EDGES = [
    ("distance", "distance_m", [(0.999, "near"), (1.0, None), (2.0, None), (2.001, "far")]),
    (
        "direction",
        "azimuth",
        [(-35, "front"), (35, "front"), (35.01, None), (54.99, None), (55, "left"), (125, "left"), (125.01, None), (144.99, None)],
    ),
    (
        "direction",
        "azimuth",
        [(145, "back"), (180, "back"), (-180, "back"), (-145, "back"), (-144.99, None), (-125, "right"), (-55, "right"), (-54.99, None)],
    ),
    ("direction", "azimuth", [(0, "front"), (90, "left"), (-90, "right"), (-35.01, None), (-125.01, None), (270, "right"), (-270, "left")]),
    ("elevation", "elevation", [(40, None), (40.01, "up"), (-40, None), (-40.01, "down"), (90, "up"), (-90, "down")]),
    ("area", "floor_area_m2", [(49.99, "small"), (50, "medium-sized"), (100, "medium-sized"), (100.01, "large")]),
    ("reverberation", "t30_s", [(0.199, DAMPENED), (0.2, None), (1.0, None), (1.001, REVERBERANT), (float("nan"), None)]),
]
CASES = [(attribute, key, value, word) for attribute, key, values in EDGES for value, word in values]


@pytest.mark.parametrize(("attribute", "key", "value", "word"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(attribute, key, value, word, dtype):
    value = dtype(np.deg2rad(value) if key in ("azimuth", "elevation") else value)
    labels = NEUTRAL | {key: value}
    assert getattr(words_of(labels), attribute) == word
    index = attribute_index(attribute, {key: np.array([value], dtype)})[0]
    assert index == (ATTRIBUTES[attribute].index(word) if word in ATTRIBUTES[attribute] else -1)


def test_batch_equals_one_by_one():
    rng = np.random.default_rng(0)
    labels = {
        "azimuth": rng.uniform(-np.pi, np.pi, 200),
        "elevation": rng.uniform(-1, 1, 200),
        "distance_m": rng.uniform(0.5, 4, 200),
        "floor_area_m2": rng.uniform(13, 280, 200),
        "t30_s": rng.uniform(0.1, 2, 200),
    }
    together = words_of_all(labels)
    assert together == [words_of({key: values[i] for key, values in labels.items()}) for i in range(200)]
    assert len(set(together)) > 50


def test_medium_is_no_class():
    assert attribute_index("area", {"floor_area_m2": np.array([10.0, 75.0, 200.0])}).tolist() == [0, -1, 1]


def test_unknown_attribute():
    with pytest.raises(DataError, match="no attribute 'colour'"):
        attribute_index("colour", {})
