"""First-order ambisonics for headphones: two ears from four channels, to listen to, not to measure with.

The head is KEMAR with the normal pinna (Gardner & Martin, MIT Media Lab technical report 280, 1994), as the package `slab` ships it. Each
ear gets one filter per ambisonic channel, fitted at each frequency over the measured directions: below `MAGNITUDE_HZ` to the complex
response, above it to the magnitude alone, with the phase that the fit had one step below (magnitude least squares: Schörkhuber, Zaunschirm
& Höldrich, DAGA 2018), as four channels cannot carry the ears' delays there. What comes out is equalised to a flat diffuse field, which
takes out the measurement's loudspeaker and what the fit loses just below `MAGNITUDE_HZ`.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Iterator

import numpy as np
import soxr
import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import CHANNELS, Y, direction_from_angles, encode_direction
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.errors import ConfigError, DataError

HEAD = "KEMAR, normal pinna (Gardner & Martin 1994)"
MAGNITUDE_HZ = 1500.0
"""Above this the ears' delays are left to the envelope, Hz."""

_LENGTH_S = 0.023  # of the filters
_AHEAD_S = 0.006  # of it, put before the responses: room for the equaliser, which has zero phase
_ARRIVAL_S = 0.0009  # of a sound from the front in the measured responses
_MOST_BOOST = 10.0  # of the equaliser, as an amplitude: below and above what the loudspeaker played, there is nothing to lift
_RING_DEG = 10.0  # between the measured rings


@contextlib.contextmanager
def _no_sound_card() -> Iterator[None]:
    """`slab` imports `sounddevice`, which fails on machines without PortAudio; without the module it does not ask for it."""
    if "sounddevice" in sys.modules:
        yield
        return
    sys.modules["sounddevice"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["sounddevice"]


@functools.lru_cache(maxsize=1)
def _head() -> tuple[np.ndarray, np.ndarray, float]:
    """Left ear's responses (directions, taps), azimuth and elevation (directions, 2) in degrees, sample rate in Hz.

    Raises:
        ConfigError: `slab` is not installed.
    """
    try:
        with _no_sound_card():
            import slab
    except ImportError:
        raise ConfigError("a binaural preview needs a measured head, from slab", "pip install 'elsa-lightning[binaural]'") from None
    measured = slab.HRTF.kemar()
    left = np.stack([response.data[:, 0] for response in measured.data])
    return left, measured.sources.vertical_polar[:, :2].astype(np.float64), float(measured.samplerate)


def check_head() -> None:
    """Raise `ConfigError`, with the command that helps, if there is no measured head here."""
    _head()


@functools.lru_cache(maxsize=8)
def ear_filters(sample_rate: int) -> tuple[Tensor, int]:
    """Filters (2 ears, 4 channels, taps) float32, left ear first, and how many of their taps lie before a sound's arrival.

    The right ear's are the left ear's with Y turned round: the measured head is symmetric, so a mirrored scene swaps the ears exactly.

    Args:
        sample_rate: Hz.

    Raises:
        ConfigError: `slab` is not installed.
    """
    left, angles, measured_hz = _head()
    taps, ahead = 2 * round(_LENGTH_S * sample_rate / 2), round(_AHEAD_S * sample_rate)
    heard = soxr.resample(left.T, measured_hz, sample_rate, quality="VHQ").T * (measured_hz / sample_rate)  # (D, n) of equal spectrum
    heard = np.pad(heard, ((0, 0), (ahead, 0)))[:, :taps]
    spectra = torch.fft.rfft(torch.from_numpy(np.ascontiguousarray(heard, np.float64)), n=taps)  # (D, F)
    azimuth, elevation = torch.from_numpy(np.radians(angles)).unbind(1)
    share = _areas(angles)
    encoded = encode_direction(direction_from_angles(azimuth, elevation))  # (D, 4)
    weighted = encoded.T * share
    fit = (torch.linalg.inv(weighted @ encoded) @ weighted).to(spectra.dtype)  # (4, D)
    filters = _fitted(spectra, encoded.to(spectra.dtype), fit, sample_rate / taps)  # (4, F)
    diffuse = (share[:, None] * (encoded.to(spectra.dtype) @ filters).abs().square()).sum(0).sqrt()
    filters = filters / diffuse.clamp_min(1.0 / _MOST_BOOST)
    window = torch.ones(taps, dtype=torch.float64)
    edge = ahead // 3
    rise = torch.sin(0.5 * math.pi * (torch.arange(edge, dtype=torch.float64) + 0.5) / edge).square()
    window[:edge], window[-edge:] = rise, rise.flip(0)
    one = torch.fft.irfft(filters, n=taps) * window
    other = one.clone()
    other[Y] = -other[Y]
    return torch.stack([one, other]).float(), ahead + round(_ARRIVAL_S * sample_rate)


def _areas(angles: np.ndarray) -> Tensor:
    """(D,) share of the measured part of the sphere for which each direction stands; they add up to one."""
    elevation = angles[:, 1]
    low, high = (np.radians(np.clip(elevation + side * _RING_DEG / 2, -90, 90)) for side in (-1, 1))
    _, ring, many = np.unique(elevation, return_inverse=True, return_counts=True)
    share = (np.sin(high) - np.sin(low)) / many[ring]
    return torch.from_numpy(share / share.sum())


def _fitted(spectra: Tensor, encoded: Tensor, fit: Tensor, step_hz: float) -> Tensor:
    """(4, F) least squares in complex value up to `MAGNITUDE_HZ`, in magnitude above; spectra (D, F), fit (4, D)."""
    filters = fit @ spectra
    for bin_ in range(math.ceil(MAGNITUDE_HZ / step_hz), spectra.shape[1]):
        before = encoded @ filters[:, bin_ - 1]  # (D,)
        # the sounds' common delay goes on turning the phase, or it would stand still and the filters would come before their time
        phase = torch.polar(spectra[:, bin_].abs(), before.angle() + _turn(spectra, bin_))
        filters[:, bin_] = fit @ phase
    return filters


def _turn(spectra: Tensor, bin_: int) -> Tensor:
    """() rad by which the responses' mean phase turns from the bin before to this one."""
    return (spectra[:, bin_] * spectra[:, bin_ - 1].conj()).sum().angle()


def binaural(foa: Tensor, sample_rate: int) -> Tensor:
    """What a listener at the microphone, looking along x, hears with headphones.

    Args:
        foa: (B, 4, T) or (4, T), ACN/SN3D.
        sample_rate: Hz.

    Returns:
        (B, 2, T) or (2, T) float32, left ear first; linear in `foa` and aligned with it.

    Raises:
        ConfigError: `slab` is not installed.
        DataError: other than four channels.
    """
    if foa.ndim not in (2, 3) or foa.shape[-2] != CHANNELS:
        raise DataError(f"a signal of shape {tuple(foa.shape)} for headphones", "give first-order ambisonics, (B, 4, T) or (4, T)")
    if foa.ndim == 2:
        return binaural(foa[None], sample_rate)[0]
    filters, ahead = ear_filters(sample_rate)
    batch, channels, samples = foa.shape
    ears = filters.to(foa.device).transpose(0, 1).expand(batch, -1, -1, -1).flatten(0, 1)  # (B · 4, 2, taps)
    heard = convolve(foa.float().flatten(0, 1), ears, samples + ahead)
    return heard.unflatten(0, (batch, channels)).sum(1)[..., ahead:]
