"""First-order ambisonics: encoding, rotation and conversion. ACN order W, Y, Z, X with SN3D weights everywhere in this package."""

from __future__ import annotations

import math

import torch
from torch import Tensor

W, Y, Z, X = 0, 1, 2, 3
"""Channel indices of ACN order."""

CHANNELS = 4
"""Channels of first order."""

DIPOLES_XYZ = (X, Y, Z)
"""Dipole channels in the order of the axes x, y, z."""

_FUMA_ORDER = (W, X, Y, Z)  # FuMa stores W, X, Y, Z


def direction_from_angles(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Unit vectors from angles.

    Args:
        azimuth: (…) rad, counter-clockwise seen from above, 0 front, +π/2 left.
        elevation: (…) rad, positive up.

    Returns:
        (…, 3) x front, y left, z up.
    """
    horizontal = elevation.cos()
    return torch.stack([horizontal * azimuth.cos(), horizontal * azimuth.sin(), elevation.sin()], dim=-1)


def angles_from_direction(direction: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth (−π, π] and elevation [−π/2, π/2], rad, of vectors (…, 3) of any length; exact at the poles (no arc sine)."""
    x, y, z = direction.unbind(-1)
    return torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))


def encode_direction(direction: Tensor) -> Tensor:
    """Gains (…, 4) with which a plane wave from `direction` (…, 3), a unit vector towards the source, enters the four channels."""
    x, y, z = direction.unbind(-1)
    return torch.stack([torch.ones_like(x), y, z, x], dim=-1)


def encode(mono: Tensor, direction: Tensor) -> Tensor:
    """Plane waves `mono` (B, T) from `direction` (B, 3) as FOA (B, 4, T), without any room."""
    return encode_direction(direction).to(mono.dtype)[..., None] * mono[:, None, :]


def rotate_yaw(foa: Tensor, angle: Tensor) -> Tensor:
    """Turn the scene about the vertical axis: a source at azimuth a moves to a + angle.

    Args:
        foa: (B, 4, T).
        angle: (B,) rad, counter-clockwise.

    Returns:
        (B, 4, T); W and Z are untouched.
    """
    cos, sin = angle.to(foa.dtype).cos()[:, None], angle.to(foa.dtype).sin()[:, None]  # (B, 1)
    y = foa[:, X] * sin + foa[:, Y] * cos
    x = foa[:, X] * cos - foa[:, Y] * sin
    return torch.stack([foa[:, W], y, foa[:, Z], x], dim=1)


def mirror_left_right(foa: Tensor, flag: Tensor) -> Tensor:
    """Reflect the scene at the median plane (azimuth → −azimuth) where `flag` (B,) bool is set; foa (B, 4, T)."""
    signs = torch.ones(foa.shape[0], CHANNELS, 1, dtype=foa.dtype, device=foa.device)
    signs[:, Y, 0] = torch.where(flag, -1.0, 1.0).to(foa.dtype)
    return foa * signs


def _dipole_gain(foa: Tensor, gain: float) -> Tensor:
    gains = torch.full((CHANNELS, 1), gain, dtype=foa.dtype, device=foa.device)
    gains[W] = 1.0
    return foa * gains


def n3d_from_sn3d(foa: Tensor) -> Tensor:
    """SN3D (…, 4, T) to N3D: the dipoles gain √3."""
    return _dipole_gain(foa, math.sqrt(3.0))


def sn3d_from_n3d(foa: Tensor) -> Tensor:
    """N3D (…, 4, T) to SN3D."""
    return _dipole_gain(foa, 1.0 / math.sqrt(3.0))


def acn_from_fuma(foa: Tensor) -> Tensor:
    """FuMa (W, X, Y, Z with W at −3 dB; …, 4, T) to ACN/SN3D."""
    w, x, y, z = foa.unbind(-2)
    return torch.stack([w * math.sqrt(2.0), y, z, x], dim=-2)


def fuma_from_acn(foa: Tensor) -> Tensor:
    """ACN/SN3D (…, 4, T) to FuMa: order W, X, Y, Z, with W at −3 dB."""
    w, x, y, z = foa[..., list(_FUMA_ORDER), :].unbind(-2)
    return torch.stack([w / math.sqrt(2.0), x, y, z], dim=-2)
