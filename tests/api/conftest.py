"""A small model with random weights, and sounds."""

from __future__ import annotations

import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning import Audio, Elsa
from elsa_lightning.api.folder import Parts
from elsa_lightning.config import load_experiment
from elsa_lightning.features import FrontEnd
from elsa_lightning.losses.spatial import TargetScale
from elsa_lightning.models import ElsaModel, build_tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 16000

ABOUT = {
    "corpus": {"name": "barks", "content_hash": "ab12", "licence": "CC0-1.0", "synthetic": True},
    "metrics": {"localization/doa_mae_deg": 12.34, "retrieval/map10": 0.518},
    "gallery": {"clips": 44, "test examples": 88},
    "steps": 12,
    "run": "train/0123",
}


def make_parts(*overrides: str) -> Parts:
    """Random weights at the smoke profile's sizes."""
    cfg = load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=overrides).experiment
    torch.manual_seed(1)
    network = ElsaModel(cfg.model, cfg.features)
    front_end = FrontEnd(cfg.features, cfg.audio.sample_rate)
    for part in network.modules():  # batch norms learn their statistics: without these a random network hears nothing
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = 1.0
    with torch.no_grad():
        network.embed_audio(front_end(torch.randn(16, 1, RATE) * torch.randn(16, 4, 1) + 0.3 * torch.randn(16, 4, RATE)))
    network.eval()
    scales = {"distance": TargetScale(2.0, 0.8), "area": TargetScale(4.0, 0.7)}
    return Parts(cfg, network, build_tokenizer(cfg.model.text), scales, dict(ABOUT))


@pytest.fixture(scope="session")
def parts() -> Parts:
    return make_parts()


@pytest.fixture(scope="session")
def model(parts) -> Elsa:
    return Elsa(parts, "cpu")


@pytest.fixture(scope="session")
def folder(model, tmp_path_factory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("models") / "small"
    model.save_pretrained(place)
    return place


def noise(seconds: float, channels: int = 4, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """(channels, T) float32; (T,) of one."""
    rng = np.random.default_rng(seed)
    samples = (0.1 * rng.standard_normal((channels, round(seconds * rate)))).astype(np.float32)
    samples *= 1 + np.sin(np.linspace(0, 7 + seed, samples.shape[1]), dtype=np.float32) / 2
    return samples if channels > 1 else samples[0]


def foa(seconds: float, seed: int = 0, rate: int = RATE) -> Audio:
    return Audio(noise(seconds, 4, rate, seed), rate, "foa_acn_sn3d")


def write(path: pathlib.Path, samples: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> pathlib.Path:
    """A WAV of (C, T) or (T,)."""
    soundfile.write(path, samples.T, rate, subtype=subtype)
    return path
