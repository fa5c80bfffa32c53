"""A sound at a clicked place of a room: rendered, measured, compared with captions. No gradio."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z
from elsa_lightning.acoustics.binaural import binaural
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.placing import MARGIN_M, room_with_t30
from elsa_lightning.api.answers import Location
from elsa_lightning.api.audio import Audio
from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.foley.clip import draw

PEAK = 0.9
LONGEST_S = 20.0
"""An uploaded sound is cut to this length, s: a page should answer at once."""
LAYOUT = "foa_acn_sn3d"
EARS_M = 1.2
"""Height of the microphone, m, or less in a low room."""
_SECONDS = 4.0
_OFF_CENTRE = (0.46, 0.47)  # not on a middle plane, where reflections of opposite walls coincide


@dataclass(frozen=True)
class Room:
    """A shoebox with the microphone near its middle, looking along x.

    Attributes:
        length, width, height: along x (front), y (left), z, m.
        t30: wanted reverberation time, s.
    """

    length: float
    width: float
    height: float
    t30: float

    @property
    def size(self) -> tuple[float, float, float]:
        """Along x, y, z, m."""
        return self.length, self.width, self.height

    @property
    def microphone(self) -> tuple[float, float, float]:
        """Its place, m."""
        return _OFF_CENTRE[0] * self.length, _OFF_CENTRE[1] * self.width, min(EARS_M, 0.45 * self.height)


@dataclass(frozen=True)
class Rendered:
    """A sound in a room.

    Attributes:
        foa: `(4, T)` float32, W Y Z X, SN3D, peak `PEAK`.
        rate: Hz.
        azimuth_deg, elevation_deg, distance_m: true place, from the microphone.
        t30_s: measured in the rendered response; nan where it cannot be told.
    """

    foa: np.ndarray
    rate: int
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    t30_s: float


def sound_of(file: str | os.PathLike | None, label: str, seed: int, rate: int) -> np.ndarray:
    """A mono sound `(T,)` float32: of a file, mixed down and cut to `LONGEST_S`, or synthetic.

    Raises:
        DataError: a file that cannot be read, or no such class.
    """
    if file:
        return read_audio(file, rate)[: round(LONGEST_S * rate)]
    made = max(rate, 16000)  # nothing is synthesised below
    audio = draw(seed, 0, "test", label, made, _SECONDS).audio
    if made == rate:
        return audio
    import soxr

    return soxr.resample(audio, made, rate, quality="HQ")


def render(mono: np.ndarray, rate: int, room: Room, source: tuple[float, float, float], seed: int = 0) -> Rendered:
    """Put a sound `(T,)` at a place of a room, m from its corner.

    Raises:
        DataError: a place outside the room or on the microphone, or a reverberation that the room cannot have.
    """
    if not all(math.isfinite(value) and value > 2 * MARGIN_M for value in room.size) or not 0 < room.t30 < math.inf:
        raise DataError(f"a room of {room.size} m with a T30 of {room.t30} s", f"give sides above {2 * MARGIN_M} m and a T30 above 0")
    if not all(MARGIN_M <= value <= side - MARGIN_M for value, side in zip(source, room.size, strict=True)):
        raise DataError(f"the source at {_by(source)} m is not inside the room", f"keep {MARGIN_M} m from each wall")
    offset = np.subtract(source, room.microphone)
    distance = float(np.linalg.norm(offset))
    if distance < MARGIN_M:
        raise DataError("the source is on the microphone", f"click at least {MARGIN_M} m beside it")
    size, microphone, place = (torch.tensor(values, dtype=torch.float32) for values in (room.size, room.microphone, source))
    _, rir, labels = room_with_t30(size, microphone, place, room.t30, seed, rate)  # (1, 4, R)
    foa = convolve(torch.from_numpy(np.ascontiguousarray(mono, np.float32))[None], rir, len(mono) + rir.shape[2] - 1)[0].numpy()
    azimuth, elevation = angles(offset)
    return Rendered(foa * (PEAK / max(np.abs(foa).max(), 1e-9)), rate, azimuth, elevation, distance, labels["t30_s"])


def ears(rendered: Rendered) -> np.ndarray:
    """For headphones, `(T, 2)` float32, left ear first, peak `PEAK`.

    Raises:
        ConfigError: the extra `binaural` is not installed.
    """
    heard = binaural(torch.from_numpy(rendered.foa), rendered.rate).numpy()
    return (heard * (PEAK / max(np.abs(heard).max(), 1e-9))).T


def intensity_direction(foa: np.ndarray) -> tuple[float, float]:
    """Azimuth and elevation, degrees, to which the mean active intensity of `(4, T)` points: W times X, Y, Z, averaged over time."""
    return angles([float(np.dot(foa[W], foa[channel])) for channel in (X, Y, Z)])


def ranking(model: Any, rendered: Rendered, captions: str) -> list[tuple[str, float]]:
    """Captions, one a line, with their cosines to the sound, likeliest first.

    Raises:
        DataError: no captions.
    """
    lines = list(dict.fromkeys(line.strip() for line in captions.splitlines() if line.strip()))
    if not lines:
        raise DataError("there are no captions", "type some, one a line")
    cosines = model.similarity(model.embed_audio(_audio(rendered)), model.embed_text(lines))
    return [(lines[i], float(cosines[i])) for i in np.argsort(-cosines, kind="stable")]


def location(model: Any, rendered: Rendered) -> Location | None:
    """Where the model's heads hear it; None of a model without them."""
    try:
        return model.locate(_audio(rendered))
    except ConfigError:
        return None


def angles(vector: Any) -> tuple[float, float]:
    """Azimuth (counter-clockwise, +90 left) and elevation of `(x, y, z)`, degrees."""
    x, y, z = (float(value) for value in vector)
    return math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))


def _audio(rendered: Rendered) -> Audio:
    return Audio(rendered.foa, rendered.rate, LAYOUT)


def _by(values: Any) -> str:
    return " × ".join(f"{value:.2f}" for value in values)
