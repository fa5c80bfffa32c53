"""Active and reactive intensity vectors of an FOA spectrum.

With P = conj(W)·[X, Y, Z] per time–frequency bin, the active intensity Re P points towards the source (the physical vector is its
negative) and the reactive intensity Im P tells of standing and near fields. With the energy ½(|W|² + |X|² + |Y|² + |Z|²) of SN3D channels
a plane wave has |Re P| = energy, and |P| never exceeds it. ELSA divides each vector by its own norm (arXiv 2409.11369); dividing by the
energy keeps the diffuseness.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z

FLOOR = 1e-6
"""Smallest divisor, relative to the clip's mean energy: silent bins give zeros, not amplified rounding noise."""


def intensity(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Active and reactive intensity, stacked, and the energy.

    Args:
        spectrum: complex STFT `(B, 4, K, F)`, ACN/SN3D.

    Returns:
        vectors `(B, 6, K, F)`: active x, y, z, then reactive x, y, z; energy `(B, K, F)`.
    """
    dipoles = spectrum[:, [X, Y, Z]]  # (B, 3, K, F)
    product = spectrum[:, W : W + 1].conj() * dipoles  # (B, 3, K, F)
    energy = 0.5 * power(spectrum).sum(1)  # (B, K, F)
    return torch.cat([product.real, product.imag], 1), energy


def power(spectrum: Tensor) -> Tensor:
    """|·|² of a complex tensor, without the square root that `abs` takes."""
    return torch.view_as_real(spectrum).square().sum(-1)


def normalize(vectors: Tensor, energy: Tensor, norm: str) -> Tensor:
    """Divide intensity vectors by their own norms (`unit`, the paper) or by the energy (`energy`).

    Args:
        vectors: `(B, 6, …)`, active then reactive.
        energy: `(B, …)`, pooled as the vectors are.
        norm: `unit` or `energy`.

    Returns:
        `(B, 6, …)`, every component within [−1, 1].
    """
    floor = FLOOR * energy.flatten(1).mean(1).reshape(-1, *[1] * (energy.dim() - 1)) + 1e-20  # (B, 1, …)
    if norm == "energy":
        return vectors / (energy + floor).unsqueeze(1)
    active, reactive = vectors[:, :3], vectors[:, 3:]
    return torch.cat([part / (part.norm(dim=1) + floor).unsqueeze(1) for part in (active, reactive)], 1)


def turn(vectors: Tensor, yaw: Tensor, mirror: Tensor) -> Tensor:
    """Intensity of the scene mirrored left to right, then turned about the vertical axis: exact, being linear in the dipoles.

    Args:
        vectors: `(B, 6, …)`, active then reactive x, y, z.
        yaw: counter-clockwise angle `(B,)`, radians.
        mirror: `(B,)` bool.

    Returns:
        `(B, 6, …)`.
    """
    shape = (-1, *[1] * (vectors.dim() - 2))
    cos, sin = yaw.cos().reshape(shape), yaw.sin().reshape(shape)
    sign = torch.where(mirror, -1.0, 1.0).to(vectors.dtype).reshape(shape)
    out = torch.empty_like(vectors)
    for start in (0, 3):
        x, y = vectors[:, start], sign * vectors[:, start + 1]
        out[:, start], out[:, start + 1] = cos * x - sin * y, sin * x + cos * y
        out[:, start + 2] = vectors[:, start + 2]
    return out
