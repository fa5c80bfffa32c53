"""Frequency responses that all channels share."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.data.keyed import uniform

OCTAVES = 10
"""Octaves between the ends of a random response."""
LOWEST_HZ = 31.25
"""Its lower end, Hz; the upper one is 32 kHz. It is level beyond."""


def low_cut(hz: Tensor, corner_hz: Tensor) -> Tensor:
    """Magnitude `(B, K)` of second-order Butterworth high passes with corners `(B,)`; zero phase."""
    return hz.square() / (hz.pow(4) + corner_hz[:, None].pow(4)).sqrt()


def equalisation(hz: Tensor, key: Tensor, most_db: float) -> Tensor:
    """Gain `(B, K)` of random responses: uniform within ± `most_db` at octaves, straight in dB over log frequency between them, so that a
    third-octave band differs from the next by no more than two thirds of `most_db`; zero phase."""
    knots = most_db * (2 * uniform(key, OCTAVES + 1, "equalisation") - 1)  # (B, 11) dB
    place = (hz.clamp_min(LOWEST_HZ) / LOWEST_HZ).log2().clamp_max(OCTAVES)  # (K,)
    below = place.long().clamp_max(OCTAVES - 1)
    share = place - below
    gain_db = knots[:, below] * (1 - share) + knots[:, below + 1] * share
    return (gain_db * (torch.log(torch.tensor(10.0)).item() / 20)).exp()
