"""Octave T30 of decays that are known."""

import math

import torch

from elsa_lightning.acoustics.bands import octave_gain
from elsa_lightning.acoustics.decay import octave_t30_s, t30_s

RATE = 16000


def noise(seconds):
    return torch.randn(1, int(seconds * RATE), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def decaying(t60, seconds=2.0):
    time = torch.arange(int(seconds * RATE)) / RATE
    return torch.exp(-3 * math.log(10) * time / t60)


def test_each_band_has_its_own_decay():
    wanted = {250.0: 0.9, 1000.0: 0.5, 4000.0: 0.3}
    frequency = torch.fft.rfftfreq(2 * RATE, 1 / RATE).double()
    carriers = {hz: torch.fft.irfft(torch.fft.rfft(noise(2.0)) * octave_gain(frequency, hz, 12), n=2 * RATE) for hz in wanted}
    rir = sum(carriers[hz] * decaying(t60) for hz, t60 in wanted.items())
    found = octave_t30_s(rir.float(), RATE, tuple(wanted))[0].tolist()
    for value, t60 in zip(found, wanted.values(), strict=True):
        assert abs(value - t60) < 0.08 * t60


def test_equal_decays_agree_with_the_full_band():
    rir = (noise(2.0) * decaying(0.6)).float()
    octaves = octave_t30_s(rir, RATE, (500.0, 1000.0, 2000.0))
    assert (octaves - t30_s(rir, RATE)).abs().max() < 0.05


def test_a_cut_response_fakes_no_short_decay():
    whole, cut = (octave_t30_s((noise(seconds) * decaying(0.8, seconds)).float(), RATE, (1000.0,)).item() for seconds in (2.0, 0.55))
    assert abs(whole - 0.8) < 0.05 and abs(cut - 0.8) < 0.1


def test_what_cannot_be_told_is_nan():
    rir = (noise(0.5) * decaying(5.0, 0.5)).float()
    found = octave_t30_s(rir, RATE, (1000.0, 8000.0))[0]
    assert found.isnan().all()  # too long for the response; above the Nyquist frequency
