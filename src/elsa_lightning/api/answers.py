"""What the model answers: ranked labels, and a place with its spread over the windows of a sound. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from elsa_lightning.errors import DataError


@dataclass(frozen=True)
class Guess:
    """One of the labels that were asked for.

    Attributes:
        label: as given.
        probability: among these labels, by the softmax of similarities at the trained temperature; they add up to 1 whatever is heard.
        similarity: cosine to the label's prompt.
    """

    label: str
    probability: float
    similarity: float


@dataclass(frozen=True)
class Location:
    """Where a sound comes from, as the regression heads say; None for what was not trained.

    Attributes:
        azimuth_deg: counter-clockwise within (−180, 180]: 0 front, +90 left.
        elevation_deg: upwards within [−90, 90].
        direction_spread_deg: mean angle between the windows' directions and their mean; None with one window. It tells how steady the
            answer is (or whether the source moves), not how true.
        distance_m: m.
        distance_spread_m: standard deviation over the windows.
        floor_area_m2: of the room, m².
        floor_area_spread_m2: standard deviation over the windows.
        windows: windows that were averaged.
    """

    azimuth_deg: float | None
    elevation_deg: float | None
    direction_spread_deg: float | None
    distance_m: float | None
    distance_spread_m: float | None
    floor_area_m2: float | None
    floor_area_spread_m2: float | None
    windows: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def ranked(cosines: np.ndarray, scale: float, labels: Sequence[str]) -> list[list[Guess]]:
    """Labels from the likeliest on, for each sound.

    Args:
        cosines: (N, M) between sounds and the labels' prompts.
        scale: one over the temperature.
        labels: M.
    """
    logits = cosines * scale
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    return [
        [Guess(labels[i], float(chance[i]), float(cosine[i])) for i in np.argsort(-cosine, kind="stable")]
        for chance, cosine in zip(chances, cosines, strict=True)
    ]


def vectors(values: Any, width: int) -> np.ndarray:
    """Embeddings `(E,)` or `(N, E)`, an array or a tensor, in double precision.

    Raises:
        DataError: of another width, or not finite.
    """
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if values.ndim not in (1, 2) or values.shape[-1] != width or values.dtype.kind != "f":
        raise DataError(
            f"values of shape {values.shape} and type {values.dtype} are no embeddings", f"give (E,) or (N, E) with E = {width}"
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("embeddings are not finite", "find where they come from")
    return values


def located(direction: np.ndarray | None, distance: np.ndarray | None, area: np.ndarray | None, weights: np.ndarray) -> Location:
    """The windows' estimates as one.

    Args:
        direction: (K, 3) unit vectors; None: untrained, as below.
        distance: (K,), m.
        area: (K,), m²; averaged as logarithms, as it was trained.
        weights: (K,) of sum 1.
    """
    count = int(np.count_nonzero(weights))
    azimuth, elevation, spread = (None, None, None) if direction is None else mean_direction(direction, weights)
    far, far_spread = (None, None) if distance is None else _mean(np.maximum(distance, 0.0), weights)
    floor, floor_spread = None, None
    if area is not None:
        area = np.maximum(area, 1e-3)  # a head that speaks in m² may say less than nothing
        floor, floor_spread = math.exp(weights @ np.log(area)), _mean(area, weights)[1]
    one = count == 1
    return Location(
        azimuth, elevation, None if one else spread, far, None if one else far_spread, floor, None if one else floor_spread, count
    )


def mean_direction(vectors: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Azimuth, elevation and mean angle to it, degrees, of weighted unit vectors (K, 3). Angles by atan2: exact near 0."""
    vectors = vectors.astype(np.float64)
    mean = weights @ vectors
    x, y, z = mean
    angles = np.arctan2(np.linalg.norm(np.cross(vectors, mean), axis=1), vectors @ mean)
    azimuth = math.degrees(math.atan2(y, x))
    return (180.0 if azimuth == -180 else azimuth), math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(weights @ angles)


def _mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    values = values.astype(np.float64)
    mean = weights @ values
    return float(mean), float(math.sqrt(max(0.0, weights @ np.square(values - mean))))
