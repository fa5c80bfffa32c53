"""Decays that end in noise: the knee is found, and the noise fakes no long T30."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.decay import octave_t30_s, t30_s
from elsa_lightning.acoustics.noise_floor import LEAST_RANGE_DB, decay_of, octave_decays

RATE = 16000


def decaying(t60: float, seconds: float, noise_db: float | None = None, seed: int = 0) -> np.ndarray:
    """Noise that decays by 60 dB in t60, with a steady noise this far below its start."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    response = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / RATE / t60)
    return response if noise_db is None else response + 10 ** (-noise_db / 20) * rng.standard_normal(n)


@pytest.mark.parametrize("t60", [0.2, 0.6, 1.4])
@pytest.mark.parametrize("noise_db", [55, 65, 80])
def test_t30_and_the_knee_of_a_decay_in_noise(t60, noise_db):
    response = decaying(t60, max(1.0, 2.5 * t60), noise_db)
    decay = decay_of(response, RATE)
    clean = t30_s(torch.from_numpy(decaying(t60, max(1.0, 2.5 * t60)))[None].float(), RATE).item()  # of the same draw: not quite t60
    assert clean == pytest.approx(t60, rel=0.03)
    assert decay.meets_noise and decay.t30_s == pytest.approx(clean, rel=0.005)
    assert decay.end_s == pytest.approx(t60 * noise_db / 60, abs=0.08 * t60 + 0.01)
    assert 10 * math.log10(decay.noise_power) == pytest.approx(-noise_db, abs=0.5)


def test_without_care_the_noise_fakes_a_long_decay():
    response = decaying(0.4, 1.5, 47)
    naive = t30_s(torch.from_numpy(response)[None].float(), RATE).item()
    assert naive > 0.5 or math.isnan(naive)
    assert decay_of(response, RATE).t30_s == pytest.approx(0.4, rel=0.03)


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_clean_response_has_no_knee_and_the_t30_of_the_simple_way(seconds):
    response = decaying(0.5, seconds)
    decay = decay_of(response, RATE)
    assert not decay.meets_noise and decay.noise_power == 0 and decay.end_s == pytest.approx(seconds, abs=0.001)
    beyond = torch.tensor([RATE * 0.5 / (6 * math.log(10)) * 10 ** (-6 * seconds / 0.5)])
    assert decay.t30_s == pytest.approx(t30_s(torch.from_numpy(response)[None].float(), RATE, beyond).item(), rel=0.01)


@pytest.mark.parametrize("noise_db", [20, 30, 36])
def test_too_small_a_range_has_no_t30(noise_db):
    decay = decay_of(decaying(0.5, 1.5, noise_db), RATE)
    assert math.isnan(decay.t30_s) and decay.range_db < LEAST_RANGE_DB


@pytest.mark.parametrize("response", [np.zeros(8000), np.ones(8000), np.random.default_rng(0).standard_normal(8000), np.ones(7)])
def test_what_does_not_decay_has_no_t30(response):
    assert math.isnan(decay_of(response, RATE).t30_s)


def test_gain_changes_nothing():
    response = decaying(0.3, 1.0, 60)
    one, other = decay_of(response, RATE), decay_of(1e-4 * response, RATE)
    assert other.t30_s == pytest.approx(one.t30_s) and other.end_s == one.end_s


def test_octaves_have_noises_of_their_own():
    clean = decaying(0.4, 1.5)
    low = np.cumsum(np.random.default_rng(1).standard_normal(len(clean)))
    low = 0.01 * (low - np.convolve(low, np.ones(400) / 400, "same"))  # rumble: the low octaves drown in it
    found = octave_decays(clean + low, RATE, [125.0, 4000.0, 12000.0])
    assert math.isnan(found[0].t30_s) and math.isnan(found[2].t30_s)
    assert found[1].t30_s == pytest.approx(0.4, rel=0.03)
    simple = octave_t30_s(torch.from_numpy(clean)[None].float(), RATE, [500.0, 2000.0])[0]
    assert [one.t30_s for one in octave_decays(clean, RATE, [500.0, 2000.0])] == pytest.approx(simple.tolist(), rel=0.01)
