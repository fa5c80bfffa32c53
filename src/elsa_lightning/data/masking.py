"""Gains and masks of the log-mel, each example's a function of its own key (after SpecAugment, Park et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.data.keyed import normal, uniform
from elsa_lightning.schema import AugmentationConfig


def vary_log_mel(log_mel: Tensor, key: Tensor, cfg: AugmentationConfig) -> Tensor:
    """A random overall gain, one masked stretch of frames and one of bands; masked cells take the example's mean.

    Args:
        log_mel: `(B, 1, F, M)`, dB.
        key: `(B,)` int64.
        cfg: sizes; zeros leave the log-mel as it is.
    """
    if cfg.mel_gain_db:
        log_mel = log_mel + cfg.mel_gain_db * normal(key, 1, "mel gain")[..., None, None]
    if not (cfg.mask_frames or cfg.mask_bands):
        return log_mel
    frames, bands = log_mel.shape[2:]
    masked = (
        stretch(key, frames, cfg.mask_frames, "mask frames")[:, None, :, None]
        | stretch(key, bands, cfg.mask_bands, "mask bands")[:, None, None, :]
    )
    return torch.where(masked, log_mel.mean((2, 3), keepdim=True), log_mel)


def stretch(key: Tensor, size: int, longest: int, purpose: str) -> Tensor:
    """`(B, size)` bool: one stretch per row of 0 … `longest` places, anywhere."""
    width, where = uniform(key, 2, purpose).unbind(1)
    width = (width * (min(longest, size) + 1)).long()
    start = (where * (size - width + 1)).long()
    place = torch.arange(size, device=key.device)
    return (place >= start[:, None]) & (place < (start + width)[:, None])
