"""Noise of the microphone and of what shakes it: powers, spectra and independence."""

import pytest
import torch

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.data.roughening import noises, roughen
from elsa_lightning.schema import AugmentationConfig

RATE = 16000
HZ = torch.fft.rfftfreq(16000, 1 / RATE)  # one bin per Hz
KEY = torch.arange(60) * 13


def levels(noise, band):
    """Power of each channel `(4,)` within a band, over all rows."""
    low, high = band
    return noise[..., (low <= HZ) & (high > HZ)].abs().square().mean((0, 2))


def test_self_noise_is_that_of_four_capsules():
    """A tetrahedron of cardioids, each with noise of its own: encoded as the docstring derives, by hand here."""
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
    capsules = torch.randn(4, 200_000, generator=torch.Generator().manual_seed(0))
    w, dipoles = 0.5 * capsules.sum(0), 1.5 * corners.T @ capsules
    plane = (1 + corners @ corners[0]) / 2  # what a wave from the first corner gives: encoded to W = 1 and its direction
    assert (0.5 * plane.sum()).item() == pytest.approx(1) and torch.allclose(1.5 * corners.T @ plane, corners[0], atol=1e-6)
    ratio = dipoles.square().mean(1) / w.square().mean()
    noise = noises.self_noise(HZ, KEY, torch.full((60,), 1.0))
    found = levels(noise, (2000, 8000))
    assert torch.allclose(found[1:] / found[W], ratio, rtol=0.03)


def test_dipoles_are_noisier_below_the_corner_by_6_db_per_octave():
    noise = noises.self_noise(HZ, KEY, torch.full((60,), 800.0))
    for hz in (100, 200, 400, 800, 3200):
        found = levels(noise, (0.97 * hz, 1.03 * hz))
        assert (found[1:].mean() / found[W]).item() == pytest.approx(3 * (1 + (800 / hz) ** 2), rel=0.15), hz
    found = levels(noise, (2, 60))
    assert (found[1:].mean() / found[W]).item() == pytest.approx(3 * noises.BOOST_LIMIT**2, rel=0.15)


def test_rumble_is_low_and_louder_in_the_dipoles():
    noise = noises.rumble(HZ, KEY)
    total = noise.abs().square().sum((0, 1, 2))
    assert noise[..., HZ > 2 * noises.RUMBLE_HZ].abs().square().sum() < 0.01 * total and not noise[..., 0].abs().any()
    power = noise.abs().square().mean(-1)
    excess_db = 10 * (power[:, 1:] / power[:, :1]).log10()
    assert excess_db.min() > -3 and excess_db.max() < noises.RUMBLE_EXCESS_DB + 3 and 8 < excess_db.mean() < 12


@pytest.mark.parametrize("part", ["self_noise_snr_db", "rumble_snr_db", "noise_snr_db"])
def test_levels_are_as_asked_and_channels_independent(part):
    foa = torch.randn(60, 4, 16000, generator=torch.Generator().manual_seed(1))
    added = roughen(foa, KEY, AugmentationConfig(**{part: [15.0, 15.0]}), RATE) - foa
    snr_db = 10 * (foa[:, W].square().mean(-1) / added[:, W].square().mean(-1)).log10()
    assert torch.allclose(snr_db, torch.full((60,), 15.0), atol=0.1)
    unit = added / added.norm(dim=-1, keepdim=True)
    correlation = torch.einsum("bit,bjt->bij", unit, unit) - torch.eye(4)
    assert correlation.mean(0).abs().max() < 0.12


def test_the_three_noises_of_one_key_differ():
    drawn = [noises.white(HZ, KEY), noises.self_noise(HZ, KEY, torch.ones(60)), noises.rumble(HZ, KEY)]
    unit = torch.stack([noise[:, W, 1:40].flatten() / noise[:, W, 1:40].norm() for noise in drawn])
    assert (unit @ unit.conj().T - torch.eye(3)).abs().max() < 0.1
