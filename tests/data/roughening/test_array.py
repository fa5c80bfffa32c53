"""What a real array does to directions: laws of rotation, of aliasing and of phase, each against a slow oracle."""

import cmath
import math

import pytest
import torch

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z, encode
from elsa_lightning.data.keyed import normal, uniform
from elsa_lightning.data.roughening import array, roughen
from elsa_lightning.schema import AugmentationConfig

RATE = 16000


def spectrum(rows, bins, seed=0):
    return torch.randn(rows, 4, bins, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def test_orientations_are_the_exponentials_of_their_vectors():
    key = torch.arange(300) * 31
    vector = math.radians(5) * normal(key, 3, "orientation").double()
    x, y, z = vector.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    rotation = array.orientation(key, 5.0)
    assert torch.allclose(rotation.double(), torch.linalg.matrix_exp(cross), atol=1e-6)
    angle = torch.rad2deg(((rotation.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1).acos())
    assert angle.square().mean().sqrt().item() == pytest.approx(5 * 3**0.5, rel=0.1)  # three axes


def test_a_rotated_plane_wave_comes_from_the_rotated_direction():
    direction = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    rotation = array.orientation(torch.arange(20), 30.0)
    wave, turned = (encode(torch.ones(20, 1), d) for d in (direction, torch.einsum("bij,bj->bi", rotation, direction)))
    assert torch.allclose(array.rotate_dipoles(wave.to(torch.complex64), rotation).real, turned, atol=1e-5)


def test_aliasing_against_one_bin_at_a_time():
    sound, hz, key = spectrum(3, 40), torch.linspace(0, 8000, 40), torch.tensor([4, 9, 11])
    corner, mixing = torch.tensor([3000.0, 5000.0, 9000.0]), 0.3 * normal(key, 16, "aliasing leakage").reshape(3, 4, 4)
    found = array.alias(sound, hz, key, corner, 0.3)
    for b in range(3):
        for k in range(40):
            ratio = hz[k].item() / corner[b].item()
            kept, turn = 1 / (1 + ratio**4), cmath.exp(2j * math.pi * ratio)
            for i in range(4):
                leaked = sum(mixing[b, i, j].item() * sound[b, j, k].item() for j in range(4))
                expected = sound[b, i, k].item() * (1 if i == W else math.sqrt(kept)) + leaked * (1 - kept) * turn
                assert abs(found[b, i, k].item() - expected) < 1e-4


def test_aliasing_is_above_its_corner_only():
    hz, key = torch.tensor([250.0, 500.0, 4000.0, 16000.0]), torch.arange(400)
    sound = torch.ones(400, 4, 4, dtype=torch.complex64)
    plain = array.alias(sound, hz, key, torch.full((400,), 4000.0), 0.0)
    assert torch.equal(plain[:, W], sound[:, W])
    assert torch.allclose(plain[:, Y:].abs()[0, 0], torch.tensor([1.0, 1.0, 0.5**0.5, 1 / 257**0.5]), atol=2e-4)  # 12 dB per octave
    error = (array.alias(sound, hz, key, torch.full((400,), 4000.0), 0.3) - sound).abs().square().mean((0, 1)).sqrt()
    assert error[0] < 1e-3 and error[1] < 1e-3 and error[3] > 0.5
    leaked = (array.alias(sound, hz, key, torch.full((400,), 4000.0), 0.3) - plain)[:, :, 3].abs().square().mean().sqrt().item()
    assert leaked == pytest.approx(0.3 * 2 * 256 / 257, rel=0.05)  # four channels of level 1, independent gains


def test_a_phase_of_three_samples_is_a_roll():
    sound = torch.randn(2, 4, 64, generator=torch.Generator().manual_seed(2))
    phase = (-2 * torch.pi * torch.fft.rfftfreq(64) * 3).expand(2, 3, 33)
    shifted = torch.fft.irfft(array.shift_dipoles(torch.fft.rfft(sound), phase), n=64)
    assert torch.allclose(shifted[:, 1:], sound[:, 1:].roll(3, -1), atol=1e-5) and torch.allclose(shifted[:, W], sound[:, W], atol=1e-5)


def test_delays_are_uniform_and_phases_grow_by_octaves():
    hz, key = torch.tensor([62.5, 125.0, 500.0, 1000.0, 2000.0, 8000.0, 16000.0]), torch.arange(2000)
    delay = array.phase_error(hz, key, 10.0, 0.0) / (-2 * torch.pi * hz) * 1e6  # µs
    drawn = 10 * (2 * uniform(key, 3, "dipole delay") - 1)
    assert torch.allclose(delay, drawn[..., None].expand_as(delay), atol=1e-3) and 9.9 < delay.abs().max() <= 10
    assert delay.std().item() == pytest.approx(20 / 12**0.5, rel=0.05)
    slope = torch.rad2deg(array.phase_error(hz, key, 0.0, 3.0))
    assert slope[..., 4].std().item() == pytest.approx(3.0, rel=0.05)
    for at, octaves in enumerate((-3, -3, -1, 0, 1, 3, 3)):  # held beyond three octaves
        assert torch.allclose(slope[..., at], octaves * slope[..., 4], atol=1e-4)


def test_direction_survives_below_the_corner_and_blurs_above():
    """What it is for: the same plane waves, estimated from intensity in two bands."""
    generator = torch.Generator().manual_seed(3)
    direction = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator), dim=1)
    foa = encode(torch.randn(60, 8000, generator=generator), direction)
    spectrum = torch.fft.rfft(roughen(foa, torch.arange(60) * 7, AugmentationConfig(aliasing_hz=[3000.0, 3001.0]), RATE))
    hz = torch.fft.rfftfreq(8000, 1 / RATE)
    low, high = (_degrees(spectrum[..., band], direction).mean() for band in ((hz > 100) & (hz < 1000), hz > 6000))
    assert low < 1 and high > 10


def _degrees(spectrum, direction):
    intensity = (spectrum[:, :1].conj() * spectrum[:, [X, Y, Z]]).real.sum(-1).double()
    cross = torch.linalg.cross(intensity, direction.double()).norm(dim=1)
    return torch.rad2deg(torch.atan2(cross, (intensity * direction).sum(1)))
