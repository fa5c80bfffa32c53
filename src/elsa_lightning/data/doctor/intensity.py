"""The direction of one sound in a first-order recording whose convention is not known. NumPy only.

Channel 1 is W in every convention, and channels 2, 3, 4 are the three dipoles in some order; so direction and level are measured on the
channels as they stand. With spectra W and d (three dipoles) and ⟨·⟩ the mean over `FRAMES` × `BINS` time-frequency bins:

    intensity  I = Re⟨W* d⟩                      its direction is the source's
    coherence  c = |I| / √(⟨|W|²⟩ ⟨|d|²⟩)        1 for one plane wave, about 0 for a diffuse field
    ratio      r = √(⟨|d|²⟩ / ⟨|W|²⟩)            1 in SN3D, √2 with FuMa's W, √3 in N3D

Direction and coherence do not depend on the level of the dipoles, so neither does the choice of bins. The direction is the mean of I/|I|
over all bins and ln r the mean of its logarithm, both weighted by

    (⟨|W|²⟩ ⟨|d|²⟩)^⅛ · (c/(1−c))² · (share of the energy that is new)⁴

which leaves those where a direct sound sets in before its reflections arrive: a soft form of the coherence test by which Mohan et al. (JASA
123, 2008) choose bins of one source. c is taken to be 0.97 at most, lest one bin decide. In SN3D the dipoles together have the energy of W
for any sum of uncorrelated plane waves, whatever their directions, so reverberation scatters r but does not bias it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from elsa_lightning.data.audio_file import SILENCE

BAND_HZ = (200.0, 5000.0)
"""Below it the dipoles of real arrays are noisy, above it they alias."""

WINDOW_S = 0.008
FRAMES, BINS = 3, 5
SHORTEST_S = 0.05
LONGEST_S = 60.0
"""Of a longer stretch the beginning is taken."""

AGREEMENT = 0.7
"""Least length of the mean direction: below it the directions of the bins scatter."""

_EQUAL = 1.01  # amplitude ratio of channels that were scaled to the same level
_MOST_COHERENT = 0.97
_DYNAMICS = 1e-6  # power below which a bin is silence, relative to the loudest
_TINY = 1e-30


@dataclass(frozen=True)
class Measurement:
    """What one stretch of a recording says.

    Args:
        direction: (3,) unit vector on channels 2, 3, 4 as recorded; zeros if left out.
        ratio: amplitude of the dipoles over that of W in coherent bins; 0 if left out.
        agreement: length of the mean direction, 0 (the bins' directions scatter) to 1 (they are one).
        left_out: why the stretch cannot be used; empty if it can.
        levelled: all four channels have the same peak or the same power, as they do once scaled one by one (or clipped).
    """

    direction: np.ndarray
    ratio: float
    agreement: float
    left_out: str = ""
    levelled: bool = False


def measure(audio: np.ndarray, sample_rate: int) -> Measurement:
    """Measure a stretch.

    Args:
        audio: (4, T) as recorded.
        sample_rate: Hz.
    """
    if audio.shape[1] < SHORTEST_S * sample_rate:
        return _left_out(f"shorter than {SHORTEST_S:g} s")
    audio = np.asarray(audio[:, : round(LONGEST_S * sample_rate)], dtype=np.float64)
    peaks = np.abs(audio).max(axis=1)
    if peaks.max() < SILENCE:
        return _left_out("silent")
    if peaks[0] < SILENCE or peaks[1:].max() < SILENCE:
        return _left_out("channel 1 is silent" if peaks[0] < SILENCE else "channels 2 to 4 are silent")
    spectrum = _spectrum(audio, sample_rate)  # (4, K, F)
    w, dipoles = spectrum[0], spectrum[1:]
    vectors = _local_mean((w.conj() * dipoles).real)  # (3, K', F')
    pressure, velocity = _local_mean(np.abs(w) ** 2), _local_mean((np.abs(dipoles) ** 2).sum(axis=0))  # (K', F')
    power = np.sqrt(pressure * velocity)
    lengths = np.linalg.norm(vectors, axis=0)
    weights = _weights(power, lengths)
    if not weights.sum() > 0:
        return _left_out(f"no sound between {BAND_HZ[0]:g} and {BAND_HZ[1]:g} Hz")
    weights /= weights.sum()
    mean = (vectors / (lengths + _TINY) * weights).sum(axis=(1, 2))
    agreement = float(np.linalg.norm(mean))
    if agreement < AGREEMENT:
        return Measurement(np.zeros(3), 0.0, agreement, "too diffuse")
    log_ratio = 0.5 * (weights * np.log((velocity + _TINY) / (pressure + _TINY))).sum()
    powers = (audio**2).sum(axis=1)
    levelled = peaks.max() <= _EQUAL * peaks.min() or powers.max() <= _EQUAL**2 * powers.min()
    return Measurement(mean / agreement, math.exp(log_ratio), agreement, levelled=bool(levelled))


def _left_out(why: str) -> Measurement:
    return Measurement(np.zeros(3), 0.0, 0.0, why)


def _spectrum(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """(4, K, F) short-time spectra within the band; Hann windows at half overlap."""
    hop = max(8, round(WINDOW_S * sample_rate / 2))
    frames = np.lib.stride_tricks.sliding_window_view(audio, 2 * hop, axis=-1)[:, ::hop]  # (4, K, window)
    window = np.sin(np.pi * np.arange(2 * hop) / (2 * hop)) ** 2
    frequency = np.fft.rfftfreq(2 * hop, 1 / sample_rate)
    return np.fft.rfft(frames * window, axis=-1)[..., (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])]


def _local_mean(values: np.ndarray) -> np.ndarray:
    """(…, K, F) → (…, K − FRAMES + 1, F − BINS + 1), means over neighbouring bins."""
    for axis, count in ((-2, FRAMES), (-1, BINS)):
        values = np.lib.stride_tricks.sliding_window_view(values, count, axis=axis).mean(axis=-1)
    return values


def _weights(power: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    """(K', F'): loud, coherent and new. See the module's docstring."""
    coherence = np.minimum(intensity / (power + _TINY), _MOST_COHERENT)
    before = np.zeros_like(power)
    before[FRAMES:] = power[:-FRAMES]  # the nearest mean that shares no frame
    new = power / (power + before + _TINY)
    audible = power > _DYNAMICS * power.max()
    return audible * power**0.25 * (coherence / (1 - coherence)) ** 2 * new**4
