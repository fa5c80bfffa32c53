"""A manifest's recording in this package's frame: ACN/SN3D, x front, y left, z up, radians; unknown labels are NaN. Imports no torch."""

from __future__ import annotations

import math

import numpy as np

from elsa_lightning.data.doctor.conventions import Convention, to_internal, unit_vectors
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.spatial_columns import DEFAULT_AXES, LABELS

_CONVENTIONS = {
    "foa_acn_sn3d": Convention("acn", "sn3d"),
    "foa_acn_n3d": Convention("acn", "n3d"),
    "foa_fuma": Convention("fuma", "fuma"),
}
_VECTORS = {
    "front": (1, 0, 0),
    "back": (-1, 0, 0),
    "left": (0, 1, 0),
    "right": (0, -1, 0),
    "up": (0, 0, 1),
    "down": (0, 0, -1),
}
_W, _XYZ = 0, [3, 1, 2]
"""Where W and X, Y, Z lie in ACN order."""

_UNKNOWN = dict.fromkeys(("azimuth", "elevation", *(name for name in LABELS if not name.endswith("_deg"))), math.nan)


def axes_matrix(axes: str) -> np.ndarray:
    """(3, 3): vectors in the recording's axes → in this package's; its columns are where x, y and z point."""
    return np.array([_VECTORS[name] for name in axes.split("-")], dtype=np.float64).T


def internal_audio(audio: np.ndarray, layout: str, axes: str = DEFAULT_AXES) -> np.ndarray:
    """A file's channels (4, T) → ACN/SN3D in this package's frame, of the same dtype. One linear map for all samples: no gain is lost.

    Args:
        audio: as the file has it.
        layout: of its channels, a `foa_…` of `spatial_columns.LAYOUTS`.
        axes: of its dipoles.

    Raises:
        DataError: other than four channels.
    """
    foa = to_internal(audio, _CONVENTIONS[layout])
    if axes != DEFAULT_AXES:
        foa = foa.copy()
        foa[_XYZ] = axes_matrix(axes) @ foa[_XYZ]
    return foa


def internal_labels(record: ClipRecord) -> dict[str, float]:
    """The record's labels by the names that rooms use (`acoustics.measure.LABELS`), angles in radians in this package's frame; NaN where
    unknown. In axes whose z lies flat, neither angle is known without the other."""
    labels = _UNKNOWN | {name: value for name in _UNKNOWN if (value := getattr(record, name, None)) is not None}
    azimuth, elevation = (math.nan if value is None else math.radians(value) for value in (record.azimuth_deg, record.elevation_deg))
    if record.axes == DEFAULT_AXES:
        return labels | {"azimuth": azimuth, "elevation": elevation}
    matrix = axes_matrix(record.axes)
    if not (math.isfinite(azimuth) and math.isfinite(elevation)) and not matrix[2, 2]:
        return labels
    x, y, z = matrix @ unit_vectors(*(0.0 if math.isnan(angle) else angle for angle in (azimuth, elevation)))
    known = {"azimuth": (math.atan2(y, x), azimuth), "elevation": (math.atan2(z, math.hypot(x, y)), elevation)}
    return labels | {name: math.nan if math.isnan(given) else turned for name, (turned, given) in known.items()}


def counted_labels(record: ClipRecord, version: int, train: bool) -> dict[str, float]:
    """`internal_labels` of an item. Outside training a recording's versions are all the same: the first alone has labels, so that each
    recording counts once."""
    return internal_labels(record) if train or version == 0 else dict(_UNKNOWN)
