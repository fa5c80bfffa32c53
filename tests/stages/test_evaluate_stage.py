"""Metrics count the clips with a label, and are absent with a reason where there is none: against the full set and its parts."""

import math

import pytest
import torch

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.evaluators import EVALUATORS, Embedded
from elsa_lightning.schema import Experiment
from elsa_lightning.training.trainer import quiet_lightning

LABELS = ("azimuth", "elevation", "distance_m", "floor_area_m2", "t30_s")
COUNT = 60


def embedded(split, seed):
    """What stage `embed` writes of a split, with every label known."""
    g = torch.Generator().manual_seed(seed)
    uniform = {"azimuth": (-3.0, 3.0), "elevation": (-1.4, 1.4), "distance_m": (0.5, 4.0), "floor_area_m2": (20, 150), "t30_s": (0.1, 1.5)}
    found = {name: low + (high - low) * torch.rand(COUNT, generator=g) for name, (low, high) in uniform.items()}
    found["direction"] = torch.nn.functional.normalize(torch.randn(COUNT, 3, generator=g), dim=1)
    found["audio"] = torch.nn.functional.normalize(torch.randn(COUNT, 8, generator=g), dim=1)
    found |= {"label": torch.arange(COUNT) % 3, "is_spatial": torch.ones(COUNT, dtype=torch.bool)}
    return {f"{split}/{name}": values for name, values in found.items()}


@pytest.fixture
def tensors():
    g = torch.Generator().manual_seed(2)
    prompts = {name: torch.randn(len(words), 8, generator=g) for name, words in ATTRIBUTES.items()} | {
        "class": torch.randn(3, 8, generator=g)
    }
    found = embedded("test", 0) | embedded("probe", 1) | {f"prompts/{name}": values for name, values in prompts.items()}
    return found | {"test/clip": torch.arange(COUNT)}


@pytest.fixture
def cfg():
    quiet_lightning()
    experiment = Experiment()
    experiment.evaluation.probe_steps = 4
    return experiment


def classify(tensors):
    found = EVALUATORS["zero_shot"](Embedded(tensors, Experiment()))
    return found.metrics, found.absent


def localize(tensors, cfg):
    found = EVALUATORS["localization"](Embedded(tensors, cfg))
    return found.metrics, found.absent


def only(tensors, split, rows):
    return {name: values[rows] if name.startswith(split) else values for name, values in tensors.items()}


def with_unknown(tensors, split, name, rows):
    values = tensors[f"{split}/{name}"].clone()
    values[rows] = -1 if name == "label" else math.nan
    return {**tensors, f"{split}/{name}": values}


def test_zero_shot_counts_labelled_clips_alone(tensors):
    whole, absent = classify(tensors)
    assert not absent and all(math.isfinite(value) for value in whole.values())
    for name, attribute in {"azimuth": "direction", "t30_s": "reverberation", "label": "class"}.items():
        found, absent = classify(with_unknown(tensors, "test", name, slice(20, None)))
        part, _ = classify(only(tensors, "test", slice(20)))
        assert not absent
        for key, value in found.items():
            assert value == (part if key.startswith(attribute) else whole)[key]
        assert part[f"{attribute}/n"] < whole[f"{attribute}/n"]


@pytest.mark.parametrize(("name", "attribute"), [("elevation", "elevation"), ("floor_area_m2", "area"), ("label", "class")])
def test_zero_shot_without_any_label_is_absent_with_a_reason(tensors, name, attribute):
    found, absent = classify(with_unknown(tensors, "test", name, slice(None)))
    assert set(absent) == {attribute} and "no test clip" in absent[attribute]
    assert not any(key.startswith(attribute) for key in found) and all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("split", ["probe", "test"])
def test_probes_see_labelled_clips_alone(tensors, cfg, split):
    found, absent = localize(with_unknown(tensors, split, "direction", slice(20, None)), cfg)
    part, _ = localize(only(tensors, split, slice(20)), cfg)
    whole, _ = localize(tensors, cfg)
    assert not absent
    for key, value in found.items():
        assert value == pytest.approx((whole if "distance" in key else part)[key]), key
    assert found["doa_mae_deg"] != pytest.approx(whole["doa_mae_deg"]) and found["n"] == (20 if split == "test" else COUNT)


@pytest.mark.parametrize(("split", "word"), [("probe", "training"), ("test", "test")])
def test_probes_without_labels_are_absent_with_a_reason(tensors, cfg, split, word):
    found, absent = localize(with_unknown(tensors, split, "direction", slice(None)), cfg)
    assert absent == {"direction": f"no {word} clip has a known direction"} and set(found) == {
        "distance_mae_m",
        "distance_constant_mae_m",
        "distance_ratio",
    }
    found, absent = localize(with_unknown(tensors, split, "distance_m", slice(None)), cfg)
    assert absent == {"distance": f"no {word} clip has a known distance"} and "doa_mae_deg" in found and "distance_mae_m" not in found


def test_one_distance_is_no_spread(tensors, cfg):
    found, absent = localize({**tensors, "probe/distance_m": torch.full((COUNT,), 1.5)}, cfg)
    assert "the same one" in absent["distance"] and "distance_mae_m" not in found
    found, absent = localize({**tensors, "test/distance_m": torch.full((COUNT,), 1.5)}, cfg)
    assert "the same one" in absent["distance_ratio"] and "distance_ratio" not in found and found["distance_mae_m"] > 0
