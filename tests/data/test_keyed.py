"""Random numbers by key: uniform, independent, indifferent to the batch."""

import pytest
import torch

from elsa_lightning.data.keyed import between, normal, uniform
from elsa_lightning.data.masking import stretch, vary_log_mel
from elsa_lightning.schema import AugmentationConfig
from elsa_lightning.seeding import seed_of

KEYS = torch.tensor([seed_of("test", i) for i in range(4000)])


def test_uniform_moments():
    u = uniform(KEYS, 5, "a")
    assert u.min() > 0 and u.max() < 1
    assert u.mean().item() == pytest.approx(0.5, abs=0.01) and u.var().item() == pytest.approx(1 / 12, abs=0.002)
    correlation = torch.corrcoef(torch.cat([u, uniform(KEYS, 5, "b")], 1).T)
    assert (correlation - torch.eye(10)).abs().max() < 0.07


def test_normal_moments():
    z = normal(KEYS, 3, "a")
    assert (
        z.mean().abs() < 0.03
        and z.std().item() == pytest.approx(1, abs=0.03)
        and (z.abs() > 2).float().mean().item() == pytest.approx(0.0455, abs=0.01)
    )


def test_rows_do_not_know_the_batch():
    order = torch.randperm(100)
    assert torch.equal(uniform(KEYS[:100], 4, "a")[order], uniform(KEYS[order], 4, "a"))
    assert torch.equal(uniform(KEYS[:3], 2, "a"), uniform(KEYS[:3], 9, "a")[:, :2])
    assert between(KEYS, 5.0, 45.0, "snr").min() > 5


def test_masks_are_contiguous_and_bounded():
    mask = stretch(KEYS, 30, 8, "m")
    width = mask.sum(1)
    edges = (mask[:, 1:] != mask[:, :-1]).sum(1)
    assert set(width.tolist()) == set(range(9)) and edges.max() <= 2
    assert mask.float().mean(0).min() > 0.03


def test_masked_cells_take_the_mean_and_zeros_change_nothing():
    log_mel = torch.randn(50, 1, 30, 16)
    assert torch.equal(vary_log_mel(log_mel, KEYS[:50], AugmentationConfig()), log_mel)
    varied = vary_log_mel(log_mel, KEYS[:50], AugmentationConfig(mask_frames=10, mask_bands=6))
    changed = varied != log_mel
    assert 0.05 < changed.float().mean() < 0.6
    assert torch.equal(varied[changed], log_mel.mean((2, 3), keepdim=True).expand_as(log_mel)[changed])
    louder = vary_log_mel(log_mel, KEYS[:50], AugmentationConfig(mel_gain_db=3.0)) - log_mel
    assert torch.allclose(louder, louder[:, :, :1, :1].expand_as(louder), atol=1e-5) and louder[:, 0, 0, 0].std().item() == pytest.approx(
        3, abs=1
    )
