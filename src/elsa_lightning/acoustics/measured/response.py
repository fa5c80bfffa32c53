"""One measured response with what is known of it, and the conversion of its channels to this package's layout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from elsa_lightning.acoustics.ambisonics import CHANNELS, acn_from_fuma, sn3d_from_n3d
from elsa_lightning.errors import DataError

LAYOUTS = ("acn_sn3d", "acn_n3d", "fuma")
"""Channel order and normalisation: W, Y, Z, X with SN3D or N3D weights; FuMa's W, X, Y, Z with W at −3 dB."""

UNKNOWN = math.nan
"""A label that nobody stated. Losses, captions and metrics leave it out."""


@dataclass(frozen=True)
class Response:
    """A measured response.

    Attributes:
        name: file, with the measurement's number where it holds several.
        room: what must not be shared between splits.
        foa: (4, T) ACN/SN3D, at its own rate.
        sample_rate: Hz.
        azimuth: rad, counter-clockwise, of the source as the microphone sees it.
        elevation: rad.
        split: where its table names one.
    """

    name: str
    room: str
    foa: np.ndarray
    sample_rate: int
    azimuth: float
    elevation: float
    distance_m: float = UNKNOWN
    floor_area_m2: float = UNKNOWN
    volume_m3: float = UNKNOWN
    split: str = ""


def to_acn_sn3d(channels: np.ndarray, layout: str, name: str) -> np.ndarray:
    """The first order of a recording (C, T) in this package's layout, (4, T) float32.

    Args:
        channels: four, or more of an ACN layout.
        layout: one of `LAYOUTS`.
        name: of the file, for messages.

    Raises:
        DataError: an unknown layout, too few channels, a number that no ambisonic order has, silence, or samples that are not finite.
    """
    if layout not in LAYOUTS:
        said = f"its layout is '{layout}'" if layout else "nothing says its channel layout"
        raise DataError(f"{name}: {said}", f"say --layout, or a column `layout`: {', '.join(LAYOUTS)}")
    count = len(channels)
    if count < CHANNELS or round(math.sqrt(count)) ** 2 != count or (layout == "fuma" and count != CHANNELS):
        wanted = "4" if layout == "fuma" else "4, 9, 16 … (an ambisonic order)"
        raise DataError(f"{name}: it has {count} channel(s), not {wanted}", "encode it to first-order ambisonics first")
    first = torch.from_numpy(np.ascontiguousarray(channels[:CHANNELS], dtype=np.float32))
    if not first.isfinite().all():
        raise DataError(f"{name}: it holds samples that are not finite", "write it again from its source")
    if not first[0].any():
        raise DataError(f"{name}: its omnidirectional channel is silent", "measure it again, or take it out")
    if layout == "fuma":
        first = acn_from_fuma(first)
    elif layout == "acn_n3d":
        first = sn3d_from_n3d(first)
    return first.numpy()
