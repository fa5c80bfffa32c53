"""Sounds that begin within the clip, as most of a recording's do, and not before it."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.data.keyed import between, uniform
from elsa_lightning.schema import AugmentationConfig

FADE_S = 0.01
"""Length of the fade-in, s: a cut would be a click, and show the room's response as no sound does."""
LEAST_ENERGY = 0.1
"""A clip that would keep less than this share of its energy stays as it is: its sound is over by then."""


def delay_onset(mono: Tensor, key: Tensor, cfg: AugmentationConfig, clip_samples: int, sample_rate: int) -> Tensor:
    """The dry sound, silent until a moment within the clip in `start_share` of the rows; the tensor itself where that is zero.

    The moment is random, so that the silence before the direct sound tells no distance.

    Args:
        mono: `(B, P + T)`: the clip after P samples of what the sound did before.
        key: `(B,)` int64.
        cfg: share and range.
        clip_samples: T.
        sample_rate: Hz.
    """
    if not cfg.start_share:
        return mono
    start = between(key, *cfg.start_s, purpose="onset") * sample_rate + (mono.shape[1] - clip_samples)  # (B,) samples
    time = torch.arange(mono.shape[1], device=mono.device)
    rise = ((time - start[:, None]) / (FADE_S * sample_rate)).clamp(0, 1)
    late = mono * (0.5 - 0.5 * (torch.pi * rise).cos())
    kept, whole = (part[:, -clip_samples:].double().square().sum(1) for part in (late, mono))
    chosen = (uniform(key, 1, "late onset")[:, 0] < cfg.start_share) & (kept >= LEAST_ENERGY * whole)
    return torch.where(chosen[:, None], late, mono)
