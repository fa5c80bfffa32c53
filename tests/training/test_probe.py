"""A probe reads off what is there, reads nothing off noise, and is the same each time."""

import pytest
import torch

from elsa_lightning.training.probe import fit_probe
from elsa_lightning.training.trainer import quiet_lightning


@pytest.fixture(scope="module")
def clips():
    """Embeddings that hold the direction and the distance, linearly mixed with noise."""
    g = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(600, 3, generator=g), dim=1)
    distance = 0.5 + 4 * torch.rand(600, generator=g)
    mixed = torch.cat([direction, distance[:, None] - 2.5, 0.3 * torch.randn(600, 4, generator=g)], 1) @ torch.randn(8, 24, generator=g)
    return torch.nn.functional.normalize(mixed, dim=1), direction, distance


def degrees(probe, embedding, direction):
    return torch.rad2deg((probe(embedding) * direction).sum(1).clamp(-1, 1).arccos()).mean().item()


@torch.no_grad()
def errors(embedding, direction, distance, seed=0):
    with torch.enable_grad():
        quiet_lightning()
        where = fit_probe("direction", embedding[:400], direction[:400], 32, 60, seed)
        far = fit_probe("distance", embedding[:400], distance[:400], 32, 60, seed)
    assert where(embedding).norm(dim=1).allclose(torch.ones(len(embedding)), atol=1e-5)
    return degrees(where, embedding[400:], direction[400:]), (far(embedding[400:]) - distance[400:]).abs().mean().item()


def test_it_finds_what_is_there_on_clips_it_was_not_trained_on(clips):
    angle, metres = errors(*clips)
    assert angle < 20 and metres < 0.5 * (clips[2] - clips[2].median()).abs().mean()


def test_it_finds_nothing_in_noise(clips):
    angle, metres = errors(
        torch.nn.functional.normalize(torch.randn(600, 24, generator=torch.Generator().manual_seed(1)), dim=1), *clips[1:]
    )
    assert angle > 75 and metres > 0.9 * (clips[2] - clips[2].median()).abs().mean()


def test_it_is_the_same_each_time(clips):
    assert errors(*clips) == errors(*clips) != errors(*clips, seed=1)


def test_every_step_sees_every_clip_as_it_is(clips, monkeypatch):
    """The oracle of the loader: gradient descent written out."""
    embedding, direction, _ = clips
    probe = fit_probe("direction", embedding, direction, 8, 5, 3)
    torch.manual_seed(3)
    other = type(probe)("direction", 24, 8, steps=5)
    optimizer = torch.optim.Adam(other.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    for _ in range(5):
        optimizer.zero_grad()
        (1 - (other(embedding) * direction).sum(1)).mean().backward()
        optimizer.step()
        schedule.step()
    for one, two in zip(probe.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)
