"""Building blocks of the synthesisers: noise, resonators, harmonic tones, envelopes, mixing. Times in seconds, frequencies in hertz."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, lfilter, sosfilt

Curve = Sequence[tuple[float, float]]
"""Breakpoints (x, y) in ascending x."""


class Studio:
    """Where a clip is made: its sample rate, its duration and a supply of noise.

    Args:
        rate: sample rate in Hz.
        seconds: duration of the clip.
        noise: generator of the noise, apart from the parameters' so that the parameters never depend on the rate.
    """

    def __init__(self, rate: int, seconds: float, noise: np.random.Generator) -> None:
        self.rate, self.seconds, self.noise = rate, seconds, noise
        self.length = round(rate * seconds)

    def samples(self, seconds: float | None) -> int:
        """Number of samples in `seconds`; None means the whole clip."""
        return self.length if seconds is None else max(round(seconds * self.rate), 8)

    def time(self, seconds: float | None = None) -> np.ndarray:
        """Time axis (n,) in seconds."""
        return np.arange(self.samples(seconds)) / self.rate

    def white(self, seconds: float | None = None) -> np.ndarray:
        """White Gaussian noise (n,) with standard deviation 1."""
        return self.noise.standard_normal(self.samples(seconds), dtype=np.float32)

    def coloured(self, curve: Curve, seconds: float | None = None) -> np.ndarray:
        """Noise (n,) of RMS 1 whose power density follows `curve`: (Hz, dB) breakpoints, straight over log frequency."""
        n = self.samples(seconds)
        size = next_fast_len(n, real=True)
        freq = np.fft.rfftfreq(size, 1 / self.rate)
        spectrum = self.noise.standard_normal(2 * len(freq), dtype=np.float32).view(np.complex64)  # (k,)
        sound = irfft(spectrum * gain_curve(freq, curve), size)[:n]
        return sound / (np.sqrt(np.mean(sound**2)) + 1e-12)


def gain_curve(freq: np.ndarray, curve: Curve) -> np.ndarray:
    """Linear gains at `freq` of a curve of (Hz, dB) breakpoints; DC is silent."""
    x, y = np.log([p[0] for p in curve]), [p[1] for p in curve]
    gain = 10 ** (np.interp(np.log(np.maximum(freq, 1e-3)), x, y) / 20)
    gain[0] = 0
    return gain.astype(np.float32)


def band_pass(sound: np.ndarray, rate: int, low: float, high: float, order: int = 2) -> np.ndarray:
    """Butterworth band-pass; a `high` beyond the band of this sample rate leaves a high-pass."""
    if high >= 0.45 * rate:
        return sosfilt(butter(order, min(low, 0.4 * rate), "highpass", fs=rate, output="sos"), sound)
    return sosfilt(butter(order, (low, high), "bandpass", fs=rate, output="sos"), sound)


def resonances(sound: np.ndarray, rate: int, peaks: Iterable[tuple[float, float, float]]) -> np.ndarray:
    """Parallel second-order resonators, H(f) = Σ g / (1 + jQ(f/f₀ - f₀/f)), applied in the frequency domain.

    Args:
        sound: (n,) samples.
        rate: sample rate in Hz.
        peaks: (centre Hz, bandwidth Hz, gain) of each resonator.
    """
    n = len(sound)
    size = next_fast_len(n + rate // 20, real=True)
    freq = np.maximum(np.fft.rfftfreq(size, 1 / rate), 1e-3)
    response = sum(g / (1 + 1j * (freq * freq - f0 * f0) / (freq * width)) for f0, width, g in peaks if f0 < 0.5 * rate)
    return irfft(rfft(sound, size) * response, size)[:n]


def ring(strikes: np.ndarray, rate: int, modes: Iterable[tuple[float, float, float]]) -> np.ndarray:
    """Damped sinusoids excited by `strikes`: a two-pole filter per mode.

    Args:
        strikes: (n,) excitation, impulses or bursts.
        rate: sample rate in Hz.
        modes: (frequency Hz, 60 dB decay s, gain) of each mode; modes above the band of this sample rate are silent.
    """
    excitation = strikes + 1e-14  # keeps the filters out of denormal numbers
    out = np.zeros(len(strikes))
    for freq, t60_s, gain in modes:
        if freq < 0.47 * rate:
            radius, angle = 10 ** (-3 / (t60_s * rate)), 2 * np.pi * freq / rate
            out += lfilter([0, gain * radius * np.sin(angle)], [1, -2 * radius * np.cos(angle), radius**2], excitation)
    return out


def phase_of(freq: np.ndarray | float, rate: int, n: int | None = None) -> np.ndarray:
    """Phase (n,) in radians of a tone whose frequency is `freq` (n,) or a constant."""
    return 2 * np.pi / rate * (np.cumsum(freq) if isinstance(freq, np.ndarray) else freq * np.arange(n or 0))


def harmonics(freq: np.ndarray, rate: int, gains: Sequence[float] | np.ndarray) -> np.ndarray:
    """Harmonic tone Σ gₖ sin(kφ) by the recurrence sin(kφ) = 2 cos φ sin((k-1)φ) - sin((k-2)φ); stops below the Nyquist frequency.

    Args:
        freq: (n,) fundamental frequency.
        rate: sample rate in Hz.
        gains: gain of harmonic 1, 2, …
    """
    phase = phase_of(freq, rate)
    usable = int(min(0.47 * rate, 14000) / np.max(freq))
    older, newer, twice_cos = np.zeros(len(phase)), np.sin(phase), 2 * np.cos(phase)
    out = gains[0] * newer
    for gain in gains[1 : max(usable, 1)]:
        older, newer = newer, twice_cos * newer - older
        out += gain * newer
    return out


def rolloff(count: int, db_per_octave: float) -> np.ndarray:
    """Gains (count,) of harmonics that fall by `db_per_octave`."""
    return np.arange(1, count + 1) ** (-db_per_octave / 6.0206)


def shape(n: int, *points: tuple[float, float]) -> np.ndarray:
    """Envelope or glide (n,) through (fraction of the length, value) breakpoints."""
    return np.interp(np.linspace(0, 1, n), [p[0] for p in points], [p[1] for p in points])


def decay(time: np.ndarray, t60_s: float, attack_s: float = 0.002) -> np.ndarray:
    """Envelope with a short linear attack and an exponential decay by 60 dB in `t60_s`."""
    return np.minimum(time / attack_s, 1) * 10 ** (-3 * time / t60_s)


def tapered(sound: np.ndarray, rate: int, fade_s: float = 0.005) -> np.ndarray:
    """`sound` with linear fades at both ends, so that a grain starts and stops without a click."""
    ramp = np.minimum(np.arange(len(sound)) / (fade_s * rate), 1)
    return sound * ramp * ramp[::-1]


def impulses(studio: Studio, times: np.ndarray, gains: np.ndarray | float = 1.0) -> np.ndarray:
    """Unit impulses (n,) at `times`, weighted by `gains`; those outside the clip are dropped."""
    position = np.round(np.asarray(times) * studio.rate).astype(int)
    inside = (position >= 0) & (position < studio.length)
    gains = np.broadcast_to(gains, position.shape)
    return np.bincount(position[inside], weights=gains[inside], minlength=studio.length)


def mix(studio: Studio, events: Iterable[tuple[float, np.ndarray]]) -> np.ndarray:
    """Sum (n,) of grains at their start times; what passes the end of the clip is cut."""
    out = np.zeros(studio.length)
    for start_s, grain in events:
        first = max(round(start_s * studio.rate), 0)
        part = grain[: max(studio.length - first, 0)]
        out[first : first + len(part)] += part
    return out


def unit(sound: np.ndarray) -> np.ndarray:
    """`sound` with RMS 1."""
    return sound / (np.sqrt(np.mean(np.square(sound))) + 1e-12)


def peak(sound: np.ndarray) -> np.ndarray:
    """`sound` with its largest magnitude at 1."""
    return sound / (np.max(np.abs(sound)) + 1e-12)
