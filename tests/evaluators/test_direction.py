"""Swap and removal against loops over clips, in a world where the arithmetic is exact."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.evaluators import EVALUATORS
from elsa_lightning.evaluators.direction import WORDS, _directed, _pairs
from elsa_lightning.evaluators.embedded import Found


@pytest.fixture
def flat(world):
    """All directions horizontal, so that they are the prototypes but for a few degrees."""
    for split in ("test", "probe"):
        direction = world.tensors[f"{split}/direction"].clone()
        direction[:, 2] = 0
        audio = world.tensors[f"{split}/audio"]
        audio[:, :3] = normalize(direction, dim=1)
        world.tensors[f"{split}/audio"] = normalize(torch.cat([audio[:, :3], (audio[:, 3:] > 0).float()], dim=1), dim=1)
    return world


def test_exact_arithmetic_reaches_every_direction(flat):
    found = EVALUATORS["direction_swap"](flat)
    assert found.metrics["classifier_accuracy"] == 1 and found.metrics["reached"] == found.metrics["reached_all"] == 1
    assert found.details["reached"] == [[1.0] * 4] * 4 and sum(found.details["n_all"]) == found.metrics["n"] == 96
    assert found.metrics["moved/r10_before"] == 1 and abs(found.metrics["moved/r10_change"]) < 0.02
    assert found.metrics["plain/r10_change"] == 0


def test_no_scale_is_no_swap(flat):
    flat.evaluation.direction_swap.scale = 0.0
    found = EVALUATORS["direction_swap"](flat)
    assert found.metrics["reached"] == 0 and found.details["reached"] == np.eye(4).tolist()
    removed = EVALUATORS["direction_removal"](flat)
    assert removed.metrics["kept"] == removed.metrics["front/kept_all"] == 1 and removed.metrics["plain/r10_change"] == 0


def test_reversed_prototypes_never_arrive(flat):
    flat.evaluation.direction_swap.scale = 3.0
    flat.tensors["prompts/direction"] = -flat.tensors["prompts/direction"]
    assert EVALUATORS["direction_swap"](flat).metrics["reached"] < 0.2


def test_removal_takes_the_old_direction_away(flat):
    """What is left is the sound; the classifier says the same of all of it, which is right for one direction at most."""
    flat.evaluation.direction_swap.scale = 0.5**0.5  # as long as the direction is in the embedding
    found = EVALUATORS["direction_removal"](flat)
    gone = [found.metrics[f"{word}/kept_all"] for word in WORDS]
    assert sum(gone) <= 2 and found.details["kept_all"] == gone
    counts = found.details["n_all"]
    assert found.metrics["kept_all"] == pytest.approx(np.dot(gone, counts) / sum(counts))
    assert found.metrics["plain/r10_after"] == 1


def noisy(world, scale=0.6):
    """Embeddings that are not exact, so that some clips are misread and some captions are missed."""
    g = torch.Generator().manual_seed(3)
    for name in ("test/audio", "probe/audio", "plain/text", "retrieval/text", "directed/text", "prompts/direction"):
        value = world.tensors[name]
        world.tensors[name] = normalize(value + scale * torch.randn(value.shape, generator=g), dim=-1)
    return world


def test_misread_clips_count_in_all_alone(world):
    world = noisy(world)
    found = EVALUATORS["direction_swap"](world)
    given = _directed(world, Found(), ())
    assert 0.3 < found.metrics["classifier_accuracy"] < 1
    arrived, total = {"reached": 0, "reached_all": 0}, {"reached": 0, "reached_all": 0}
    for row in range(len(given.word)):
        old = int(given.word[row])
        for new in range(4):
            if new == old:
                continue
            moved = given.audio[row] - given.prototypes[old] + given.prototypes[new]
            hit = int(given.classifier.predict((moved / moved.norm())[None])) == new
            for key in ("reached", "reached_all") if given.right[row] else ("reached_all",):
                arrived[key], total[key] = arrived[key] + hit, total[key] + 1
    for key in arrived:
        assert found.metrics[key] == pytest.approx(arrived[key] / total[key])
    matrix, counts = np.array(found.details["reached_all"]), np.array(found.details["n_all"])
    off = (matrix * counts[:, None])[~np.eye(4, dtype=bool)].sum() / (3 * counts.sum())
    assert found.metrics["reached_all"] == pytest.approx(off)
    assert _pairs(given, torch.zeros(4, len(given.word), dtype=torch.bool), given.right)[0][1:] == [0, 0, 0]


def hit_at_10(query, gallery, right):
    """Whether one of the right rows is among the ten most similar; nothing ties here."""
    order = np.argsort(-(gallery @ query))[:10]
    return bool(set(order.tolist()) & set(right))


def test_retrieval_against_loops(world):
    world = noisy(world)
    found = EVALUATORS["direction_swap"](world)
    given, tensors = _directed(world, Found(), ()), {k: v.double().numpy() for k, v in world.tensors.items()}
    plain, captions, directed = tensors["plain/text"], tensors["retrieval/text"], tensors["directed/text"]
    sums = {key: [] for key in ("plain before", "plain after", "moved before", "moved after")}
    for row in range(0, len(given.word), 2):  # first versions
        clip, old = int(given.clip[row]), int(given.word[row])
        audio = given.audio[row].numpy()
        same_sound = [c for c in range(48) if c // 2 == clip // 2]
        for new in (n for n in range(4) if n != old):
            moved = (given.audio[row] - given.prototypes[old] + given.prototypes[new]).numpy()
            sums["plain before"].append(hit_at_10(audio, plain, same_sound))
            sums["plain after"].append(hit_at_10(moved, plain, same_sound))
            gallery = captions.copy()
            gallery[clip] = directed[new, clip]
            sums["moved before"].append(hit_at_10(audio, captions, [clip]))
            sums["moved after"].append(hit_at_10(moved, gallery, [clip]))
    for key, hits in sums.items():
        kind, when = key.split()
        assert found.metrics[f"{kind}/r10_{when}"] == pytest.approx(np.mean(hits)), key
        assert 0 < np.mean(hits) < 1
        change = found.metrics[f"{kind}/r10_after"] - found.metrics[f"{kind}/r10_before"]
        assert found.metrics[f"{kind}/r10_change"] == pytest.approx(change) == found.scores[f"{kind}/r10_change"].value
    assert found.details["r10"]["moved"]["n"] == 3 * 48


def test_without_directions_there_is_a_reason(world):
    world.tensors["test/azimuth"] = torch.full_like(world.tensors["test/azimuth"], 45.0).deg2rad()  # between front and left
    swap, removal = EVALUATORS["direction_swap"](world), EVALUATORS["direction_removal"](world)
    assert not swap.metrics and "no test clip" in swap.absent["reached"] and "no test clip" in removal.absent["kept"]


def test_a_direction_that_training_lacks_is_named(world):
    world.tensors["probe/azimuth"] = world.tensors["probe/azimuth"].clamp(-0.2, 0.2)
    assert EVALUATORS["direction_swap"](world).absent["reached"] == "no training clip is known to be left or right or back"
