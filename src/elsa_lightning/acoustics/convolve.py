"""Sounds in rooms: FFT convolution of mono clips with FOA responses."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=256)
def good_size(n: int) -> int:
    """Smallest even 2ᵃ·3ᵇ·5ᶜ ≥ n with b, c ≤ 4; higher powers of three make the transform slow."""
    best = 1 << max(1, (n - 1).bit_length())
    for three in range(5):
        for five in range(5):
            odd = 3**three * 5**five
            candidate = odd << max(1, (-(-n // odd) - 1).bit_length())
            best = min(best, candidate)
    return best


def convolve(mono: Tensor, rir: Tensor, length: int) -> Tensor:
    """The first `length` samples of each clip in its room.

    Args:
        mono: (B, T) float32.
        rir: (B, 4, R) float32.
        length: samples to keep; zeros follow where T + R − 1 is shorter.

    Returns:
        (B, 4, length) float32.
    """
    full = mono.shape[-1] + rir.shape[-1] - 1
    # what wraps around must not reach the samples kept
    n = good_size(min(full, max(length, mono.shape[-1], rir.shape[-1]) + min(mono.shape[-1], rir.shape[-1]) - 1))
    spectrum = torch.fft.rfft(mono.float(), n=n)[:, None] * torch.fft.rfft(rir.float(), n=n)
    out = torch.fft.irfft(spectrum, n=n)[..., : min(length, full)]
    return torch.nn.functional.pad(out, (0, length - out.shape[-1]))
