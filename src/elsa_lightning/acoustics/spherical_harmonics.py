"""Real spherical harmonics of any order, as polynomials of a direction's coordinates: exact at the poles, without angles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.errors import DataError


def channels_of(order: int) -> int:
    """Ambisonic channels of an order, (N + 1)²."""
    if order < 0:
        raise DataError(f"an ambisonic order of {order} does not exist", "give 0, 1, 2, …")
    return (order + 1) ** 2


def order_of(channels: int) -> int:
    """Ambisonic order of a number of channels.

    Raises:
        DataError: no order has that many.
    """
    order = math.isqrt(max(channels, 0)) - 1
    if order < 0 or channels_of(order) != channels:
        raise DataError(f"{channels} channels are no full ambisonic order", "an order N has (N + 1)² channels: 1, 4, 9, 16, …")
    return order


def degrees_and_indices(order: int) -> list[tuple[int, int]]:
    """(n, m) of each channel in ACN order: channel n² + n + m is degree n, index m from −n to n."""
    return [(n, m) for n in range(order + 1) for m in range(-n, n + 1)]


def spherical_harmonics(direction: Tensor, order: int) -> Tensor:
    """Real spherical harmonics, ACN order, SN3D normalisation, no Condon–Shortley phase.

    Y_n^m = √((2 − δ_m0) (n−|m|)! / (n+|m|)!) · P_n^|m|(sin el) · {cos m·az for m ≥ 0, sin |m|·az for m < 0} (Nachbar et al., AmbiX, 2011).
    With x + iy = cos el · e^{i·az}, the factor cos^|m| el of P_n^|m| and the angles are the real and imaginary part of (x + iy)^|m|.

    Args:
        direction: (…, 3) unit vectors.
        order: N.

    Returns:
        (…, (N + 1)²).
    """
    channels_of(order)
    x, y, z = direction.unbind(-1)
    one = torch.ones_like(x)
    legendre = _legendre(z, order)
    cosine, sine = [one], [torch.zeros_like(x)]
    for _ in range(order):
        cosine, sine = [*cosine, x * cosine[-1] - y * sine[-1]], [*sine, x * sine[-1] + y * cosine[-1]]
    values = []
    for n, m in degrees_and_indices(order):
        k = abs(m)
        scale = math.sqrt((2 if m else 1) * math.factorial(n - k) / math.factorial(n + k))
        values.append(scale * legendre[n, k] * (sine[k] if m < 0 else cosine[k]))
    return torch.stack(values, dim=-1)


def _legendre(z: Tensor, order: int) -> dict[tuple[int, int], Tensor]:
    """P_n^m(z) / (1 − z²)^{m/2} for 0 ≤ m ≤ n ≤ N, by the recurrence over n."""
    found: dict[tuple[int, int], Tensor] = {}
    for m in range(order + 1):
        found[m, m] = torch.full_like(z, math.prod(range(1, 2 * m, 2)))  # (2m − 1)!!
        for n in range(m + 1, order + 1):
            before = found[n - 2, m] if n - 2 >= m else torch.zeros_like(z)
            found[n, m] = ((2 * n - 1) * z * found[n - 1, m] - (n + m - 1) * before) / (n - m)
    return found
