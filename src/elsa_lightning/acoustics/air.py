"""Absorption of sound by air after ISO 9613-1:1993, equations 3 to 5 and B.3."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_REFERENCE_K = 293.15
_TRIPLE_POINT_K = 273.16


def air_absorption(
    frequency_hz: Tensor, temperature_c: float = 20.0, humidity_percent: float = 50.0, pressure_kpa: float = 101.325
) -> Tensor:
    """Energy attenuation of a pure tone by air, as the exponent per metre: energy falls as exp(−m·r).

    Args:
        frequency_hz: (…) Hz.
        temperature_c: °C.
        humidity_percent: relative humidity, %.
        pressure_kpa: atmospheric pressure, kPa.

    Returns:
        (…) 1/m. Multiply by 10/ln 10 for dB/m.
    """
    kelvin = temperature_c + 273.15
    ratio, pressure = kelvin / _REFERENCE_K, pressure_kpa / 101.325
    saturation = 10.0 ** (-6.8346 * (_TRIPLE_POINT_K / kelvin) ** 1.261 + 4.6151)
    vapour = humidity_percent * saturation / pressure  # molar concentration, %
    oxygen_hz = pressure * (24.0 + 4.04e4 * vapour * (0.02 + vapour) / (0.391 + vapour))
    nitrogen_hz = pressure * ratio**-0.5 * (9.0 + 280.0 * vapour * math.exp(-4.170 * (ratio ** (-1.0 / 3.0) - 1.0)))
    f = frequency_hz.double()
    classical = 1.84e-11 / pressure * math.sqrt(ratio)
    relaxation = 0.01275 * math.exp(-2239.1 / kelvin) / (oxygen_hz + f**2 / oxygen_hz)
    relaxation = relaxation + 0.1068 * math.exp(-3352.0 / kelvin) / (nitrogen_hz + f**2 / nitrogen_hz)
    nepers = f**2 * (classical + ratio**-2.5 * relaxation)  # amplitude, Np/m (8.686 dB each)
    return (2.0 * nepers).to(torch.get_default_dtype())
