"""What a real first-order array does to the directions it should encode: it points elsewhere, its dipoles lag, its capsules lie apart.

Matrices are applied term by term: a batched product may add in another order in another batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z
from elsa_lightning.data.keyed import normal, uniform

PHASE_OCTAVES = 3.0
"""Octaves away from 1 kHz beyond which a phase error stays what it is."""


def orientation(key: Tensor, std_deg: float) -> Tensor:
    """Rotations `(B, 3, 3)` on x, y, z by vectors whose components are normal with this standard deviation (Rodrigues' formula)."""
    vector = math.radians(std_deg) * normal(key, 3, "orientation")  # (B, 3)
    angle = vector.square().sum(1).sqrt().clamp_min(1e-9)
    x, y, z = (vector / angle[:, None]).unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    outer = torch.stack([x * x, x * y, x * z, x * y, y * y, y * z, x * z, y * z, z * z], 1).reshape(-1, 3, 3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * torch.eye(3, device=key.device) + sin * cross + (1 - cos) * outer


def rotate_dipoles(spectrum: Tensor, rotation: Tensor) -> Tensor:
    """The scene `(B, 4, K)` turned by `rotation` `(B, 3, 3)` on x, y, z."""
    axes = [X, Y, Z]
    turned = spectrum.clone()
    turned[:, axes] = combine(rotation, spectrum[:, axes])
    return turned


def alias(spectrum: Tensor, hz: Tensor, key: Tensor, corner_hz: Tensor, leak: float) -> Tensor:
    """Encoding limits: an array of radius r samples order one rightly up to k r = 1, f = c / (2π r) (Rafaely, IEEE Trans. SAP 13(1), 2005).

    Above it the dipoles fall by 12 dB per octave (a second-order Butterworth magnitude g, zero phase), and what higher orders leave in the
    channels, whose sign turns with k r, stands for a random mixing of the channels with the share 1 − g² and a phase of 2π f / corner.

    Args:
        spectrum: `(B, 4, K)`.
        hz: `(K,)`.
        key: `(B,)` int64.
        corner_hz: `(B,)`.
        leak: standard deviation of the mixing's gains.
    """
    ratio = hz / corner_hz[:, None]  # (B, K)
    kept = 1 / (1 + ratio.pow(4))  # g²
    out = spectrum * kept.sqrt()[:, None]
    out[:, W] = spectrum[:, W]
    if leak:
        mixing = leak * normal(key, 16, "aliasing leakage").reshape(-1, 4, 4)
        out = out + combine(mixing, spectrum) * torch.polar(1 - kept, 2 * math.pi * ratio)[:, None]
    return out


def phase_error(hz: Tensor, key: Tensor, delay_us: float, phase_deg: float) -> Tensor:
    """Phase `(B, 3, K)`, radians, by which the dipoles Y, Z, X run ahead of W: of a delay τ, −2π f τ, and of a slope per octave from 1 kHz.

    Args:
        hz: `(K,)`.
        key: `(B,)` int64.
        delay_us: largest delay, µs.
        phase_deg: standard deviation of the slope, degrees per octave.
    """
    delay = 1e-6 * delay_us * (2 * uniform(key, 3, "dipole delay") - 1)  # (B, 3) s
    slope = math.radians(phase_deg) * normal(key, 3, "dipole phase")  # (B, 3)
    octaves = (hz.clamp_min(1.0) / 1000).log2().clamp(-PHASE_OCTAVES, PHASE_OCTAVES)  # (K,)
    return slope[..., None] * octaves - 2 * math.pi * delay[..., None] * hz


def shift_dipoles(spectrum: Tensor, phase: Tensor) -> Tensor:
    """The spectrum `(B, 4, K)` with its dipoles Y, Z, X ahead by `phase` `(B, 3, K)`, radians."""
    dipoles = spectrum[:, 1:] * torch.polar(torch.ones_like(phase), phase)
    return torch.cat([spectrum[:, :1], dipoles], 1)


def combine(matrix: Tensor, spectrum: Tensor) -> Tensor:
    """Σⱼ `matrix` `(B, I, J)` · `spectrum` `(B, J, K)`: `(B, I, K)`."""
    out = matrix[:, :, :1] * spectrum[:, :1]
    for j in range(1, spectrum.shape[1]):
        out = out + matrix[:, :, j : j + 1] * spectrum[:, j : j + 1]
    return out
