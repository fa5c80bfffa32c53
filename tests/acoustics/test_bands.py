import math

import pytest
import torch

from elsa_lightning.acoustics.air import air_absorption
from elsa_lightning.acoustics.bands import band_masks, band_power, band_weights, high_pass_gain, usable_bands

OCTAVES = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)


@pytest.mark.parametrize(("rate", "count"), [(48000, 8), (24000, 7), (16000, 6), (200, 1)])
def test_bands_near_or_above_nyquist_are_dropped(rate, count):
    assert usable_bands(OCTAVES, rate) == OCTAVES[:count]


def test_masks_add_up_and_are_one_at_their_centres():
    frequency = torch.linspace(0, 24000, 2001)
    assert torch.allclose(band_masks(OCTAVES, frequency).sum(0), torch.ones(2001), atol=1e-6)
    assert torch.allclose(band_masks(OCTAVES, torch.tensor(OCTAVES)), torch.eye(8), atol=1e-5)


def test_weights_agree_with_masks():
    frequency = torch.linspace(0, 8000, 501)
    index, weight = band_weights(OCTAVES[:6], frequency)
    masks = band_masks(OCTAVES[:6], frequency)
    assert torch.allclose(masks[index, torch.arange(501)], 1 - weight, atol=1e-6)


def test_band_power_of_equal_bands_is_one():
    assert band_power(OCTAVES, 48000).sum().item() == pytest.approx(1.0, abs=1e-5)


def test_high_pass_is_half_at_its_cut_off():
    gain = high_pass_gain(torch.tensor([0.0, 20.0, 2000.0]), 20.0)
    assert torch.allclose(gain, torch.tensor([0.0, 0.5, 1.0]), atol=1e-6)
    assert torch.equal(high_pass_gain(torch.tensor([0.0, 5.0]), 0.0), torch.ones(2))


def test_air_absorption_against_the_standards_table():
    # ISO 9613-1, table 1, 20 °C, 70 % relative humidity, dB/km at the exact octave centres
    table = {125: 0.339, 250: 1.13, 500: 2.80, 1000: 4.98, 2000: 9.02, 4000: 22.9, 8000: 76.6}
    exact = torch.tensor([1000.0 * 10 ** (0.3 * k) for k in range(-3, 4)])
    db_per_km = air_absorption(exact, humidity_percent=70.0) * 1000 * 10 / math.log(10)
    assert torch.allclose(db_per_km, torch.tensor(list(table.values())), rtol=0.01)
