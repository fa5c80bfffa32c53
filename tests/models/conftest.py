"""Small models and random features, shared by this folder's tests."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

import elsa_lightning  # noqa: F401 - lets torchaudio load before transformers asks for it
from elsa_lightning.schema import (
    CoordCnnConfig,
    FeatureConfig,
    HtsatConfig,
    IntensityConfig,
    ModelConfig,
    SemanticCnnConfig,
    TinyTextConfig,
)


class RandomFeatures:
    """Features of noise: log-mel about −40 dB, intensity about 0."""

    def __init__(self, batch: int, frames: int, mels: int = 64, bands: int = 32, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.log_mel = torch.randn(batch, 1, frames, mels, generator=generator) * 15 - 40
        self.intensity = torch.randn(batch, 6, frames, bands, generator=generator) * 0.3


@pytest.fixture
def random_features():
    return RandomFeatures


@pytest.fixture
def features() -> FeatureConfig:
    return FeatureConfig(intensity=IntensityConfig(bands=32))


@pytest.fixture
def tiny_htsat() -> HtsatConfig:
    return HtsatConfig(spec_size=64, hidden_size=32, patch_embeds_hidden_size=16, depths=[1, 1], heads=[1, 2])


@pytest.fixture
def tiny_model() -> ModelConfig:
    return ModelConfig(
        semantic=SemanticCnnConfig(channels=[4, 8], width=16),
        spatial=CoordCnnConfig(channels=[4, 8], hidden=[16]),
        text=TinyTextConfig(hidden_size=16),
        embedding=32,
    )


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
