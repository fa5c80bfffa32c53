"""A world whose embeddings are known: the first components are the direction, the next ones the sound."""

import math

import pytest
import torch
from torch.nn.functional import normalize, one_hot

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.evaluators import Embedded
from elsa_lightning.schema import Experiment

AZIMUTH_DEG = {"front": 0.0, "left": 90.0, "right": -90.0, "back": 180.0}
SOUNDS = 24
WIDTH = 3 + SOUNDS
CLIPS, VERSIONS = 48, 2


def scene(count, seed):
    """Labels of examples: directions in the middle of the words, everything else uniform."""
    g = torch.Generator().manual_seed(seed)
    word = (torch.arange(count) % 4)[torch.randperm(count, generator=g)]
    azimuth = torch.deg2rad(torch.tensor(list(AZIMUTH_DEG.values())))[word] + 0.3 * (torch.rand(count, generator=g) - 0.5)
    elevation = torch.deg2rad(torch.where(torch.rand(count, generator=g) < 0.5, -45.0, 45.0))
    uniform = {"distance_m": (0.5, 4.0), "floor_area_m2": (20, 150), "t30_s": (0.1, 1.5)}
    labels = {name: low + (high - low) * torch.rand(count, generator=g) for name, (low, high) in uniform.items()}
    flat = elevation.cos()
    direction = torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), elevation.sin()], dim=1)
    return labels | {"azimuth": azimuth, "elevation": elevation, "direction": direction, "is_spatial": torch.ones(count, dtype=torch.bool)}


def embed(direction, sound, noise=0.0, seed=0):
    """`(N, WIDTH)` unit rows."""
    parts = torch.cat([direction, one_hot(sound, SOUNDS).float()], dim=1)
    return normalize(parts + noise * torch.randn(parts.shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def prompts(attribute):
    """`(C, WIDTH)`: the directions of the words; of what the embeddings do not hold, anything."""
    if attribute == "direction":
        angles = torch.tensor([math.radians(AZIMUTH_DEG[word]) for word in ATTRIBUTES["direction"]])
        return embed_alone(torch.stack([angles.cos(), angles.sin(), torch.zeros(4)], dim=1))
    if attribute == "elevation":
        return embed_alone(torch.tensor([[0.0, 0, 1], [0, 0, -1]]))
    return normalize(torch.randn(len(ATTRIBUTES[attribute]), WIDTH, generator=torch.Generator().manual_seed(7)), dim=1)


def embed_alone(direction):
    return torch.cat([direction, torch.zeros(len(direction), SOUNDS)], dim=1)


@pytest.fixture
def cfg():
    from elsa_lightning.training.trainer import quiet_lightning

    quiet_lightning()
    experiment = Experiment()
    experiment.evaluation.probe_steps = 150
    experiment.evaluation.template_spread.templates = ["a {}", "b {}"]
    return experiment


@pytest.fixture
def world(cfg):
    """What the stages write: 48 clips of 24 sounds in two versions, 160 training examples, one caption a clip."""
    sound = torch.arange(CLIPS) // 2
    test, probe = scene(CLIPS * VERSIONS, 0), scene(160, 1)
    heard, learnt = sound.repeat_interleave(VERSIONS), torch.arange(160) % SOUNDS
    test |= {"audio": embed(test["direction"], heard), "label": heard}
    probe |= {"audio": embed(probe["direction"], learnt), "label": learnt}
    tensors = {f"test/{k}": v for k, v in test.items()} | {f"probe/{k}": v for k, v in probe.items()}
    first = test["direction"][::VERSIONS]
    tensors |= {
        "retrieval/text": embed(first, sound),
        "retrieval/clip_of_text": torch.arange(CLIPS),
        "retrieval/group": torch.arange(CLIPS),
    }
    tensors |= {f"prompts/{name}": prompts(name) for name in ATTRIBUTES}
    tensors["prompts/class"] = torch.cat([torch.zeros(SOUNDS, 3), torch.eye(SOUNDS)], dim=1)
    tensors |= {f"templates/{name}": torch.stack([prompts(name)] * 3) for name in ATTRIBUTES}
    tensors |= {"plain/text": embed_alone(torch.zeros(CLIPS, 3)), "plain/clip_of_text": torch.arange(CLIPS), "plain/group": sound}
    tensors["plain/text"][torch.arange(CLIPS), 3 + sound] = 1.0
    directions = prompts("direction")[:, :3]
    tensors["directed/text"] = torch.stack([embed(one.expand(CLIPS, 3), sound) for one in directions])
    tensors["directed/group"] = 1000 + torch.arange(4 * CLIPS).reshape(4, CLIPS)
    tensors["directed/can_move"] = torch.ones(CLIPS, dtype=torch.bool)
    tensors["intensity/active"] = 0.2 * test["direction"]
    return Embedded(tensors, cfg, [f"sound {i}" for i in range(SOUNDS)])
