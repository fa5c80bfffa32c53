"""What a recorder does to the samples: an offset, clipping, sixteen bits."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.data.keyed import between, normal, uniform
from elsa_lightning.schema import AugmentationConfig

FULL_SCALE = 1 << 15
"""Steps from zero to full scale, 16 bits."""


def record(foa: Tensor, key: Tensor, cfg: AugmentationConfig) -> Tensor:
    """Offset, then clipping, then quantisation; the tensor itself where all are off.

    Args:
        foa: `(B, 4, T)`, at any level.
        key: `(B,)` int64.
        cfg: ranges; what is empty or zero is left out.
    """
    if cfg.dc_offset:
        foa = foa + (cfg.dc_offset * normal(key, 4, "offset") * rms(foa[:, W])[:, None])[..., None]
    if cfg.clip_share:
        chosen = uniform(key, 1, "clipped")[:, 0] < cfg.clip_share
        foa = clip(foa, between(key, *cfg.clip_db, purpose="clipping level"), chosen)
    if cfg.level_dbfs:
        foa = quantise(foa, between(key, *cfg.level_dbfs, purpose="recording level"))
    return foa


def clip(foa: Tensor, below_db: Tensor, chosen: Tensor) -> Tensor:
    """The sound `(B, 4, T)`, cut `below_db` `(B,)` under W's peak where `chosen` `(B,)`: one level for all channels, like full scale."""
    limit = foa[:, W].abs().amax(-1) * 10 ** (-below_db / 20)
    limit = torch.where(chosen, limit, torch.inf)[:, None, None]
    return foa.clamp(-limit, limit)


def quantise(foa: Tensor, level_dbfs: Tensor) -> Tensor:
    """The sound `(B, 4, T)` as 16-bit integers with W's RMS at `level_dbfs` `(B,)`, without dither; at its own level again."""
    step = rms(foa[:, W]).clamp_min(1e-20) / (FULL_SCALE * 10 ** (level_dbfs / 20))  # (B,) in the units of the sound
    step = step[:, None, None]
    return (foa / step).round().clamp(-FULL_SCALE, FULL_SCALE - 1) * step


def rms(signal: Tensor) -> Tensor:
    """Root mean square `(B,)` of `(B, T)`, added in double precision: the order of the sum cannot be seen in the result."""
    return signal.double().square().mean(-1).sqrt().to(signal.dtype)
