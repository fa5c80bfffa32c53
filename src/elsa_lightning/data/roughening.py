"""What real recordings add to a clean scene: a low cut, unequal dipoles, noise. Each example's is a function of its own key."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z
from elsa_lightning.acoustics.convolve import good_size
from elsa_lightning.acoustics.noise import complex_noise
from elsa_lightning.data.keyed import between, normal
from elsa_lightning.schema import AugmentationConfig

STRETCH = 4096
"""Bins of noise drawn under one key."""


def roughen(foa: Tensor, key: Tensor, cfg: AugmentationConfig, sample_rate: int) -> Tensor:
    """Low cut, then gain errors of the dipoles, then noise at a level relative to what is left of W.

    Args:
        foa: `(B, 4, T)`.
        key: `(B,)` int64.
        cfg: ranges; what is empty or zero is left out.
        sample_rate: Hz.
    """
    if not (cfg.low_cut_hz or cfg.mismatch_db or cfg.noise_snr_db):
        return foa
    length = foa.shape[-1]
    n = good_size(length)
    spectrum = torch.fft.rfft(foa, n=n)  # (B, 4, K)
    hz = torch.fft.rfftfreq(n, 1 / sample_rate, device=foa.device)  # (K,)
    if cfg.low_cut_hz:
        spectrum = spectrum * low_cut(hz, between(key, *cfg.low_cut_hz, purpose="low cut"))[:, None]
    if cfg.mismatch_db:
        gain = 10 ** (cfg.mismatch_db / 20 * normal(key, 3, "mismatch"))  # (B, 3)
        spectrum = spectrum * torch.cat([torch.ones_like(gain[:, :1]), gain], 1)[..., None]
    if cfg.noise_snr_db:
        snr_db = between(key, *cfg.noise_snr_db, purpose="noise level")  # (B,)
        noise = diffuse_noise(hz, key)  # (B, 4, K)
        level = (power(spectrum[:, W]) / power(noise[:, W])).sqrt() * 10 ** (-snr_db / 20)
        spectrum = spectrum + noise * level[:, None, None]
    return torch.fft.irfft(spectrum, n=n)[..., :length]


def low_cut(hz: Tensor, corner_hz: Tensor) -> Tensor:
    """Magnitude `(B, K)` of second-order Butterworth high passes with corners `(B,)`; zero phase."""
    return hz.square() / (hz.pow(4) + corner_hz[:, None].pow(4)).sqrt()


def diffuse_noise(hz: Tensor, key: Tensor) -> Tensor:
    """Noise `(B, 4, K)` of an isotropic field, between white and pink: in SN3D each dipole has a third of W's power."""
    bins = len(hz)
    noise = complex_noise(key, 4, 0, -(-bins // STRETCH), STRETCH).flatten(2)[..., :bins]
    slope = between(key, 0.0, 1.0, purpose="noise colour")  # (B,) power falls as f^−slope
    colour = hz.clamp_min(hz[1]).pow(-slope[:, None] / 2)  # (B, K)
    colour[:, 0] = 0.0
    share = torch.empty(4, device=hz.device).index_fill_(0, torch.tensor([Y, Z, X], device=hz.device), 1 / math.sqrt(3))
    share[W] = 1.0
    return noise * colour[:, None] * share[:, None]


def power(spectrum: Tensor) -> Tensor:
    """Sum of squares `(B,)` over the bins `(B, K)`, up to a factor; never zero."""
    return torch.view_as_real(spectrum.contiguous()).square().sum((-2, -1)).clamp_min(1e-20)  # abs() takes far longer
