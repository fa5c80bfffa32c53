"""The ways in which first-order ambisonics are written down, and the way from each to this package's. Imports no torch.

A convention says in which order and with which weights the channels lie, which way azimuths count, and how the microphone was mounted. This
package's own is ACN order, SN3D, azimuth counter-clockwise, microphone upright and facing front (x front, y left, z up).

Orders: ACN is W, Y, Z, X (Nachbar et al. 2011, ambiX); FuMa (Furse–Malham) is W, X, Y, Z. Weights of a plane wave's dipoles relative to W:
SN3D 1; N3D √3; FuMa √2, its W being lower by 3 dB. Files mix them (ACN with FuMa's W, FuMa's order with SN3D), so every pair is a
convention.

A microphone is turned first by 180° about its own front axis (upside down: left and right, up and down change places), then by its yaw.
Axis signs need no field of their own: elevations counted downwards are an upside-down microphone with clockwise azimuths, and another zero
of the azimuth is a yaw.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from elsa_lightning.errors import ConfigError, DataError

ORDERS = {"acn": (0, 3, 1, 2), "fuma": (0, 1, 2, 3)}
"""Order → where W, X, Y, Z lie in it."""

DIPOLE_GAINS = {"sn3d": 1.0, "fuma": math.sqrt(2.0), "n3d": math.sqrt(3.0)}
"""Normalisation → amplitude of a plane wave's dipoles, taken together, over its W."""

_W_GAINS = {"sn3d": 1.0, "fuma": math.sqrt(0.5), "n3d": 1.0}

NAMES = {"sn3d": "SN3D", "fuma": "FuMa weights", "n3d": "N3D"}
"""Of the normalisations, for readers."""

SENSES = ("ccw", "cw")
"""Azimuth counter-clockwise (+90° is left) or clockwise (+90° is right), seen from above."""

YAW_STEP_DEG = 45
"""Yaws of the microphone that are told apart."""

_ORDER_WORDS = {"acn": "ACN order (W Y Z X)", "fuma": "FuMa order (W X Y Z)"}
_SENSE_WORDS = {"ccw": "azimuth counter-clockwise", "cw": "azimuth clockwise"}
_FLIP = np.diag([1.0, -1.0, -1.0])  # by 180° about x
_MIRROR = np.diag([1.0, -1.0, 1.0])  # clockwise ↔ counter-clockwise


