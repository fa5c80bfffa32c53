"""Spaces that know exactly what they should, spaces that know nothing, and spaces that know what they should not."""

import math

import pytest
import torch

from elsa_lightning.captions.attributes import ATTRIBUTES, attribute_index
from elsa_lightning.evaluators.what_where import judge_spaces

COUNT, CLASSES, VERSIONS = 120, 3, 2
WIDTH = 16


def one_hot(index, width=WIDTH):
    rows = torch.zeros(len(index), width)
    here = index >= 0
    rows[here, index[here]] = 1
    rows[~here, width - 1] = 1
    return rows


def scene():
    g = torch.Generator().manual_seed(0)
    uniform = {"azimuth": (-3.1, 3.1), "elevation": (-1.4, 1.4), "distance_m": (0.3, 4.0), "floor_area_m2": (20, 150), "t30_s": (0.1, 1.5)}
    labels = {name: low + (high - low) * torch.rand(COUNT, generator=g) for name, (low, high) in uniform.items()}
    return labels | {"label": torch.arange(COUNT) // VERSIONS % CLASSES, "version": torch.arange(COUNT) % VERSIONS}


@pytest.fixture
def tensors():
    """*what* knows the class and nothing else, *where* the direction and nothing else."""
    labels = scene()
    direction = torch.as_tensor(attribute_index("direction", labels))
    found = {f"test/{name}": value for name, value in labels.items()}
    found |= {"test/what": one_hot(labels["label"]), "test/where": one_hot(direction)}
    clips = COUNT // VERSIONS
    kinds, places = labels["label"][::VERSIONS], direction[::VERSIONS]
    found |= {"what/text": one_hot(kinds), "what/clip_of_text": torch.arange(clips), "what/group": kinds + 10}
    said = (places >= 0).nonzero().flatten()
    found |= {"where/text": one_hot(places[said]), "where/clip_of_text": said, "where/group": places[said]}
    for space in ("what", "where"):
        for name, words in ATTRIBUTES.items():
            found[f"{space}/prompts/{name}"] = torch.eye(WIDTH)[: len(words)]
        found[f"{space}/prompts/class"] = torch.eye(WIDTH)[:CLASSES]
    for name in set(ATTRIBUTES) - {"direction"}:
        found[f"where/prompts/{name}"] = torch.eye(WIDTH)[10 : 10 + len(ATTRIBUTES[name])]
    found["where/prompts/class"], found["what/prompts/direction"] = torch.eye(WIDTH)[10:13], torch.eye(WIDTH)[10:14]
    return found


def test_what_each_space_knows_and_does_not(tensors):
    found, absent = judge_spaces(tensors)
    assert not absent and all(math.isfinite(value) for value in found.values())
    assert found["what/zero_shot/class/balanced_accuracy"] == found["where/zero_shot/direction/balanced_accuracy"] == 1
    assert found["what/retrieval/dup/r1"] == found["where/retrieval/dup/r1"] == 1
    assert found["what/retrieval/r1"] == pytest.approx(CLASSES / (COUNT / VERSIONS))  # equal captions: a guess among those of the class
    assert found["where/zero_shot/elevation/balanced_accuracy"] == pytest.approx(0.5)
    assert (
        found["leakage/where_finds_class/balanced_accuracy"]
        == pytest.approx(found["leakage/where_finds_class/chance"])
        == pytest.approx(1 / 3)
    )
    assert found["leakage/what_finds_direction/balanced_accuracy"] == pytest.approx(0.25) == found["leakage/what_finds_direction/chance"]
    assert found["leakage/where_finds_class/n"] == COUNT > found["leakage/what_finds_direction/n"] > 0


def test_a_leak_is_seen(tensors):
    tensors["test/where"] = one_hot(tensors["test/label"] + 10)
    direction = torch.as_tensor(attribute_index("direction", scene()))
    tensors["test/what"] = one_hot(torch.where(direction >= 0, direction + 10, -1))
    found, _ = judge_spaces(tensors)
    assert found["leakage/where_finds_class/balanced_accuracy"] == found["leakage/what_finds_direction/balanced_accuracy"] == 1
    assert found["where/zero_shot/direction/balanced_accuracy"] == pytest.approx(0.25)


def test_places_are_not_asked_for_single_clips(tensors):
    """Which of the clips on the left a text means, nobody can know: only shared places are reported."""
    names = {name for name in judge_spaces(tensors)[0] if name.startswith("where/retrieval/")}
    assert names and all("dup/" in name or "gallery" in name for name in names)
    assert judge_spaces(tensors)[0]["where/retrieval/gallery_clips"] == len(tensors["where/clip_of_text"]) < COUNT // VERSIONS


def test_without_spaces_there_is_nothing_to_say():
    assert judge_spaces({"test/audio": torch.ones(2, 2)}) == ({}, {})


def test_what_nobody_labelled_is_absent_with_a_reason(tensors):
    tensors["test/label"] = torch.full((COUNT,), -1)
    tensors["test/azimuth"] = torch.full((COUNT,), math.nan)
    tensors["where/clip_of_text"] = torch.zeros(0, dtype=torch.int64)
    del tensors["what/prompts/class"], tensors["where/prompts/class"]
    found, absent = judge_spaces(tensors)
    assert set(absent) == {"what/zero_shot/class", "where/zero_shot/direction", "where/retrieval"} | {
        "leakage/where_finds_class",
        "leakage/what_finds_direction",
    }
    assert absent["where/zero_shot/direction"] == "no test clip is known to be front or left or right or back"
    assert all(math.isfinite(value) for value in found.values()) and not any(name.startswith(tuple(absent)) for name in found)
