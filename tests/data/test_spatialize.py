"""Rendering a batch: levels, channels of non-spatial examples, turning, roughening."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z, encode
from elsa_lightning.acoustics.room_source import BankRooms
from elsa_lightning.data.datasets import ClipDataset, assemble
from elsa_lightning.data.roughening import roughen
from elsa_lightning.data.roughening.response import low_cut
from elsa_lightning.data.spatialize import Spatializer, level
from elsa_lightning.data.turning import draw_turn, turn_features, turn_foa, turn_labels
from elsa_lightning.data.types import PROBE
from elsa_lightning.features import FrontEnd
from elsa_lightning.schema import AugmentationConfig

RATE = 16000


@pytest.fixture
def batch(cfg, corpus, banks):
    dataset = ClipDataset(cfg, corpus, "train", banks["train"].labels["elevation"].numpy())
    return assemble("train", [dataset[0, index] for index in range(10)])


def render(batch, cfg, banks):
    return Spatializer(BankRooms(banks["train"]), cfg)(batch)


def test_one_gain_and_direct_convolution(cfg, batch, banks):
    foa = render(batch, cfg, banks).foa
    assert torch.allclose(foa[:, W].square().mean(1), torch.ones(10), atol=1e-4)
    assert batch.rir is None and foa.dtype == torch.float32
    b = int(batch.is_spatial.nonzero()[0, 0])
    rir = banks["train"].rir(batch.room[b : b + 1])[0]
    wet = torch.nn.functional.conv1d(batch.mono[b][None, None].double(), rir[:, None].flip(-1).double(), padding=rir.shape[-1] - 1)
    lead = batch.mono.shape[1] - foa.shape[-1]
    wet = wet[0, :, lead : lead + foa.shape[-1]]
    assert torch.allclose(foa[b].double(), wet / wet[W].square().mean().sqrt(), atol=1e-4)


@pytest.mark.parametrize("preroll", [True, False])
def test_the_start_of_a_clip_tells_the_distance_only_without_preroll(cfg, corpus, preroll):
    """Found at desk scale: a net read the distance off the silence before the direct sound (error 0.41 m instead of 0.7 m)."""
    cfg.audio.preroll, cfg.data.mono_share = preroll, 0.0
    far = 4.0
    delay = round(far / 343.0 * RATE)
    rir = torch.zeros(1, 4, round(cfg.rooms.rir_s * RATE))
    rir[0, W, delay] = 1 / far
    dataset = ClipDataset(cfg, corpus, "train", np.zeros(1))
    batch = assemble("train", [dataset[0, 0]])
    batch.rir, batch.spatial = rir, {}
    start = Spatializer(None, cfg)(batch).foa[0, W, : delay - 1]
    assert (start.abs().max() > 0.01) == preroll
    assert batch.foa.shape[-1] == round(cfg.audio.clip_s * RATE)


@pytest.mark.parametrize("policy", ["copy", "zero"])
def test_mono_policies(cfg, batch, banks, policy):
    cfg.data.mono_policy = policy
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True, noise_snr_db=[5.0, 10.0], mismatch_db=3.0, low_cut_hz=[40.0, 300.0])
    batch.yaw, batch.mirror = draw_turn(batch.key, batch.is_spatial, cfg.augmentation)
    mono = render(batch, cfg, banks).foa[~batch.is_spatial]
    assert 0 < len(mono) < 10
    for channel in (Y, Z, X):
        assert torch.allclose(mono[:, channel], mono[:, W] if policy == "copy" else torch.zeros_like(mono[:, W]), atol=1e-6)


@pytest.mark.parametrize("norm", ["unit", "energy"])
@pytest.mark.parametrize("bands", [0, 8])
def test_turned_features_are_the_features_of_the_turned_sound(cfg, norm, bands):
    cfg.features.intensity.norm, cfg.features.intensity.bands = norm, bands
    front_end = FrontEnd(cfg.features, RATE)
    torch.manual_seed(0)
    foa, yaw, mirror = torch.randn(6, 4, 4000), torch.rand(6) * 6 - 3, torch.tensor([True, False] * 3)
    direct, turned = front_end(turn_foa(foa, yaw, mirror)), turn_features(front_end(foa), yaw, mirror)
    # the padded first frame is symmetric: its reactive intensity is zero, and rounding decides the direction of a zero vector of norm 1
    assert ((direct.intensity - turned.intensity)[:, :, 1:].abs() > 1e-3).float().mean() < 1e-3
    assert torch.allclose(direct.intensity[:, :3], turned.intensity[:, :3], atol=1e-3)
    assert torch.equal(direct.log_mel, turned.log_mel)
    assert not torch.allclose(direct.intensity, front_end(foa).intensity, atol=0.05)


def test_turned_labels_are_the_labels_of_the_turned_sound():
    azimuth, elevation = torch.tensor([0.0, 3.0, -2.0, 1.0]), torch.tensor([0.1, -0.5, 0.7, 0.0])
    yaw, mirror = torch.tensor([1.0, 3.0, -3.0, 0.0]), torch.tensor([False, True, False, True])

    def plane_wave(azimuth):
        direction = torch.stack([azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()], 1)
        return encode(torch.ones(4, 1), direction)

    labels = turn_labels({"azimuth": azimuth, "elevation": elevation, "t30_s": azimuth}, yaw, mirror)
    assert torch.allclose(turn_foa(plane_wave(azimuth), yaw, mirror), plane_wave(labels["azimuth"]), atol=1e-6)
    assert (
        labels["azimuth"].abs().max() <= math.pi and torch.equal(labels["elevation"], elevation) and torch.equal(labels["t30_s"], azimuth)
    )
    assert torch.allclose(labels["azimuth"], torch.tensor([1.0, 0.0, 2 * math.pi - 5, -1.0]), atol=1e-6)


@pytest.mark.parametrize("norm", ["unit", "energy"])
def test_labels_and_intensity_turn_alike(cfg, norm):
    """Through the draw of a training batch: what the features say of a plane wave is what its label says."""
    cfg.features.intensity.norm = norm
    key, spatial = torch.arange(24) * 5, torch.ones(24, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    labels = {"azimuth": torch.rand(24, generator=generator) * 6 - 3, "elevation": torch.rand(24, generator=generator) * 2 - 1}
    yaw, mirror = draw_turn(key, spatial, AugmentationConfig(yaw=True, mirror=True))
    foa = encode(torch.randn(24, 4000, generator=generator), unit_vector(labels["azimuth"], labels["elevation"]))
    turned = turn_labels(labels, yaw, mirror)
    heard = turn_features(FrontEnd(cfg.features, RATE)(foa), yaw, mirror).intensity[:, :3].mean((2, 3))  # active, x y z
    expected = unit_vector(turned["azimuth"], turned["elevation"])
    assert torch.allclose(torch.nn.functional.normalize(heard, dim=1), expected, atol=1e-3)
    assert (expected - unit_vector(labels["azimuth"], labels["elevation"])).norm(dim=1).min() > 0.01


def unit_vector(azimuth, elevation):
    return torch.stack([azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()], 1)


def test_turns_are_uniform_and_spare_non_spatial_examples():
    key, spatial = torch.arange(4000), torch.arange(4000) % 2 == 0
    yaw, mirror = draw_turn(key, spatial, AugmentationConfig(yaw=True, mirror=True))
    assert not yaw[~spatial].any() and not mirror[~spatial].any()
    histogram = torch.histc(yaw[spatial], 8, -math.pi, math.pi)
    assert histogram.min() > 190 and 900 < mirror.sum() < 1100
    yaw, mirror = draw_turn(key, spatial, AugmentationConfig())
    assert not yaw.any() and not mirror.any()


def test_noise_has_the_asked_level_and_is_diffuse():
    torch.manual_seed(0)
    foa, key = level(torch.randn(40, 4, 8000)), torch.arange(40)
    noise = roughen(foa, key, AugmentationConfig(noise_snr_db=[10.0, 10.001]), RATE) - foa
    power = noise.square().mean(-1)
    assert torch.allclose(power[:, W], torch.full((40,), 0.1), rtol=0.05)
    assert torch.allclose(power[:, [Y, Z, X]].mean(0) / power[:, W].mean(), torch.full((3,), 1 / 3), rtol=0.15)
    correlation = (noise[:, W] * noise[:, Y]).mean() / (power[:, W].mean() * power[:, Y].mean()).sqrt()
    assert abs(correlation) < 0.1


def test_roughening_knows_the_key_and_not_the_batch():
    torch.manual_seed(0)
    foa, key = torch.randn(6, 4, 5000), torch.arange(6) * 977
    cfg = AugmentationConfig(noise_snr_db=[5.0, 20.0], mismatch_db=1.0, low_cut_hz=[40.0, 320.0])
    together = roughen(foa, key, cfg, RATE)
    assert torch.allclose(roughen(foa[3:5], key[3:5], cfg, RATE), together[3:5], atol=1e-5)
    assert not torch.allclose(roughen(foa, key + 1, cfg, RATE), together, atol=0.05)
    assert roughen(foa, key, AugmentationConfig(), RATE) is foa


def test_low_cut_takes_3_db_at_its_corner_and_mismatch_spares_w():
    hz = torch.tensor([0.0, 50.0, 100.0, 1600.0])
    gain = low_cut(hz, torch.tensor([100.0]))[0]
    assert (
        gain[0] == 0
        and gain[2].item() == pytest.approx(0.5**0.5)
        and gain[1].item() == pytest.approx(0.25 / (1.0625**0.5))
        and gain[3] > 0.999
    )
    foa = torch.randn(500, 4, 64)
    ratio = roughen(foa, torch.arange(500), AugmentationConfig(mismatch_db=1.0), RATE).norm(dim=-1) / foa.norm(dim=-1)
    assert torch.allclose(ratio[:, W], torch.ones(500), atol=1e-5)
    assert (20 * ratio[:, X].log10()).std().item() == pytest.approx(1.0, abs=0.1)


def test_the_probes_clips_are_roughened_as_in_training(cfg, corpus, banks):
    """So that a probe sees the same sounds streamed and cached."""
    cfg.augmentation = AugmentationConfig(noise_snr_db=[0.0, 1.0], mismatch_db=3.0)
    dataset = ClipDataset(cfg, corpus, "train", banks["train"].labels["elevation"].numpy())
    batches = [assemble(split, [dataset[0, i] for i in range(4)]) for split in ("train", PROBE)]
    trained, probed = (render(batch, cfg, banks).foa for batch in batches)
    assert torch.equal(trained, probed)


def test_evaluation_is_never_roughened(cfg, corpus, banks):
    dataset = ClipDataset(cfg, corpus, "val", banks["val"].labels["elevation"].numpy())
    sounds = []
    for augmentation in (AugmentationConfig(), AugmentationConfig(noise_snr_db=[0.0, 1.0], mismatch_db=3.0, start_share=1.0, eq_db=6.0)):
        cfg.augmentation = augmentation
        sounds.append(Spatializer(BankRooms(banks["val"]), cfg)(assemble("val", [dataset[0, i] for i in range(4)])).foa)
    assert torch.equal(*sounds)
