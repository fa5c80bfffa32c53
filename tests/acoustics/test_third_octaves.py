"""Third-octave T30 and DRR against decays that are known, against causal filters from scipy, and against the octave labels of a bank."""

import math

import numpy as np
import pytest
import torch
from scipy import signal

from elsa_lightning.acoustics.bands import third_octave_gain
from elsa_lightning.acoustics.decay import drr_db, octave_t30_s
from elsa_lightning.acoustics.third_octaves import LEAST_BT, THIRD_OCTAVES_HZ, tellable, third_octave_drr_db, third_octave_t30_s

RATE = 16000
NOMINAL = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000)
WIDTH = torch.tensor(THIRD_OCTAVES_HZ) * (10**0.05 - 10**-0.05)


def noise(rows, seconds, seed=0):
    return torch.randn(rows, int(seconds * RATE), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def decay(t60, seconds):
    return torch.exp(-3 * math.log(10) * torch.arange(int(seconds * RATE)) / RATE / t60)


def causal(rir, hz):
    """A third octave by scipy's causal Butterworth filter of the same order, in double precision."""
    edges = (hz * 10**-0.05, hz * 10**0.05)
    return signal.sosfilt(signal.butter(3, edges, "bandpass", fs=RATE, output="sos"), rir.double().numpy())


def test_the_bands_are_those_of_the_paper():
    assert len(THIRD_OCTAVES_HZ) == 20
    assert pytest.approx(NOMINAL, rel=0.02) == THIRD_OCTAVES_HZ
    assert tellable(48000).all() and tellable(RATE).tolist() == [True] * 19 + [False]  # 8 kHz ends at 8.9 kHz
    edges = torch.tensor([hz * 10**e for hz in THIRD_OCTAVES_HZ[:3] for e in (-0.05, 0.05)], dtype=torch.float64)
    gains = torch.stack([third_octave_gain(edges[2 * i : 2 * i + 2], THIRD_OCTAVES_HZ[i]) for i in range(3)])
    assert torch.allclose(gains, torch.full_like(gains, 0.5**0.5))  # −3 dB at both edges


def test_each_band_has_its_own_decay():
    wanted = {4: 1.0, 10: 0.5, 16: 0.3}  # 250 Hz, 1 kHz, 4 kHz
    frequency = torch.fft.rfftfreq(2 * RATE, 1 / RATE).double()
    spectrum = torch.fft.rfft(noise(16, 2.0))
    carriers = {band: torch.fft.irfft(spectrum * third_octave_gain(frequency, THIRD_OCTAVES_HZ[band], 12), n=2 * RATE) for band in wanted}
    found = third_octave_t30_s(sum(carriers[band] * decay(t60, 2.0) for band, t60 in wanted.items()).float(), RATE)
    for band, t60 in wanted.items():
        assert found[:, band].mean().item() == pytest.approx(t60, rel=0.04)


def test_every_band_of_an_exponential_decay_is_told_without_bias():
    """White noise that decays by 60 dB in 0.6 s: the mean over 48 responses is within 4 % (sampling error of the lowest: 2 %)."""
    found = third_octave_t30_s((noise(48, 1.5) * decay(0.6, 1.5)).float(), RATE)[:, tellable(RATE)]
    assert found.isfinite().all()
    assert (found.mean(0) / 0.6 - 1).abs().max() < 0.04
    assert (found.std(0)[-3:] < 0.02).all() and found.std(0)[0] > 0.04  # wide bands are sharp, narrow ones are not


def test_a_cut_response_fakes_no_short_decay():
    cut = third_octave_t30_s((noise(16, 0.6) * decay(0.8, 0.6)).float(), RATE)[:, 8:19]
    assert (cut.nanmean(0) / 0.8 - 1).abs().max() < 0.05


def test_what_cannot_be_told_is_nan():
    slow = third_octave_t30_s((noise(2, 0.5) * decay(5.0, 0.5)).float(), RATE)
    assert slow.isnan().all()
    fast = third_octave_t30_s((noise(2, 0.5) * decay(0.03, 0.5)).float(), RATE)
    ringing = WIDTH * 0.03 < 0.7 * LEAST_BT
    assert ringing.sum() > 5 and fast[:, ringing].isnan().all()  # the filter would ring for longer
    assert fast[:, (WIDTH * 0.03 > 2 * LEAST_BT) & tellable(RATE)].isfinite().all()
    assert third_octave_t30_s(torch.zeros(1, 4000), RATE).isnan().all()


def test_decays_agree_with_causal_filters():
    """scipy's filter delays what it lets through; where the decay is long against that, both tell the same."""
    rir = (noise(3, 1.5, seed=1) * decay(0.7, 1.5)).float()
    found = third_octave_t30_s(rir, RATE)
    for band in (7, 12, 18):
        energy = np.cumsum(causal(rir, THIRD_OCTAVES_HZ[band])[:, ::-1] ** 2, 1)[:, ::-1]
        for row in range(3):
            curve = 10 * np.log10(energy[row] / energy[row, 0])
            used = (curve <= -5) & (curve >= -35)
            slope = np.polyfit(np.arange(len(curve))[used] / RATE, curve[used], 1)[0]
            assert found[row, band].item() == pytest.approx(-60 / slope, rel=0.03)


def response(seed=0):
    """Direct sound after 10 ms, then coloured noise, the same of both; (2, R)."""
    late = noise(1, 1.0, seed).expand(2, -1) * decay(0.4, 1.0)
    late = torch.from_numpy(signal.lfilter([0.05], [1, -0.9], late.numpy()))
    late[:, :240] = 0
    late[:, 160] = torch.tensor([1.0, 0.2], dtype=torch.float64)
    return late


def test_the_ratio_is_that_of_the_parts_filtered_in_time():
    rir, arrival = response(), torch.tensor([160.0, 160.0])
    found = third_octave_drr_db(rir.float(), RATE, arrival)
    direct, after = rir.clone(), rir.clone()
    direct[:, 201:], after[:, :201] = 0, 0
    padded = [torch.nn.functional.pad(part, (0, RATE)) for part in (direct, after)]
    for band in range(19):
        early, late = ((causal(part, THIRD_OCTAVES_HZ[band]) ** 2).sum(1) for part in padded)
        assert found[:, band].tolist() == pytest.approx((10 * np.log10(early / late)).tolist(), abs=0.1)
    assert found[:, 19].isnan().all()
    assert (found[0] - found[1])[:19].tolist() == pytest.approx([20 * math.log10(5)] * 19, abs=1e-2)
    assert found[0, 0] < found[0, 18] - 5  # the low bands are the more reverberant


def test_the_ratio_of_white_parts_is_the_full_bands():
    rir = torch.zeros(32, RATE, dtype=torch.float64)
    rir[:, 200:] = 0.05 * (noise(32, 1.0) * decay(0.4, 1.0))[:, 200:]
    rir[:, 160] = 1.0
    arrival = torch.full((32,), 160.0)
    bands, full = third_octave_drr_db(rir.float(), RATE, arrival), drr_db(rir.float(), RATE, arrival)
    assert (bands[:, 6:19].mean(0) - full.mean()).abs().max() < 0.7


def test_a_silent_part_has_no_ratio():
    rir = torch.zeros(2, 4000)
    rir[0, 100] = 1.0
    rir[1, 2000] = 1.0
    assert third_octave_drr_db(rir, RATE, torch.tensor([100.0, 100.0])).isnan().all()


def test_a_batch_is_its_rows(monkeypatch):
    rir = response().float()
    whole = third_octave_t30_s(rir, RATE)
    monkeypatch.setattr("elsa_lightning.acoustics.third_octaves._SAMPLES", 1)
    rows = third_octave_t30_s(rir, RATE)
    assert torch.equal(whole.isnan(), rows.isnan()) and torch.allclose(whole.nan_to_num(), rows.nan_to_num(), rtol=1e-4)


def test_three_third_octaves_agree_with_their_octave():
    """Where all bands decay alike; an octave's T30 is the label that banks hold."""
    rir = (noise(16, 1.5, 3) * decay(0.5, 1.5)).float()
    thirds, octaves = third_octave_t30_s(rir, RATE), octave_t30_s(rir, RATE, (500.0, 1000.0, 2000.0, 4000.0))
    for i, middle in enumerate((7, 10, 13, 16)):
        assert (thirds[:, middle - 1 : middle + 2].mean(1) / octaves[:, i] - 1).abs().mean() < 0.06
