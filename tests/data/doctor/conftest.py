"""Sounds for the doctor: rendered rooms, and what a corpus of any convention holds of them."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.data.doctor.conventions import from_internal, labels_to_internal, unit_vectors
from elsa_lightning.data.doctor.diagnosis import Stretch

RATE = 16000
ROOMS = ((6.0, 5.0, 3.2), (4.2, 5.4, 2.7), (8.0, 6.5, 3.5))
ABSORPTION = (0.35, 0.3, 0.4)


def bursts(rng, samples):
    """Noise in syllables: a few starts a second, with pauses."""
    envelope = np.interp(np.arange(samples), np.arange(0, samples + RATE // 12, RATE // 12), rng.uniform(-0.6, 1, samples * 12 // RATE + 2))
    return rng.standard_normal(samples) * np.clip(envelope, 0, None) ** 2


@pytest.fixture(scope="session")
def rendered():
    """Eighteen sounds in three rooms, with microphone noise at -30 dB: [(audio (4, T) ACN/SN3D, azimuth, elevation)]."""
    rng = np.random.default_rng(11)
    size = torch.tensor(ROOMS).repeat_interleave(6, 0)
    microphone = size * 0.5 - 0.2
    azimuth, elevation = rng.uniform(-math.pi, math.pi, 18), rng.uniform(-0.9, 0.9, 18)
    source = microphone + torch.from_numpy(unit_vectors(azimuth, elevation)).float() * torch.linspace(0.8, 1.3, 18)[:, None]
    walls = torch.tensor(ABSORPTION).repeat_interleave(6)[:, None, None].expand(18, 6, 1).contiguous()
    scene = Scene(size, source, microphone, walls, torch.full((18,), 0.5), torch.arange(18))
    samples = RATE * 3 // 4
    mono = torch.from_numpy(np.stack([bursts(rng, samples) for _ in range(18)])).float()
    foa = convolve(mono, render_rir(scene, RATE, 0.3, [1000.0]), samples).double().numpy()
    foa += 10**-1.5 * foa.std(axis=(1, 2), keepdims=True) * rng.standard_normal(foa.shape)
    return list(zip(foa, azimuth, elevation, strict=True))


def recorded(sounds, convention):
    """What a corpus of that convention holds of those sounds."""
    return [
        Stretch(f"clip{i}", from_internal(audio, convention), RATE, float(labels_to_internal(azimuth, convention)), float(elevation))
        for i, (audio, azimuth, elevation) in enumerate(sounds)
    ]