@dataclass(frozen=True)
class Convention:
    """How a recording and its labels are written down; the default is this package's own.

    Args:
        order: of the channels, `acn` or `fuma`.
        normalisation: `sn3d`, `n3d` or `fuma`.
        azimuth: sense of the labels, `ccw` or `cw`.
        upside_down: the microphone hung by its foot, its front still in front.
        yaw_deg: the microphone's front as a true azimuth, degrees counter-clockwise (90: it faced left); kept within [0, 360).

    Raises:
        ConfigError: an unknown order, normalisation or sense, or a yaw that is not finite.
    """

    order: str = "acn"
    normalisation: str = "sn3d"
    azimuth: str = "ccw"
    upside_down: bool = False
    yaw_deg: float = 0

    def __post_init__(self) -> None:
        for name, known in (("order", ORDERS), ("normalisation", DIPOLE_GAINS), ("azimuth", SENSES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"there is no ambisonic {name} '{getattr(self, name)}'", f"choose {', '.join(known)}")
        if not math.isfinite(self.yaw_deg):
            raise ConfigError(f"a microphone cannot be turned by {self.yaw_deg} degrees", "give its yaw in degrees, counter-clockwise")
        object.__setattr__(self, "yaw_deg", self.yaw_deg % 360)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @property
    def geometry(self) -> str:
        """Everything but the normalisation, in words."""
        mount = "upside down" if self.upside_down else "upright"
        if self.yaw_deg:
            side = "" if self.yaw_deg == 180 else " to the left" if self.yaw_deg < 180 else " to the right"
            mount += f" and turned by {min(self.yaw_deg, 360 - self.yaw_deg):g}°{side}"
        return f"{_ORDER_WORDS[self.order]}, {_SENSE_WORDS[self.azimuth]}, microphone {mount}"

    def __str__(self) -> str:
        return f"{NAMES[self.normalisation]}, {self.geometry}"


def every_convention() -> tuple[Convention, ...]:
    """All conventions, with yaws in steps of `YAW_STEP_DEG`; the plainest first."""
    yaws = sorted(range(0, 360, YAW_STEP_DEG), key=lambda yaw: (yaw % 90 != 0, yaw))
    fields = itertools.product((False, True), yaws, SENSES, ORDERS, DIPOLE_GAINS)
    return tuple(Convention(order, gains, sense, flipped, yaw) for flipped, yaw, sense, order, gains in fields)


def to_internal(audio: np.ndarray, convention: Convention) -> np.ndarray:
    """Audio (4, T) recorded under a convention → ACN/SN3D with true axes, of the same dtype.

    Raises:
        DataError: other than four channels.
    """
    return _apply(_to_internal_matrix(convention), audio)


def from_internal(audio: np.ndarray, convention: Convention) -> np.ndarray:
    """The inverse of `to_internal`: what the microphone of that convention would have written.

    Raises:
        DataError: other than four channels.
    """
    return _apply(np.linalg.inv(_to_internal_matrix(convention)), audio)


def labels_to_internal(azimuth: np.ndarray, convention: Convention) -> np.ndarray:
    """Labelled azimuths (…), rad → counter-clockwise ones within (−π, π]. Its own inverse; elevations need no conversion."""
    turned = np.asarray(azimuth) * (-1 if convention.azimuth == "cw" else 1)
    return -np.remainder(np.pi - turned, 2 * np.pi) + np.pi


def label_axes(convention: Convention) -> np.ndarray:
    """(3, 3) orthogonal: channels 2, 3, 4 as recorded (relative to channel 1) → x, y, z in the frame in which the labels are written.

    Its transpose says where a labelled direction appears in the channels. Two conventions that share it differ in normalisation only.
    """
    sense = _MIRROR if convention.azimuth == "cw" else np.eye(3)
    return sense @ _mounting(convention) @ _permutation(convention)


def unit_vectors(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Angles (…), rad → (…, 3): x front, y left (right, if azimuths count clockwise), z up."""
    horizontal = np.cos(elevation)
    return np.stack([horizontal * np.cos(azimuth), horizontal * np.sin(azimuth), np.sin(elevation)], axis=-1)


def _permutation(convention: Convention) -> np.ndarray:
    """(3, 3): dipole channels as recorded → x, y, z of the microphone."""
    return np.eye(4)[list(ORDERS[convention.order])][1:, 1:]


def _mounting(convention: Convention) -> np.ndarray:
    """(3, 3) rotation: the microphone's axes → true ones."""
    angle = math.radians(convention.yaw_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    yaw = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return yaw @ (_FLIP if convention.upside_down else np.eye(3))


def _to_internal_matrix(convention: Convention) -> np.ndarray:
    """(4, 4): channels as recorded → W, Y, Z, X in SN3D."""
    w = _W_GAINS[convention.normalisation]
    matrix = np.zeros((4, 4))  # rows W, X, Y, Z
    matrix[0, 0] = 1 / w
    matrix[1:, 1:] = _mounting(convention) @ _permutation(convention) / (w * DIPOLE_GAINS[convention.normalisation])
    return matrix[[0, 2, 3, 1]]


def _apply(matrix: np.ndarray, audio: np.ndarray) -> np.ndarray:
    if audio.ndim != 2 or len(audio) != 4:
        raise DataError(
            f"audio of shape {audio.shape} is not first-order ambisonics",
            "give four channels, (4, samples); of an ACN file, cut the first four",
        )
    return (matrix @ audio).astype(audio.dtype, copy=False)
