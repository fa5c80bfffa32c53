"""Offsets, clipping, sixteen bits and responses, each against its formula or one sample at a time."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.data.roughening import recorder, response, roughen
from elsa_lightning.schema import AugmentationConfig

RATE = 16000


@pytest.fixture
def foa():
    return torch.randn(400, 4, 500, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0, 1.0, 1.0])[:, None]


def test_an_offset_is_constant_and_of_the_asked_spread(foa):
    offset = roughen(foa, torch.arange(400), AugmentationConfig(dc_offset=0.02), RATE) - foa
    assert torch.allclose(offset, offset[..., :1].expand_as(offset), atol=1e-5)
    relative = offset[..., 0] / foa[:, W].square().mean(-1).sqrt()[:, None]
    assert relative.std(0).tolist() == pytest.approx([0.02] * 4, rel=0.15)


def test_clipping_is_at_one_level_for_all_channels_and_in_its_share(foa):
    clipped = roughen(foa, torch.arange(400), AugmentationConfig(clip_share=0.25, clip_db=[6.0, 6.0]), RATE)
    changed = (clipped != foa).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.25, abs=0.06)
    limit = foa[:, W].abs().amax(-1) * 10 ** (-6 / 20)
    for b in range(400):
        bound = limit[b].item() if changed[b] else math.inf
        assert np.allclose(clipped[b], [[min(max(s, -bound), bound) for s in channel] for channel in foa[b].tolist()], atol=1e-5)


def test_quantisation_one_sample_at_a_time(foa):
    part = foa[:3, :, :60]
    found = recorder.quantise(part, torch.tensor([-70.0, -20.0, -3.0]))
    for b, level in enumerate((-70.0, -20.0, -3.0)):
        step = part[b, W].square().mean().sqrt().item() / (32768 * 10 ** (level / 20))
        whole = [[max(-32768, min(32767, round(s / step))) for s in channel] for channel in part[b].tolist()]
        assert np.allclose(found[b] / step, whole, atol=0.02)
    assert found[2].max() / foa[2].max() < 1  # above full scale


def test_quantisation_noise_is_a_twelfth_of_the_squared_step(foa):
    error = roughen(foa, torch.arange(400), AugmentationConfig(level_dbfs=[-60.0, -60.0]), RATE) - foa
    snr_db = 10 * (foa[:, W].square().mean() / error.square().mean()).log10()
    assert snr_db.item() == pytest.approx(20 * math.log10(32768 * 1e-3 * 12**0.5), abs=0.2)  # 41 dB


def test_a_response_is_straight_between_octaves_and_shared_by_the_channels(foa):
    key, hz = torch.arange(50), torch.tensor([0.0, 20.0, 40.0, 90.0, 700.0, 3000.0, 8000.0, 24000.0])
    gain_db = 20 * response.equalisation(hz, key, 4.0).log10()
    knots = 31.25 * 2.0 ** np.arange(11)
    at_knots = 20 * response.equalisation(torch.tensor(knots, dtype=torch.float32), key, 4.0).log10()
    for b in range(50):
        expected = np.interp(np.log2(np.maximum(hz.numpy(), 1)), np.log2(knots), at_knots[b].numpy())
        assert np.allclose(gain_db[b], expected, atol=1e-3)
    assert at_knots.abs().max() <= 4.001 and at_knots.std().item() == pytest.approx(8 / 12**0.5, rel=0.1)
    ratio = torch.fft.rfft(roughen(foa[:9], key[:9], AugmentationConfig(eq_db=4.0), RATE)) / torch.fft.rfft(foa[:9])
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-2) and ratio.imag.abs().max() < 1e-2
