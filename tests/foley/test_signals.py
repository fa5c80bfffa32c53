"""Building blocks against laws and slow twins."""

from __future__ import annotations

import numpy as np
import pytest

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, band_pass, harmonics, impulses, mix, phase_of, resonances, ring, rolloff
from elsa_lightning.foley.timing import groups, regular, scattered, wander
from elsa_lightning.seeding import rng_of

RATE = 16000


def studio(seconds: float = 1.0) -> Studio:
    return Studio(RATE, seconds, rng_of("test"))


def test_harmonics_are_the_sum_of_sines() -> None:
    freq = np.linspace(100, 300, 4000)
    gains = rolloff(8, 6)
    slow = sum(g * np.sin(k * phase_of(freq, RATE)) for k, g in enumerate(gains, 1))
    assert np.allclose(harmonics(freq, RATE, gains), slow, atol=1e-8)


def test_harmonics_stop_below_nyquist() -> None:
    spectrum = np.abs(np.fft.rfft(harmonics(np.full(RATE, 3000.0), RATE, np.ones(10))))
    assert set(np.flatnonzero(spectrum > 100)) == {3000, 6000}


def test_a_ringing_mode_has_its_pitch_and_decay() -> None:
    strike = np.zeros(RATE)
    strike[0] = 1
    sound = ring(strike, RATE, ((500, 0.4, 1.0),))
    time = np.arange(RATE) / RATE
    assert np.allclose(sound, np.sin(2 * np.pi * 500 * time) * 10 ** (-3 * time / 0.4), atol=1e-6)
    assert np.abs(ring(strike, RATE, ((9000, 0.4, 1.0),))).max() == 0


def test_rolloff_is_decibels_per_octave() -> None:
    gains = 20 * np.log10(rolloff(8, 6))
    assert gains[[1, 3, 7]] == pytest.approx([-6, -12, -18], abs=1e-3)


def test_coloured_noise_follows_its_curve_at_any_rate() -> None:
    for rate in (16000, 48000):
        sound = Studio(rate, 4.0, rng_of("test", rate)).coloured(((100, 0), (1000, 0), (2000, -20), (20000, -20)))
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(1, rel=1e-6)
        power, freq = np.abs(np.fft.rfft(sound)) ** 2, np.fft.rfftfreq(len(sound), 1 / rate)
        low, high = (power[(freq > a) & (freq < b)].mean() for a, b in ((200, 900), (2500, 7000)))
        assert 10 * np.log10(low / high) == pytest.approx(20, abs=0.6)


def test_resonator_has_unit_gain_at_its_centre_and_half_power_at_its_width() -> None:
    time = np.arange(RATE) / RATE
    gain = [np.std(resonances(np.sin(2 * np.pi * f * time), RATE, ((1000, 100, 1.0),))[4000:12000]) * np.sqrt(2) for f in (1000, 1051.25)]
    assert gain == pytest.approx([1, np.sqrt(0.5)], abs=0.01)


def test_band_pass_beyond_the_band_is_a_high_pass() -> None:
    noise = studio().white()
    assert np.isfinite(band_pass(noise, RATE, 500, 20000)).all()


def test_impulses_and_mix_drop_what_is_outside() -> None:
    s = studio(0.1)
    assert impulses(s, np.array([-0.01, 0.05, 0.05, 0.2]), 2.0).sum() == 4
    sound = mix(s, [(0.09, np.ones(1000)), (0.5, np.ones(10)), (0.0, np.ones(3))])
    assert len(sound) == 1600 and sound.sum() == 160 + 3


def test_groups_are_whole_and_never_far_apart() -> None:
    for index in range(200):
        draw = Draw(0, "train", index, "dog")
        length = float(draw.rng.uniform(0.2, 2.1))
        starts = groups(draw, 5.0, length, 0.8)
        assert starts[0] >= 0 and starts[-1] + length <= 5
        silences = np.r_[starts[0], np.diff(starts) - length, 5 - starts[-1] - length]
        assert len(starts) >= 2 and silences.max() < 2.2 and (np.diff(starts) > length + 0.3).all()


def test_random_times_stay_inside_and_leave_no_hole() -> None:
    draw = Draw(0, "train", 0, "rain")
    times = scattered(draw, 5, 10)
    assert len(times) == 50 and times.min() >= 0 and times.max() <= 5 and np.diff(times).max() < 0.2
    beat = regular(draw, 5, 0.5)
    assert np.allclose(np.diff(beat), 0.5)
    curve = wander(draw, studio(5), 2, 0.2, 0.6)
    assert curve.shape == (80000,) and curve.min() >= 0.2 and curve.max() <= 0.6
