"""Ambisonics: encoding, rotation and conversion. ACN order (W, Y, Z, X, …) with SN3D weights everywhere in this package.

The product is first-order; encoding, yaw, mirrors and N3D take any order, general rotations and FuMa the first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.acoustics.spherical_harmonics import degrees_and_indices, order_of, spherical_harmonics
from elsa_lightning.errors import DataError

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


def encode_direction(direction: Tensor, order: int = 1) -> Tensor:
    """Gains with which a plane wave enters the channels.

    Args:
        direction: (…, 3) unit vectors towards the source.
        order: ambisonic order N.

    Returns:
        (…, (N + 1)²).
    """
    if order != 1:
        return spherical_harmonics(direction, order)
    x, y, z = direction.unbind(-1)
    return torch.stack([torch.ones_like(x), y, z, x], dim=-1)


def encode(mono: Tensor, direction: Tensor, order: int = 1) -> Tensor:
    """Plane waves `mono` (B, T) from `direction` (B, 3), without any room: (B, (order + 1)², T)."""
    return encode_direction(direction, order).to(mono.dtype)[..., None] * mono[:, None, :]


def rotate_yaw(signal: Tensor, angle: Tensor) -> Tensor:
    """Turn the scene about the vertical axis: a source at azimuth a moves to a + angle. Exact at any order.

    Channels m and −m of a degree turn into each other by |m| times the angle; those of index 0 (W, Z, …) are untouched.

    Args:
        signal: (B, (N + 1)², T).
        angle: (B,) rad, counter-clockwise.
    """
    turned = list(signal.unbind(1))
    angle = angle.to(signal.dtype)
    for channel, (n, m) in enumerate(degrees_and_indices(order_of(signal.shape[1]))):
        if m > 0:
            cos, sin = (m * angle).cos()[:, None], (m * angle).sin()[:, None]  # (B, 1)
            opposite = n * n + n - m
            turned[opposite] = signal[:, channel] * sin + signal[:, opposite] * cos
            turned[channel] = signal[:, channel] * cos - signal[:, opposite] * sin
    return torch.stack(turned, dim=1)


def rotate(foa: Tensor, rotation: Tensor) -> Tensor:
    """Turn a first-order scene: a source in direction d moves to `rotation` · d.

    Args:
        foa: (B, 4, T).
        rotation: (B, 3, 3), orthogonal, on the axes x, y, z; a reflection mirrors the scene.

    Raises:
        DataError: a matrix that is not orthogonal would change the sound, not turn it; or more channels than four.
    """
    if foa.shape[1] != CHANNELS:
        raise DataError(f"{foa.shape[1]} channels: general rotations are first-order", "use rotate_yaw and mirror at higher orders")
    matrix = rotation.to(foa.dtype)
    identity = torch.eye(3, dtype=foa.dtype, device=foa.device)
    if not torch.allclose(matrix @ matrix.transpose(1, 2), identity.expand_as(matrix), atol=1e-4):
        raise DataError("the rotation is not orthogonal", "give rotation matrices: R · Rᵀ = 1")
    dipoles = matrix @ foa[:, list(DIPOLES_XYZ)]  # (B, 3, T)
    return torch.stack([foa[:, W], dipoles[:, 1], dipoles[:, 2], dipoles[:, 0]], dim=1)


PLANES = {"left_right": lambda n, m: m < 0, "front_back": lambda n, m: (m < 0) != (m % 2 == 1), "up_down": lambda n, m: (n + m) % 2 == 1}
"""Mirror plane → whether a channel of degree n and index m changes sign."""


def mirror(signal: Tensor, flag: Tensor, plane: str = "left_right") -> Tensor:
    """Reflect the scene where `flag` is set. Exact at any order.

    Args:
        signal: (B, (N + 1)², T).
        flag: (B,) bool.
        plane: `left_right` (azimuth → −azimuth), `front_back` (azimuth → 180° − azimuth) or `up_down` (elevation → −elevation).
    """
    if plane not in PLANES:
        raise DataError(f"there is no mirror plane '{plane}'", f"choose {', '.join(PLANES)}")
    odd = torch.tensor([PLANES[plane](n, m) for n, m in degrees_and_indices(order_of(signal.shape[1]))], device=signal.device)
    signs = torch.where(flag[:, None] & odd, -1.0, 1.0).to(signal.dtype)  # (B, channels)
    return signal * signs[..., None]


def mirror_left_right(signal: Tensor, flag: Tensor) -> Tensor:
    """Reflect the scene at the median plane (azimuth → −azimuth) where `flag` (B,) bool is set; signal (B, (N + 1)², T)."""
    return mirror(signal, flag)


def _degree_gain(signal: Tensor, power: float) -> Tensor:
    degrees = [n for n, _ in degrees_and_indices(order_of(signal.shape[-2]))]
    gains = torch.tensor([(2 * n + 1) ** power for n in degrees], dtype=signal.dtype, device=signal.device)
    return signal * gains[:, None]


def n3d_from_sn3d(signal: Tensor) -> Tensor:
    """SN3D (…, (N + 1)², T) to N3D: degree n gains √(2n + 1)."""
    return _degree_gain(signal, 0.5)


def sn3d_from_n3d(signal: Tensor) -> Tensor:
    """N3D (…, (N + 1)², T) to SN3D."""
    return _degree_gain(signal, -0.5)


def _first_order(foa: Tensor) -> Tensor:
    """The signal itself; raises `DataError` on other than four channels, which would be dropped or mistaken."""
    if foa.shape[-2] != CHANNELS:
        raise DataError(f"{foa.shape[-2]} channels: FuMa is converted at first order only", "give the first four channels of an ACN signal")
    return foa


def acn_from_fuma(foa: Tensor) -> Tensor:
    """FuMa (W, X, Y, Z with W at −3 dB; …, 4, T) to ACN/SN3D."""
    w, x, y, z = _first_order(foa).unbind(-2)
    return torch.stack([w * math.sqrt(2.0), y, z, x], dim=-2)


def fuma_from_acn(foa: Tensor) -> Tensor:
    """ACN/SN3D (…, 4, T) to FuMa: order W, X, Y, Z, with W at −3 dB."""
    w, x, y, z = _first_order(foa)[..., list(_FUMA_ORDER), :].unbind(-2)
    return torch.stack([w / math.sqrt(2.0), x, y, z], dim=-2)
