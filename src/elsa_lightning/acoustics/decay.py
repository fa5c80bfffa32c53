"""Room-acoustic measures of impulse responses after ISO 3382-1: T30, C50 and direct-to-reverberant ratio.

No mean is ever subtracted (it fakes long decays), and energy beyond the end of the response can be given, so that a cut tail fakes no
short one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.bands import octave_gain
from elsa_lightning.acoustics.convolve import good_size

_START_DB, _END_DB = -5.0, -35.0
_EARLY_S = 0.05
_DIRECT_S = 0.0025


def energy_decay_db(rir_w: Tensor, beyond: Tensor | None = None) -> Tensor:
    """Schroeder's backward integral (B, R), dB re the whole energy.

    Args:
        rir_w: (B, R) responses of the omnidirectional channel.
        beyond: (B,) energy after the end (sum of squares); 0 if omitted.
    """
    energy = rir_w.double().square().flip(-1).cumsum(-1).flip(-1)
    if beyond is not None:
        energy = energy + beyond.double()[:, None]
    return 10.0 * torch.log10((energy / energy[:, :1].clamp_min(1e-300)).clamp_min(1e-30))


def decay_time_s(decay_db: Tensor, time_s: Tensor) -> Tensor:
    """60 dB decay time by least squares over −5 to −35 dB.

    Args:
        decay_db: (B, T) decay curves, falling from 0 dB.
        time_s: (T,) or (B, T) s.

    Returns:
        (B,) s; NaN where the curve does not reach −35 dB.
    """
    used = ((decay_db <= _START_DB) & (decay_db >= _END_DB)).to(decay_db.dtype)
    count = used.sum(-1, keepdim=True)
    time = time_s.to(decay_db.dtype).expand_as(decay_db)
    centred = time - (used * time).sum(-1, keepdim=True) / count
    slope = (used * centred * decay_db).sum(-1) / (used * centred.square()).sum(-1)
    reached = (decay_db[:, -1] <= _END_DB) & (count[:, 0] >= 2)
    return torch.where(reached, -60.0 / slope, torch.nan)


def t30_s(rir_w: Tensor, sample_rate: int, beyond: Tensor | None = None) -> Tensor:
    """Full-band T30 (B,) s of responses (B, R); NaN where −35 dB is not reached. `beyond`: see `energy_decay_db`."""
    time = torch.arange(rir_w.shape[-1], device=rir_w.device, dtype=torch.float64) / sample_rate
    return decay_time_s(energy_decay_db(rir_w, beyond), time).float()


def octave_t30_s(rir_w: Tensor, sample_rate: int, centres_hz: Sequence[float]) -> Tensor:
    """T30 (B, bands) s in octave bands, of responses (B, R); NaN where −35 dB is not reached.

    The bands are zero-phase Butterworth filters, so that the decay is not delayed. A response that was cut is continued by its own
    decay, as the cut alone would look like a short one.

    Args:
        rir_w: (B, R).
        sample_rate: Hz.
        centres_hz: octave centres; those whose upper edge is beyond the Nyquist frequency give NaN.
    """
    length = rir_w.shape[-1]
    n = good_size(2 * length)  # a zero-phase filter rings to both sides: the second half takes what would wrap around
    spectrum = torch.fft.rfft(rir_w.float(), n=n)
    frequency = torch.fft.rfftfreq(n, 1 / sample_rate, device=rir_w.device)
    found = []
    for centre in centres_hz:
        if centre * 2**0.5 >= sample_rate / 2:
            found.append(torch.full((len(rir_w),), torch.nan, device=rir_w.device))
            continue
        band = torch.fft.irfft(spectrum * octave_gain(frequency, centre).float(), n=n)[..., :length]
        found.append(t30_of_cut(band, sample_rate))
    return torch.stack(found, dim=1)


def t30_of_cut(band: Tensor, sample_rate: int) -> Tensor:
    """T30 (B,) s of decays (B, R) that go on after their end: what is missing is its last power, falling on at the slope found so far.

    Energies are summed over milliseconds first: the curve is smooth at that scale, and each round works on few numbers.
    """
    block = max(1, round(0.001 * sample_rate))
    whole = band[..., : band.shape[-1] // block * block]
    energy = whole.unflatten(-1, (-1, block)).double().square().sum(-1)  # (B, blocks)
    last = energy[..., -max(1, energy.shape[-1] // 10) :].mean(-1)
    step_s = block / sample_rate
    time = torch.arange(energy.shape[-1], device=band.device, dtype=torch.float64) * step_s
    root = energy.sqrt()
    found = decay_time_s(energy_decay_db(root), time)
    for _ in range(3):
        found = decay_time_s(energy_decay_db(root, last * found / step_s / (6 * math.log(10))), time)
    return found.float()


def arrival_sample(rir_w: Tensor) -> Tensor:
    """(B,) int64 sample of the largest magnitude: the direct sound, unless a nearby wall focuses."""
    return rir_w.abs().argmax(-1)


def _split_db(rir_w: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Energy in the samples first ≤ n < last over that in all later ones, dB."""
    during, later = _split(rir_w, first, last)
    energy = rir_w.double().square()
    inside, after = (energy * during).sum(-1), (energy * later).sum(-1)
    return (10.0 * torch.log10(inside.clamp_min(1e-30) / after.clamp_min(1e-30))).float()


def _split(rir_w: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """(B, R) bool, twice: the samples first ≤ n < last, and all later ones."""
    sample = torch.arange(rir_w.shape[-1], device=rir_w.device)
    return (sample >= first[:, None]) & (sample < last[:, None]), sample >= last[:, None]


def c50_db(rir_w: Tensor, sample_rate: int, arrival: Tensor | None = None) -> Tensor:
    """Clarity (B,), dB: energy of the first 50 ms after the direct sound over the rest.

    Args:
        rir_w: (B, R).
        sample_rate: Hz.
        arrival: (B,) sample of the direct sound; the largest sample if omitted.
    """
    arrival = arrival_sample(rir_w) if arrival is None else arrival.round().long()
    return _split_db(rir_w, torch.zeros_like(arrival), arrival + round(_EARLY_S * sample_rate))


def drr_db(rir_w: Tensor, sample_rate: int, arrival: Tensor | None = None) -> Tensor:
    """Direct-to-reverberant ratio (B,), dB: energy within 2.5 ms of the direct sound over all that follows; arguments as in `c50_db`."""
    arrival = arrival_sample(rir_w) if arrival is None else arrival.round().long()
    reach = round(_DIRECT_S * sample_rate)
    return _split_db(rir_w, arrival - reach, arrival + reach + 1)


def direct_and_later(rir_w: Tensor, sample_rate: int, arrival: Tensor) -> tuple[Tensor, Tensor]:
    """What `drr_db` compares, (B, R) bool each: the samples of the direct sound, and those of all that follows."""
    at, reach = arrival.round().long(), round(_DIRECT_S * sample_rate)
    return _split(rir_w, at - reach, at + reach + 1)
