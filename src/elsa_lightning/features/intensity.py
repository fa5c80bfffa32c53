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
        spectrum: complex STFT `(B, 4, …)`, ACN/SN3D, frames and bins in any order.

    Returns:
        vectors `(B, 6, …)`: active x, y, z, then reactive x, y, z; energy `(B, …)`.
    """
    dipoles = spectrum[:, [X, Y, Z]]  # (B, 3, …)
    product = spectrum[:, W : W + 1].conj() * dipoles  # (B, 3, …)
    energy = 0.5 * power(spectrum).sum(1)  # (B, …)
    return torch.cat([product.real, product.imag], 1), energy


def power(spectrum: Tensor) -> Tensor:
    """|·|² of a complex tensor, without the square root that `abs` takes."""
    parts = torch.view_as_real(spectrum)
    return parts[..., 0].square().addcmul_(parts[..., 1], parts[..., 1])


def normalize(vectors: Tensor, energy: Tensor, norm: str) -> Tensor:
    """Divide intensity vectors by their own norms (`unit`, the paper) or by the energy (`energy`).

    Args:
        vectors: `(B, 6, …)`, active then reactive.
        energy: `(B, …)`, pooled as the vectors are.
        norm: `unit` or `energy`.

    Returns:
        `(B, 6, …)`, every component within [−1, 1].
    """
    return normalize_(vectors.clone(), energy, floor_of(energy), norm)


def floor_of(energy: Tensor) -> Tensor:
    """Smallest divisor of each clip, `(B, 1, …)`, from the energies `(B, …)` of all its bins."""
    return FLOOR * energy.flatten(1).mean(1).reshape(-1, *[1] * (energy.dim() - 1)) + 1e-20


def normalize_(vectors: Tensor, energy: Tensor, floor: Tensor, norm: str) -> Tensor:
    """`normalize` in place, for a part of the clips' bins: `floor (B, 1, …)` is that of the whole clips."""
    if norm == "energy":
        return vectors.div_((energy + floor).unsqueeze(1))
    for part in (vectors[:, :3], vectors[:, 3:]):
        squares = part[:, 0].square().addcmul_(part[:, 1], part[:, 1]).addcmul_(part[:, 2], part[:, 2])
        part.div_(squares.sqrt_().add_(floor).unsqueeze(1))  # `part.norm(dim=1)` is ten times slower on a CPU
    return vectors


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
