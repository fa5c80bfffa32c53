"""Source and filter: the voices of animals and people."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.signals import Studio, harmonics, peak, resonances, rolloff

Formants = tuple[tuple[float, float, float], ...]
"""(centre Hz, bandwidth Hz, gain) of each resonance of a mouth."""


def voice(
    studio: Studio,
    freq: np.ndarray,
    envelope: np.ndarray,
    formants: tuple[Formants, ...],
    breath: float = 0.05,
    roughness: float = 0.0,
    tilt_db: float = 6.0,
    scale: float = 1.0,
) -> np.ndarray:
    """One call: a harmonic source with breath noise through mouth shapes that follow each other.

    Args:
        studio: where it is made.
        freq: (n,) fundamental in Hz.
        envelope: (n,) loudness.
        formants: one or more mouth shapes; the call moves evenly through them.
        breath: noise relative to the tone.
        roughness: depth of the fast random modulation of loudness and pitch (growl, bleat).
        tilt_db: fall of the source's harmonics per octave.
        scale: factor on all formant frequencies (below 1: a bigger animal).
    """
    n, rate = len(freq), studio.rate
    if roughness:
        knots = max(int(n / rate * 130), 2)
        rasp = np.interp(np.linspace(0, knots - 1, n), np.arange(knots), studio.noise.standard_normal(knots))  # (n,)
        freq = freq * (1 + 0.05 * roughness * np.clip(rasp, -2, 2))
        envelope = envelope * (1 + roughness * np.tanh(rasp))
    count = int(np.clip(9000 / np.median(freq), 4, 60))
    source = harmonics(freq, rate, rolloff(count, tilt_db))
    source = (source + breath * studio.white(n / rate)[:n]) * envelope
    position = np.linspace(0, len(formants) - 1, n)
    out = np.zeros(n)
    for i, mouth in enumerate(formants):
        weight = np.clip(1 - np.abs(position - i), 0, 1) if len(formants) > 1 else 1.0
        out += weight * resonances(source, rate, tuple((scale * f, w, g) for f, w, g in mouth))
    return peak(out)
