import dataclasses
import math

import pytest
import torch

from elsa_lightning.acoustics.bands import band_power
from elsa_lightning.acoustics.diffuse_tail import tail_response
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.image_source import find_images
from elsa_lightning.acoustics.late_energy import full_band, late_energy, mixing_time_s
from elsa_lightning.acoustics.noise import complex_noise
from elsa_lightning.acoustics.render import render_rir

RATE = 16000
BANDS = (1000.0,)


def many(scene: Scene, count: int) -> Scene:
    """The same room with `count` noise seeds."""
    copies = scene.select(torch.zeros(count, dtype=torch.long))
    return dataclasses.replace(copies, noise_seed=torch.arange(count))


def test_expected_energy_is_that_of_the_images(one_room):
    """Image energies averaged over random places against the closed form, in intervals of 10 ms, walls unequal."""
    count = 60
    generator = torch.Generator().manual_seed(0)
    scene = many(one_room, count)
    scene.source, scene.microphone = (torch.rand(count, 3, generator=generator) * scene.size for _ in range(2))
    scene.absorption = torch.tensor([0.05, 0.7, 0.3, 0.4, 0.1, 0.8])[None, :, None].expand(count, -1, -1)
    images = find_images(scene, torch.full((count,), 0.07 * SPEED_OF_SOUND, dtype=torch.float64), torch.zeros(1))
    interval = (images.distance / SPEED_OF_SOUND / 0.01).long()
    energy = torch.zeros(7).index_add_(0, interval, images.gain[:, 0].square()) / count
    time = torch.linspace(0, 0.07, 701)[None]
    model = late_energy(scene.select(slice(0, 1)), torch.zeros(1), time, 1)[0, 0, 0]
    expected = torch.stack([model[k * 100 : (k + 1) * 100 + 1].mean() * 0.01 for k in range(7)])
    level = 10 * torch.log10(energy / expected)
    assert level[2:].abs().max() < 0.4  # dB; the first 20 ms are few images
    assert level[2:].mean().abs() < 0.15


def test_walls_are_met_in_turn(one_room):
    """Straight up and down between floor and ceiling only, by hand: after p room heights the energy is g(p)."""
    one_room.size = torch.tensor([[4e3, 4e3, 1.0]])
    one_room.absorption = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.2, 0.6])[None, :, None]
    time = torch.tensor([[1e-7, 1e-3]])
    energy = late_energy(one_room, torch.zeros(1), time, directions=20000)[0, 0, 0] * 16e6 / (4 * math.pi * SPEED_OF_SOUND)
    assert energy[0].item() == pytest.approx(1.0, abs=1e-3)
    path = 0.343 * torch.linspace(0, 1, 20001)  # c·t·u_z, u_z uniform on the sphere
    assert energy[1].item() == pytest.approx((1 - path * (1 - (0.8 + 0.4) / 2)).mean().item(), abs=1e-3)


def test_fully_mixing_rooms_decay_after_eyring(one_room):
    one_room.diffuseness = torch.ones(1)
    mixing = float(mixing_time_s(one_room.volume_m3))
    energy = late_energy(one_room, torch.zeros(1), torch.tensor([[mixing + 0.1, mixing + 0.3]]))[0, :, 0]
    rate = (energy[0, 0] / energy[0, 1]).log().item() / 0.2
    eyring = SPEED_OF_SOUND * -math.log(0.7) * 94.0 / (4 * 60.0)  # c·S·(−ln(1 − α))/4V
    assert rate == pytest.approx(eyring, rel=5e-3)
    assert torch.allclose(energy[1:] / energy[0], torch.full((3, 2), 1 / 3), rtol=0.03)  # isotropic


def test_energy_is_continuous_at_the_mixing_time(one_room):
    mixing = float(mixing_time_s(one_room.volume_m3))
    for diffuseness in (0.0, 0.5, 1.0):
        one_room.diffuseness = torch.tensor([diffuseness])
        before, after = late_energy(one_room, torch.zeros(1), torch.tensor([[mixing - 1e-5, mixing + 1e-5]]), 1)[0, 0, 0]
        assert after / before == pytest.approx(1.0, abs=5e-3)


def test_tail_has_the_models_energy_and_independent_channels(one_room):
    one_room.diffuseness = torch.ones(1)
    scene = many(one_room, 64)
    tail = tail_response(scene, RATE, BANDS, torch.zeros(1), 0.1, 4800, 0.0)[..., 2400:]  # 150 to 300 ms
    time = (torch.arange(2400, 4800) / RATE)[None]
    expected = late_energy(one_room, torch.zeros(1), time)[0, :, 0].sum(-1) / RATE
    level = 10 * torch.log10(tail.square().sum(-1).mean(0) / expected)
    assert level.abs().max() < 0.15
    flat = tail.transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(flat)
    assert (correlation - torch.eye(4)).abs().max() < 0.02
    assert (10 * torch.log10(flat[1:].square().sum() / 3 / flat[0].square().sum())).item() == pytest.approx(-4.77, abs=0.2)


def test_joint_keeps_the_energy(one_room):
    """Images and tail, averaged over places, do not step where they meet."""
    scene = many(one_room, 48)
    generator = torch.Generator().manual_seed(1)
    scene.source, scene.microphone = (0.3 + torch.rand(48, 3, generator=generator) * (scene.size - 0.6) for _ in range(2))
    rir = render_rir(scene, RATE, 0.25, [1000.0], air=False)
    time = torch.arange(rir.shape[-1]) / RATE
    model = late_energy(one_room, torch.zeros(1), time[None], 1)[0, 0, 0] / RATE
    first = int((float(mixing_time_s(one_room.volume_m3)) - 0.02) * RATE)
    for start in range(first, first + 4 * 320, 320):  # four intervals of 20 ms about the joint
        part = slice(start, start + 320)
        level = 10 * torch.log10(rir[:, 0, part].square().sum(-1).mean() / model[part].sum())
        assert abs(level) < 0.7


def test_noise_is_gaussian_and_a_function_of_the_seed():
    noise = complex_noise(torch.tensor([1, 2]), 4, 3, 50, 129)
    assert torch.equal(noise[1:], complex_noise(torch.tensor([2]), 4, 3, 50, 129))
    assert torch.equal(noise[:, :, 10:], complex_noise(torch.tensor([1, 2]), 4, 13, 40, 129))
    assert noise.abs().square().mean().item() == pytest.approx(1.0, abs=0.02)
    assert noise.mean().abs() < 0.01
    assert (noise[0] * noise[1].conj()).mean().abs() < 0.02
    assert noise.real.pow(4).mean().item() == pytest.approx(0.75, abs=0.05)  # kurtosis 3 at variance ½


def test_full_band_of_equal_bands_is_that_band():
    power = band_power((500.0, 1000.0, 2000.0), RATE)
    energy = torch.rand(2, 1, 5).expand(2, 3, 5)
    assert torch.allclose(full_band(energy, power), energy[:, 0], rtol=1e-4)
