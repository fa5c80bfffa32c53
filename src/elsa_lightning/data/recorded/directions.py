"""Directions without torch: unit vectors x front, y left, z up; azimuth counter-clockwise, elevation up, radians."""

from __future__ import annotations

import math
from collections.abc import Iterable

Vector = tuple[float, float, float]


def unit_vector(azimuth: float, elevation: float) -> Vector:
    """The unit vector towards an azimuth and an elevation, rad."""
    horizontal = math.cos(elevation)
    return horizontal * math.cos(azimuth), horizontal * math.sin(azimuth), math.sin(elevation)


def unit_vector_deg(azimuth: float, elevation: float) -> Vector:
    """`unit_vector` of degrees."""
    return unit_vector(math.radians(azimuth), math.radians(elevation))


def angles(vector: Vector) -> tuple[float, float]:
    """Azimuth (−π, π] and elevation [−π/2, π/2], rad, of a vector of any length but 0."""
    x, y, z = vector
    return math.atan2(y, x), math.atan2(z, math.hypot(x, y))


def dot(a: Vector, b: Vector) -> float:
    """The scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def mean_direction(weighted: Iterable[tuple[float, Vector]]) -> Vector:
    """The normalised weighted sum of unit vectors, which must not cancel (they do not within 90° of each other)."""
    pairs = list(weighted)
    x, y, z = (math.fsum(weight * vector[axis] for weight, vector in pairs) for axis in range(3))
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length
