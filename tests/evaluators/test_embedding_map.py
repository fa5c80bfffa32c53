import numpy as np
import pytest
import torch

from elsa_lightning.evaluators import EVALUATORS
from elsa_lightning.evaluators.embedding_map import Points, vote


def slow_vote(fitted, asked, neighbours, leave_out):
    right = {}
    for row, (point, word) in enumerate(zip(asked.points, asked.word, strict=True)):
        distance = np.linalg.norm(fitted.points - point, axis=1)
        if leave_out:
            distance[row] = np.inf
        votes = np.bincount(fitted.word[np.argsort(distance)[:neighbours]], minlength=4)
        most = np.flatnonzero(votes == votes.max())
        right.setdefault(word, []).append((word in most) / len(most))
    return np.mean([np.mean(values) for values in right.values()])


def test_votes_against_loops():
    rng = np.random.default_rng(0)
    fitted, asked = (Points(rng.normal(size=(n, 2)), rng.integers(0, 4, n)) for n in (60, 40))
    assert vote(fitted, asked, 5) == pytest.approx(slow_vote(fitted, asked, 5, False))
    assert vote(fitted, None, 5) == pytest.approx(slow_vote(fitted, fitted, 5, True))


def test_copies_of_a_point_do_not_hide_it():
    points = Points(np.zeros((12, 2)), np.zeros(12, dtype=int))
    assert vote(points, None, 5) == 1


def test_too_few_words_say_so(world):
    world.tensors["probe/azimuth"] = torch.full((160,), 0.8)
    found = EVALUATORS["embedding_map"](world)
    assert not found.metrics and found.absent.keys() == {"supervised", "unsupervised", "shuffled", "embeddings"}
    world.evaluation.embedding_map.train_clips = 10
    world.tensors["probe/azimuth"] = torch.zeros(160)
    assert "10 training clips" in EVALUATORS["embedding_map"](world).absent["shuffled"]


@pytest.mark.slow
def test_a_supervised_map_of_noise_shows_clusters_that_held_out_points_do_not(world):
    pytest.importorskip("umap", reason="maps are an extra: pip install 'elsa-lightning[maps]'")
    noise = torch.Generator().manual_seed(0)
    for name in ("test/audio", "probe/audio", "retrieval/text"):
        world.tensors[name] = torch.randn(world.tensors[name].shape, generator=noise)
    found = EVALUATORS["embedding_map"](world)
    figures = found.metrics
    assert figures["supervised/train_accuracy"] > 0.8 and figures["shuffled/train_accuracy"] > 0.8
    assert figures["unsupervised/train_accuracy"] < 0.5
    for name in ("supervised", "unsupervised", "shuffled"):
        assert figures[f"{name}/test_accuracy"] < 0.5
    assert found.arrays["supervised/test"].shape == (96, 2) and found.arrays["captions/word"].shape == (48,)
    assert found.arrays["shuffled/train"].dtype == np.float32 and len(found.arrays) == 12
