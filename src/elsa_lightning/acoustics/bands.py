"""Octave bands as smooth masks over frequency, and the zero-phase high pass.

A quantity known at the bands' centres is interpolated between them by cos² in the logarithm of frequency, held below the first and above
the last centre. The masks add up to one at every frequency, so equal bands give a flat response.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_HIGHEST_SHARE = 0.9  # of the Nyquist frequency


def usable_bands(bands_hz: Sequence[float], sample_rate: int) -> tuple[float, ...]:
    """The bands whose centre lies below 0.9 of the Nyquist frequency; the first band at least."""
    limit = _HIGHEST_SHARE * sample_rate / 2
    return tuple(f for f in bands_hz if f <= limit) or tuple(bands_hz[:1])


def band_weights(bands_hz: Sequence[float], frequency_hz: Tensor) -> tuple[Tensor, Tensor]:
    """Where each frequency lies between the bands' centres.

    Args:
        bands_hz: ascending centres, Hz.
        frequency_hz: (F,) Hz.

    Returns:
        index (F,) int64 of the band below, in [0, bands − 2] (0 if there is one band), and weight (F,) in [0, 1] of the band above it.
    """
    centres = torch.tensor(bands_hz, dtype=torch.float64, device=frequency_hz.device).log()
    position = frequency_hz.double().clamp_min(1e-3).log()
    if len(bands_hz) == 1:
        return torch.zeros_like(position, dtype=torch.long), torch.zeros_like(position, dtype=torch.float32)
    index = (torch.searchsorted(centres, position) - 1).clamp(0, len(bands_hz) - 2)
    share = ((position - centres[index]) / (centres[index + 1] - centres[index])).clamp(0, 1)
    return index, torch.sin(0.5 * math.pi * share).square().float()


def band_masks(bands_hz: Sequence[float], frequency_hz: Tensor) -> Tensor:
    """(bands, F) masks that add up to one; see the module's docstring."""
    index, weight = band_weights(bands_hz, frequency_hz)
    masks = torch.zeros(len(bands_hz), frequency_hz.numel(), device=frequency_hz.device)
    masks.scatter_(0, index[None], (1.0 - weight)[None])
    if len(bands_hz) > 1:
        masks.scatter_(0, index[None] + 1, weight[None])
    return masks


def band_power(bands_hz: Sequence[float], sample_rate: int, points: int = 4096) -> Tensor:
    """(bands, bands) mean over frequency of mask_i · mask_j.

    A white sound whose amplitude at the centres is a has the mean power aᵀ M a: what "full band" means here.
    """
    frequency = (torch.arange(points) + 0.5) * (sample_rate / 2 / points)
    masks = band_masks(bands_hz, frequency).double()
    return (masks @ masks.T / points).float()


def high_pass_gain(frequency_hz: Tensor, cutoff_hz: float) -> Tensor:
    """(F,) gain of a second-order Butterworth high pass applied forwards and backwards (zero phase); ones for a cut-off of 0."""
    if cutoff_hz <= 0:
        return torch.ones_like(frequency_hz)
    power = (frequency_hz / cutoff_hz) ** 4
    return power / (1.0 + power)


def nyquist_taper(bins: int, device: torch.device | str = "cpu", share: float = 0.1) -> Tensor:
    """(bins,) raised-cosine roll-off over the top `share` of a one-sided spectrum, so that delays between samples do not ring."""
    position = torch.linspace(0.0, 1.0, bins, device=device)
    return 0.5 + 0.5 * torch.cos(math.pi * ((position - (1.0 - share)) / share).clamp(0, 1))


def octave_gain(frequency_hz: Tensor, centre_hz: float, order: int = 3) -> Tensor:
    """(F,) magnitude of a Butterworth band pass of one octave; used with zero phase. A brick wall would ring at −50 dB into every decay."""
    return _butterworth(frequency_hz, centre_hz, centre_hz * (math.sqrt(2.0) - math.sqrt(0.5)), order)


def third_octave_gain(frequency_hz: Tensor, centre_hz: float, order: int = 3) -> Tensor:
    """(F,) magnitude of a Butterworth band pass of a third octave, as `octave_gain`."""
    return _butterworth(frequency_hz, centre_hz, centre_hz * (10**0.05 - 10**-0.05), order)


def _butterworth(frequency_hz: Tensor, centre_hz: float, width_hz: float, order: int) -> Tensor:
    detuning = (frequency_hz.square() - centre_hz**2) / (frequency_hz.clamp_min(1e-9) * width_hz)
    return (1.0 + detuning.pow(2 * order)).rsqrt()
