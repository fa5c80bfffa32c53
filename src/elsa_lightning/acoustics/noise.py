"""Gaussian noise that belongs to a scene: the same on every device, in any batch and for any length.

One long carrier of complex Gaussian numbers is drawn once per process from a fixed seed. A scene's frame takes the stretch at which a
hash of (its seed, channel, frame) points. That costs one hash per frame and one copy, where drawing normals per scene would cost most of
the rendering.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

_CARRIER = 1 << 20
_SEED = 20_240_911
# splitmix64 (Steele, Lea & Flood, OOPSLA 2014) in two's complement
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_A = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_B = 0x94D049BB133111EB - (1 << 64)


@functools.lru_cache(maxsize=4)
def _carrier(device: str) -> Tensor:
    """(2²⁰,) complex64 with E|z|² = 1."""
    pairs = np.random.Generator(np.random.Philox(_SEED)).standard_normal((_CARRIER, 2), dtype=np.float32)
    return torch.view_as_complex(torch.from_numpy(pairs * np.float32(np.sqrt(0.5)))).to(device)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # logical, not arithmetic


def hash64(x: Tensor) -> Tensor:
    """Splitmix64 of int64 tensors; wraps like unsigned arithmetic."""
    x = x + _GAMMA
    x = (x ^ _shift_right(x, 30)) * _MIX_A
    x = (x ^ _shift_right(x, 27)) * _MIX_B
    return x ^ _shift_right(x, 31)


def complex_noise(seed: Tensor, channels: int, first_frame: int, frames: int, bins: int) -> Tensor:
    """Independent complex Gaussian numbers of unit mean power.

    Args:
        seed: (B,) int64.
        channels: number of channels.
        first_frame: index of the first frame; frame k is the same whatever range is asked for.
        frames: number of frames.
        bins: numbers per frame.

    Returns:
        (B, channels, frames, bins) complex64.
    """
    device = seed.device
    channel = torch.arange(channels, device=device)
    frame = torch.arange(first_frame, first_frame + frames, device=device)
    key = hash64(hash64(hash64(seed)[:, None] + channel)[:, :, None] + frame)  # (B, channels, frames)
    offset = _shift_right(key, 1) % (_CARRIER - bins)
    return _carrier(str(device)).unfold(0, bins, 1)[offset]
