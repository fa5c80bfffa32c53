"""T30 and direct-to-reverberant ratio of responses in the 20 third octaves from 100 Hz to 8 kHz: the paper's targets of pre-training.

What a response cannot tell is NaN: bands beyond the Nyquist frequency, decays that do not fall by 35 dB, and decays so fast that the
band's filter rings longer than they do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.acoustics.bands import third_octave_gain
from elsa_lightning.acoustics.convolve import good_size
from elsa_lightning.acoustics.decay import direct_and_later, t30_of_cut

THIRD_OCTAVES_HZ = tuple(10 ** (n / 10) for n in range(20, 40))
"""Exact centres (IEC 61260, base ten) of the bands called 100, 125, 160 … 6,300, 8,000 Hz."""

LEAST_BT = 4.0
"""Least product of bandwidth, Hz, and T30, s: below, it is the filter's own ringing that decays (Jacobsen 1987 gives 4 for a filter that
rings backwards in time; ours rings to both sides)."""

EDGE = 10**0.05
"""From a band's centre to its upper edge."""

_SAMPLES = 2**24  # of filtered sound at a time, 64 MB


def tellable(sample_rate: int) -> Tensor:
    """(20,) bool: bands whose upper edge lies below the Nyquist frequency."""
    return torch.tensor([centre * EDGE < sample_rate / 2 for centre in THIRD_OCTAVES_HZ])


def third_octave_t30_s(rir_w: Tensor, sample_rate: int) -> Tensor:
    """T30 (B, 20) s in third octaves, by zero-phase Butterworth filters; the cut of a response is handled as in `octave_t30_s`.

    Args:
        rir_w: (B, R) responses of the omnidirectional channel.
        sample_rate: Hz.
    """
    return slower_than_filters(third_octave_decay_s(rir_w, sample_rate))


def slower_than_filters(t30_s: Tensor) -> Tensor:
    """T30 (B, 20) s with NaN in place of decays so fast that they are the filters' own (`LEAST_BT`)."""
    width = torch.tensor(THIRD_OCTAVES_HZ, device=t30_s.device) * (EDGE - 1 / EDGE)
    return torch.where(t30_s * width >= LEAST_BT, t30_s, torch.nan)


def third_octave_decay_s(rir_w: Tensor, sample_rate: int) -> Tensor:
    """T30 (B, 20) s of what the filters let through, however fast it decays; arguments as in `third_octave_t30_s`.

    Returns:
        NaN only in bands that do not fall by 35 dB, or lie beyond the Nyquist frequency.
    """
    length = rir_w.shape[-1]
    n = good_size(2 * length)  # the second half takes what a zero-phase filter rings backwards
    frequency = torch.fft.rfftfreq(n, 1 / sample_rate, device=rir_w.device)
    found = rir_w.new_full((len(rir_w), len(THIRD_OCTAVES_HZ)), torch.nan, dtype=torch.float32)
    for rows in torch.arange(len(rir_w), device=rir_w.device).split(max(1, _SAMPLES // n)):
        spectrum = torch.fft.rfft(rir_w[rows].float(), n=n)
        for band in tellable(sample_rate).nonzero()[:, 0].tolist():
            gain = third_octave_gain(frequency, THIRD_OCTAVES_HZ[band]).float()
            found[rows, band] = t30_of_cut(torch.fft.irfft(spectrum * gain, n=n)[..., :length], sample_rate)
    return found


def third_octave_drr_db(rir_w: Tensor, sample_rate: int, arrival: Tensor) -> Tensor:
    """Direct-to-reverberant ratio (B, 20), dB, in third octaves.

    The response is split first, at the same samples as the full-band ratio, and its parts are filtered after: a third octave's filter
    rings for up to 50 ms and would carry the direct sound into what follows it.

    Args:
        rir_w: (B, R) responses of the omnidirectional channel.
        sample_rate: Hz.
        arrival: (B,) sample of the direct sound.

    Returns:
        NaN beyond the Nyquist frequency, and where one of the parts is silent.
    """
    direct, after = direct_and_later(rir_w, sample_rate, arrival)
    n = good_size(2 * rir_w.shape[-1])
    frequency = torch.fft.rfftfreq(n, 1 / sample_rate, device=rir_w.device)
    power = torch.stack([third_octave_gain(frequency, hz).square() for hz in THIRD_OCTAVES_HZ], 1).double()  # (F, 20)
    early, late = (torch.fft.rfft(rir_w * part, n=n).abs().double().square() @ power for part in (direct, after))
    known = tellable(sample_rate).to(rir_w.device) & (early > 0) & (late > 0)
    return torch.where(known, 10 * torch.log10(early.clamp_min(1e-300) / late.clamp_min(1e-300)), torch.nan).float()
