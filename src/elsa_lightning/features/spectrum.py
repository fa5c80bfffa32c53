"""Short-time spectra, a block of frames at a time.

The transforms go along the last axis, frames before bins, which is the order of the features: nothing is transposed. On a CPU a block of
frames and all that is made of it stay in the cache, 2 to 8 × faster than whole spectra (docs/models.md); on a GPU a batch is one block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = 128
"""Frames of one clip at a time, on a CPU."""


def frames_of(x: Tensor, n_fft: int, hop: int) -> Tensor:
    """A view of the centred, overlapping frames of `(B, C, T)`, mirrored at its ends: `(B, C, F, n_fft)`, F = T // hop + 1."""
    return torch.nn.functional.pad(x, (n_fft // 2, n_fft // 2), mode="reflect").unfold(-1, n_fft, hop)


def blocks(frames: Tensor) -> Iterator[tuple[slice, slice]]:
    """Parts of a batch `(B, C, F, n_fft)` that are worked on together: of its clips, of their frames."""
    batch, _, count, _ = frames.shape
    if frames.device.type != "cpu":
        yield slice(0, batch), slice(0, count)
        return
    for clip in range(batch):
        for start in range(0, count, _BLOCK):
            yield slice(clip, clip + 1), slice(start, min(start + _BLOCK, count))


def int16_round_trip(w: Tensor) -> Tensor:
    """What is left of samples after LAION-CLAP's loader wrote them as 16-bit integers: clipped to ±1, cut (not rounded) to 1/32767.

    LAION's models were trained on such samples (`LAION-AI/CLAP`, training/data.py: float32_to_int16, int16_to_float32).
    """
    return (w.clamp(-1, 1) * 32767).trunc() / 32767
