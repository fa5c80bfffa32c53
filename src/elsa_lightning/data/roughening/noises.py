"""Spectra of noise: of the room, of the microphone, of what shakes it. Each example's is a function of its key."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z
from elsa_lightning.acoustics.noise import complex_noise
from elsa_lightning.data.keyed import between, sub_key, uniform

STRETCH = 4096
"""Bins of noise drawn under one key."""
RUMBLE_HZ = 60.0
"""Corner above which rumble falls off, by 24 dB per octave."""
RUMBLE_EXCESS_DB = 20.0
"""Most that a dipole's rumble lies above W's, dB: gradients are the more sensitive to wind and shaking."""
BOOST_LIMIT = 10.0
"""Largest amplification of the dipoles' self-noise at low frequencies: no array's equaliser follows the law down to 0 Hz."""


def diffuse_noise(hz: Tensor, key: Tensor) -> Tensor:
    """Noise `(B, 4, K)` of an isotropic field, between white and pink: in SN3D each dipole has a third of W's power."""
    noise = white(hz, key)
    slope = between(key, 0.0, 1.0, purpose="noise colour")  # (B,) power falls as f^−slope
    colour = hz.clamp_min(hz[1]).pow(-slope[:, None] / 2)  # (B, K)
    colour[:, 0] = 0.0
    share = torch.empty(4, device=hz.device).index_fill_(0, torch.tensor([Y, Z, X], device=hz.device), 1 / math.sqrt(3))
    share[W] = 1.0
    return noise * colour[:, None] * share[:, None]


def self_noise(hz: Tensor, key: Tensor, corner_hz: Tensor) -> Tensor:
    """A microphone's own noise `(B, 4, K)`: the same white noise in each of a tetrahedron's four capsules, as B-format.

    A cardioid capsule towards the unit vector d hears a = (W + d·v) / 2, with v = (X, Y, Z). As Σ d = 0 and Σ d dᵀ = 4/3, W = ½ Σ a and
    v = 3/2 Σ d a. Noise of power σ² in each a, independent, thus has power σ² in W and 9/4 · 4/3 σ² = 3 σ² in each dipole, and the four
    stay uncorrelated. Capsules that lie close together differ the less the lower the frequency; a dipole's equaliser makes up for it with
    a gain that rises by 6 dB per octave below a corner (first-order gradients: Elko, Superdirectional microphone arrays, 2000), here
    √(1 + (corner / f)²), up to `BOOST_LIMIT`.

    Args:
        hz: `(K,)`.
        key: `(B,)` int64.
        corner_hz: `(B,)`.
    """
    corner_hz = corner_hz[:, None]
    floored = torch.maximum(hz, corner_hz / math.sqrt(BOOST_LIMIT**2 - 1))  # (B, K)
    dipoles = (3 * (1 + (corner_hz / floored).square())).sqrt()
    gain = torch.stack([torch.ones_like(dipoles), dipoles, dipoles, dipoles], 1)
    return white(hz, sub_key(key, "self noise")) * gain


def rumble(hz: Tensor, key: Tensor) -> Tensor:
    """Handling, wind and floor noise `(B, 4, K)` below `RUMBLE_HZ`, independent in each channel; dipoles are louder by up to
    `RUMBLE_EXCESS_DB`."""
    shape = 1 / (1 + (hz / RUMBLE_HZ).pow(8)).sqrt()  # (K,) fourth-order Butterworth low pass
    shape[0] = 0.0
    excess = 10 ** (RUMBLE_EXCESS_DB / 20 * uniform(key, 3, "rumble of dipoles"))  # (B, 3)
    gain = torch.cat([torch.ones_like(excess[:, :1]), excess], 1)
    return white(hz, sub_key(key, "rumble")) * shape * gain[..., None]


def white(hz: Tensor, key: Tensor) -> Tensor:
    """Independent complex Gaussian numbers `(B, 4, K)` of unit mean power."""
    bins = len(hz)
    return complex_noise(key, 4, 0, -(-bins // STRETCH), STRETCH).flatten(2)[..., :bins]


def power(spectrum: Tensor) -> Tensor:
    """Sum of squares `(B,)` over the bins `(B, K)`, up to a factor; never zero. Added in double precision, so that the order, which the
    batch and the threads decide, cannot be seen in the result."""
    squares = torch.view_as_real(spectrum.contiguous()).square()  # abs() takes far longer
    return squares.sum((-2, -1), dtype=torch.float64).clamp_min(1e-20).to(squares.dtype)
