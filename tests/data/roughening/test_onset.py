"""Sounds that begin within the clip."""

import math

import pytest
import torch

from elsa_lightning.acoustics.room_source import BankRooms
from elsa_lightning.data.datasets import ClipDataset, assemble
from elsa_lightning.data.keyed import between
from elsa_lightning.data.roughening import delay_onset
from elsa_lightning.data.roughening.onset import FADE_S, LEAST_ENERGY
from elsa_lightning.data.spatialize import Spatializer
from elsa_lightning.schema import AugmentationConfig

RATE, LEAD, CLIP = 1000, 300, 2000
ALWAYS = AugmentationConfig(start_share=1.0, start_s=[0.2, 1.0])


def test_silent_until_the_moment_then_untouched_one_sample_at_a_time():
    mono, key = torch.ones(6, LEAD + CLIP), torch.arange(6)
    late = delay_onset(mono, key, ALWAYS, CLIP, RATE)
    start = between(key, 0.2, 1.0, purpose="onset") * RATE + LEAD
    for b in range(6):
        for t in range(LEAD + CLIP):
            rise = min(max((t - start[b].item()) / (FADE_S * RATE), 0.0), 1.0)
            assert late[b, t].item() == pytest.approx(0.5 - 0.5 * math.cos(math.pi * rise), abs=1e-3)
    assert not late[:, : LEAD + 200].any() and start.std() > 100


def test_the_share_is_kept_and_sounds_that_are_over_stay():
    mono, key = torch.ones(1000, LEAD + CLIP), torch.arange(1000)
    half = AugmentationConfig(start_share=0.3)
    changed = (delay_onset(mono, key, half, CLIP, RATE) != mono).any(1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.05)
    brief = mono.clone()
    brief[:, LEAD + 150 :] = 0.01  # nearly all of its energy lies before any start
    assert (0.01**2 * CLIP) < LEAST_ENERGY * 150 and torch.equal(delay_onset(brief, key, ALWAYS, CLIP, RATE), brief)
    assert delay_onset(mono, key, AugmentationConfig(), CLIP, RATE) is mono


def test_the_key_decides_and_not_the_batch():
    mono, key = torch.randn(9, LEAD + CLIP), torch.arange(9) * 77
    cfg = AugmentationConfig(start_share=0.5)
    together = delay_onset(mono, key, cfg, CLIP, RATE)
    assert all(torch.equal(delay_onset(mono[b : b + 1], key[b : b + 1], cfg, CLIP, RATE)[0], together[b]) for b in range(9))


@pytest.mark.parametrize("split", ["train", "val"])
def test_training_sounds_begin_within_the_clip_and_others_do_not(cfg, corpus, banks, split):
    cfg.augmentation = AugmentationConfig(start_share=1.0, start_s=[0.1, 0.15])
    dataset = ClipDataset(cfg, corpus, split, banks[split].labels["elevation"].numpy())
    foa = Spatializer(BankRooms(banks[split]), cfg)(assemble(split, [dataset[0, i] for i in range(6)])).foa
    before = foa[..., : round(0.1 * cfg.audio.sample_rate)].abs().amax((1, 2))
    assert (before < 1e-3).all() if split == "train" else (before > 0.1).all()
