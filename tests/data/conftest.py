"""A miniature corpus in ESC-50's layout, a handful of artificial rooms, and a small experiment that uses them."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.acoustics.ambisonics import encode_direction
from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.measure import LABELS, OCTAVE_T30
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.schema import AudioConfig, Esc50Config, Experiment, FeatureConfig, IntensityConfig, SpectrogramConfig, TinyTextConfig

RATE = 16000
CATEGORIES = ("dog", "rain", "sea_waves", "clock_tick")


@pytest.fixture(scope="session")
def esc50_root(tmp_path_factory):
    """Five folds of eight short clips each, at 22.05 kHz."""
    root = tmp_path_factory.mktemp("esc50")
    (root / "meta").mkdir()
    (root / "audio").mkdir()
    rng = np.random.default_rng(0)
    with open(root / "meta" / "esc50.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        for fold in range(1, 6):
            for i in range(8):
                name = f"{fold}-{100 * fold + i // 2}-{'AB'[i % 2]}-{i % 4}.wav"
                table.writerow([name, fold, i % 4, CATEGORIES[i % 4], "True", 100 * fold + i // 2, "AB"[i % 2]])
                sound = rng.standard_normal(8000 + 500 * i) * 0.1
                soundfile.write(root / "audio" / name, np.concatenate([np.zeros(700), sound]), 22050)
    return root


@pytest.fixture
def cfg(esc50_root):
    """Half a second at 16 kHz, tiny features, no worker processes."""
    experiment = Experiment()
    experiment.audio = AudioConfig(sample_rate=RATE, clip_s=0.5, min_s=0.75)
    experiment.features = FeatureConfig(SpectrogramConfig(512, 320, 16, 50.0, 8000.0), IntensityConfig(512, 320, "energy", 8))
    experiment.data.corpus = Esc50Config(root=str(esc50_root), val_folds=[4])
    experiment.data.workers, experiment.data.mono_share = 0, 0.3
    experiment.model.text = TinyTextConfig()
    experiment.trainer.batch_size, experiment.trainer.steps, experiment.evaluation.batch_size = 6, 12, 5
    return experiment


@pytest.fixture
def corpus(cfg):
    return open_corpus(cfg.data.corpus)


@pytest.fixture
def tokenizer(cfg):
    return build_tokenizer(cfg.model.text)


def artificial_bank(n: int, seed: int, split: str) -> RoomBank:
    """Rooms with a direct path in front of a decaying isotropic tail; labels that cover all words."""
    g = torch.Generator().manual_seed(seed)

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(*shape, generator=g)

    size = torch.stack([uniform(4, 15, n), uniform(4, 12, n), uniform(3, 5, n)], 1)
    microphone = size / 2
    source = microphone + uniform(-0.3, 0.3, n, 3) * size
    scene = Scene(size, source, microphone, torch.full((n, 6, 1), 0.3), torch.full((n,), 0.5), torch.arange(n))
    t30 = uniform(0.1, 1.5, n)
    time = torch.arange(RATE // 8) / RATE
    rir = torch.randn(n, 4, len(time), generator=g) * 0.02 * torch.exp(-math.log(1000) * time / t30[:, None])[:, None]
    rir[:, :, 0] += encode_direction(scene.direction)
    labels = scene.labels() | {"t30_s": t30, "c50_db": torch.zeros(n), "drr_db": torch.zeros(n)}
    octaves = {OCTAVE_T30: t30[:, None].clone()}
    return RoomBank.of(scene, rir, {name: labels[name].float() for name in LABELS} | octaves, RATE, {"split": split})


@pytest.fixture(scope="session")
def banks():
    return {split: artificial_bank(n, seed, split) for seed, (split, n) in enumerate({"train": 40, "val": 12, "test": 12}.items())}
