"""A measured response as a bank keeps it: at the experiment's rate, its direct sound where the simulator has it, without its noise.

- The **direct sound** is the largest sample of W within a millisecond of the onset (the first sample within 20 dB of the peak, as in
  ISO 3382-1). It is put where a simulated one lies: distance / c after the start. The delay of a measurement is a matter of its recording
  chain, and with `audio.preroll: false` it would tell rooms apart. Where the distance is unknown it is put as if for 2 m.
- What comes before the direct sound is faded in over half of the time to it, 1.25 ms at most; earlier noise is dropped.
- **The end** is where the decay meets the noise (`noise_floor`), or `rooms.rir_s`; the last 10 ms before it are faded out.
- All four channels are treated alike. T30, C50 and DRR are measured on the response before `rooms.rir_s` cuts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch

from elsa_lightning.acoustics.ambisonics import DIPOLES_XYZ, W
from elsa_lightning.acoustics.decay import c50_db, drr_db
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND
from elsa_lightning.acoustics.measured.response import Response
from elsa_lightning.acoustics.noise_floor import Decay, decay_of, octave_decays
from elsa_lightning.errors import DataError

UNKNOWN_DISTANCE_M = 2.0
"""Where the direct sound is put when nobody knows the distance: all such responses agree, so that none is told apart."""

LEAST_PEAK_DB = 20.0
"""The peak must stand so far above the root mean square of the response's last tenth: there is no onset to find in less."""

FADE_S = 0.01
"""Length of the fade at a response's end, s."""

ONSET_DB = -20.0
_PEAK_S = 0.001
_BEFORE_S = 0.0025
_DIRECTION_S = 0.0005


@dataclass(frozen=True)
class Conformed:
    """A response ready for a bank.

    Attributes:
        rir: (4, R) float32.
        labels: as `measure.LABELS`; NaN where unknown.
        octave_t30_s: of each band; NaN where unknown.
        direction_error_deg: between the stated direction and that of the direct sound's intensity.
        decay: of the whole measurement, with its direct sound where the bank has it.
        kept_s: length of what is not zero.
    """

    rir: np.ndarray
    labels: dict[str, float]
    octave_t30_s: list[float]
    direction_error_deg: float
    decay: Decay
    kept_s: float


def conform(response: Response, sample_rate: int, rir_s: float, bands_hz: Sequence[float]) -> Conformed:
    """Resample, place, cut and measure a response.

    Args:
        response: as measured.
        sample_rate: wanted, Hz.
        rir_s: length to keep, s.
        bands_hz: octaves to measure.

    Raises:
        DataError: there is no direct sound to be found.
    """
    foa = response.foa
    if response.sample_rate != sample_rate:
        foa = soxr.resample(foa.T, response.sample_rate, sample_rate, quality="VHQ").T
    foa = foa[:, : int(np.flatnonzero(foa.any(0))[-1]) + 1]  # zeros that fill up a file are no measurement
    direct = direct_sample(foa[W], sample_rate, response.name)
    distance = response.distance_m if math.isfinite(response.distance_m) else UNKNOWN_DISTANCE_M
    arrival = round(distance / SPEED_OF_SOUND * sample_rate)
    placed = _placed(foa, direct, arrival, sample_rate)  # (4, arrival + rest)
    decay = decay_of(placed[W], sample_rate)
    octaves = octave_decays(placed[W], sample_rate, bands_hz)
    end = round(decay.end_s * sample_rate) if decay.end_s else placed.shape[1]
    whole = _faded(placed, end, sample_rate)
    w, at = torch.from_numpy(whole[W][None]), torch.tensor([arrival])
    labels = {
        "azimuth": response.azimuth,
        "elevation": response.elevation,
        "distance_m": response.distance_m,
        "floor_area_m2": response.floor_area_m2,
        "volume_m3": response.volume_m3,
        "t30_s": decay.t30_s,
        "c50_db": c50_db(w, sample_rate, at).item(),
        "drr_db": drr_db(w, sample_rate, at).item(),
    }
    samples = round(rir_s * sample_rate)
    kept = min(end, samples)
    rir = np.zeros((foa.shape[0], samples), np.float32)
    rir[:, :kept] = _faded(placed, kept, sample_rate)[:, :kept]
    error = _direction_error_deg(foa, direct, sample_rate, response)
    return Conformed(rir, labels, [octave.t30_s for octave in octaves], error, decay, kept / sample_rate)


def direct_sample(w: np.ndarray, sample_rate: int, name: str) -> int:
    """Sample of the direct sound in W (T,).

    Raises:
        DataError: the response does not stand out of its own end.
    """
    size = np.abs(w)
    peak, rest = size.max(), np.sqrt(np.mean(np.square(w[-max(1, len(w) // 10) :], dtype=np.float64)))
    if not peak > rest * 10 ** (LEAST_PEAK_DB / 20):
        raise DataError(
            f"{name}: its peak is less than {LEAST_PEAK_DB:g} dB above its end: no impulse response, or one lost in noise",
            "measure it again, or take it out",
        )
    onset = int(np.argmax(size >= peak * 10 ** (ONSET_DB / 20)))
    return onset + int(size[onset : onset + max(1, round(_PEAK_S * sample_rate))].argmax())


def _placed(foa: np.ndarray, direct: int, arrival: int, sample_rate: int) -> np.ndarray:
    """The response (4, T) with its direct sound at sample `arrival`, faded in before it."""
    before = min(direct, arrival, round(_BEFORE_S * sample_rate))
    kept = foa[:, direct - before :].astype(np.float32)
    rise = before // 2
    kept[:, :rise] *= np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / max(1, rise)).astype(np.float32) ** 2
    return np.pad(kept, ((0, 0), (arrival - before, 0)))


def _faded(placed: np.ndarray, end: int, sample_rate: int) -> np.ndarray:
    """The response, silent from sample `end` on, with a short fade before it; one that ends earlier is faded at its own end."""
    faded = placed.copy()
    end = min(end, faded.shape[1])
    fall = min(end, round(FADE_S * sample_rate))
    faded[:, end - fall : end] *= np.cos(0.5 * np.pi * (np.arange(fall) + 0.5) / max(1, fall)).astype(np.float32) ** 2
    faded[:, end:] = 0
    return faded


def _direction_error_deg(foa: np.ndarray, direct: int, sample_rate: int, response: Response) -> float:
    """Angle between the stated direction and the intensity of the direct sound, degrees; NaN where the dipoles are silent."""
    reach = max(1, round(_DIRECTION_S * sample_rate))
    part = foa[:, max(0, direct - reach) : direct + reach + 1].astype(np.float64)
    heard = (part[list(DIPOLES_XYZ)] * part[W]).sum(1)
    flat = math.cos(response.elevation)
    stated = np.array([flat * math.cos(response.azimuth), flat * math.sin(response.azimuth), math.sin(response.elevation)])
    if not heard.any():
        return math.nan
    return math.degrees(math.atan2(np.linalg.norm(np.cross(heard, stated)), float(heard @ stated)))
