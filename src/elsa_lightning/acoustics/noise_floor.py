"""Decays that end in noise: where a measured response stops being a decay, and its T30 without the noise's share.

A background noise lifts the Schroeder curve's end and fakes a long decay. The knee is found after Lundeby, Vigran, Bietz and Vorländer
(Acustica 81, 1995): noise from the end of the response, slope from the decay above it, their crossing, and again. The decay curve then is
"method E" of Guski and Vorländer (Acta Acustica united with Acustica 100, 2014): the noise's mean power is subtracted, the integral ends at
the crossing, and what the decay would have given beyond it is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from elsa_lightning.acoustics.bands import octave_gain
from elsa_lightning.acoustics.convolve import good_size
from elsa_lightning.acoustics.decay import decay_time_s

BLOCK_S = 0.001
"""Energies are summed over this before anything else, s."""

LEAST_RANGE_DB = 40.0
"""The decay curve must fall by so much before it meets the noise: T30 ends at −35 dB, and its last part must not be the correction."""

_ABOVE_DB = 7.0  # the late slope ends this far above the noise (Lundeby: 5 to 10 dB)
_SPAN_DB = 20.0  # and covers so much (Lundeby: 10 to 20 dB)
_CLEAR_DB = 7.0  # noise is taken from where the decay has fallen so far below it (Lundeby: 5 to 10 dB)
_INTERVALS = 5  # per 10 dB of decay (Lundeby: 3 to 10)
_FIRST_S = 0.02  # first smoothing interval (Lundeby: 10 to 50 ms)
_LAST_SHARE = 0.1  # of the response counts as noise at least
_SEEN_SHARE = 0.9  # a knee later than this is the end of the response: no noise was seen
_ROUNDS = 8


@dataclass(frozen=True)
class Decay:
    """A decay above its noise.

    Attributes:
        end_s: where it ends, from the response's start: at the knee, or with the response; s.
        noise_power: mean square of the noise; 0 where none was seen.
        t30_s: NaN where the decay has too small a range.
        range_db: by how much the decay curve falls before it ends.
    """

    end_s: float
    noise_power: float
    t30_s: float
    range_db: float

    @property
    def meets_noise(self) -> bool:
        """Whether there is a knee before the response's end."""
        return self.noise_power > 0


NO_DECAY = Decay(0.0, 0.0, math.nan, 0.0)


def decay_of(response: np.ndarray, sample_rate: int) -> Decay:
    """The decay in a response (T,)."""
    step = max(1, round(BLOCK_S * sample_rate))
    energy = np.square(response[: len(response) // step * step].astype(np.float64)).reshape(-1, step).sum(1)  # (blocks,)
    step_s = step / sample_rate
    if len(energy) < 20 or not energy.any():
        return NO_DECAY
    knee = _knee(energy, step_s)
    if knee is None:
        return NO_DECAY
    end, noise, slope = knee
    net = np.square(response[: end * step].astype(np.float64)) - noise / step
    at_end = noise if noise else max(energy[-max(1, round(_FIRST_S / step_s)) :].mean(), 1e-300)
    beyond = at_end * 10 / (math.log(10) * -slope * step_s)  # what a decay of this slope holds from its end on
    curve = net[::-1].cumsum()[::-1] + beyond
    range_db = -10 * math.log10(beyond / max(curve[0], beyond))
    if range_db < LEAST_RANGE_DB:
        return Decay(end * step_s, noise / step, math.nan, range_db)
    level = torch.from_numpy(10 * np.log10(np.maximum(curve / curve[0], 1e-30)))
    level[-1] = min(level[-1].item(), -range_db)
    t30 = decay_time_s(level[None], torch.arange(len(level), dtype=torch.float64) / sample_rate)
    return Decay(end * step_s, noise / step, float(t30), range_db)


def _knee(energy: np.ndarray, step_s: float) -> tuple[int, float, float] | None:
    """Blocks of decay, the noise's energy per block (0: none seen) and the late slope, dB/s; None where nothing decays."""
    blocks = len(energy)
    last = blocks - max(1, round(_LAST_SHARE * blocks))
    noise = energy[last:].mean()
    interval = max(1, min(round(_FIRST_S / step_s), blocks // 20))
    line = _fit(energy, 0.0, interval, noise, step_s, math.inf)
    crossing = math.inf
    for _ in range(_ROUNDS):
        if line is None:
            return None
        slope, offset = line
        before, crossing = crossing, (10 * math.log10(max(noise, 1e-300)) - offset) / slope
        if abs(crossing - before) < step_s:
            break
        start = min(last, max(0, round((crossing - _CLEAR_DB / slope) / step_s)))
        noise = energy[start:].mean()
        interval = int(np.clip(round(-10 / slope / _INTERVALS / step_s), 2, max(2, blocks // 20)))
        line = _fit(energy, noise, interval, noise, step_s, _SPAN_DB) or line
    if crossing >= _SEEN_SHARE * blocks * step_s:
        return blocks, 0.0, slope
    end = round(crossing / step_s)
    return (end, float(noise), slope) if end >= 10 else None


def _fit(energy: np.ndarray, subtracted: float, interval: int, noise: float, step_s: float, span_db: float) -> tuple[float, float] | None:
    """Slope (dB/s) and level at 0 s (dB) of the decay of block energies, over at most `span_db` above `_ABOVE_DB` over the noise."""
    whole = energy[: len(energy) // interval * interval].reshape(-1, interval).mean(1)
    time = (np.arange(len(whole)) + 0.5) * interval * step_s
    level = 10 * np.log10(np.maximum(whole - subtracted, 1e-300))
    floor = 10 * math.log10(max(noise, 1e-300)) + _ABOVE_DB
    first = int(whole.argmax())
    below = np.flatnonzero(level[first:] < floor)
    last = first + int(below[0]) if len(below) else len(whole)
    used = np.arange(first, last)
    used = used[level[used] <= floor + span_db]
    if len(used) < 3:
        used = np.arange(first, last)
    if len(used) < 2:
        return None
    slope, offset = np.polyfit(time[used], level[used], 1)
    return (float(slope), float(offset)) if slope < -1.0 else None


def octave_decays(response: np.ndarray, sample_rate: int, centres_hz: Sequence[float]) -> list[Decay]:
    """The decays of a response (T,) in octave bands, each with a noise of its own; `NO_DECAY` for bands beyond the Nyquist frequency."""
    return band_decays(response, sample_rate, centres_hz, octave_gain, 2**0.5)


def band_decays(
    response: np.ndarray, sample_rate: int, centres_hz: Sequence[float], gain: Callable[[torch.Tensor, float], torch.Tensor], edge: float
) -> list[Decay]:
    """`octave_decays` in any bands.

    Args:
        response: (T,).
        sample_rate: Hz.
        centres_hz: of the bands.
        gain: frequencies (F,) Hz and a centre → magnitude (F,) of the band's zero-phase filter.
        edge: upper edge of a band over its centre.
    """
    n = good_size(2 * len(response))
    spectrum = torch.fft.rfft(torch.from_numpy(np.ascontiguousarray(response, dtype=np.float64)), n=n)
    frequency = torch.fft.rfftfreq(n, 1 / sample_rate, dtype=torch.float64)
    found = []
    for centre in centres_hz:
        if centre * edge >= sample_rate / 2:
            found.append(NO_DECAY)
            continue
        band = torch.fft.irfft(spectrum * gain(frequency, centre), n=n)[: len(response)]
        found.append(decay_of(band.numpy(), sample_rate))
    return found
