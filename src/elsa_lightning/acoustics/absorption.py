"""Walls for a wanted reverberation time.

Sabine's and Eyring's formulas miss a shoebox's own decay by tens of per cent, so the coefficients are found on the law that renders the
tail, with the direct sound where it is: a batched search for one factor per room on −ln(1 − α). The law's decay curve includes the energy
beyond its time grid; without it a slow decay looks short and the search runs to the wrong end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.bands import band_power
from elsa_lightning.acoustics.decay import decay_time_s
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.late_energy import full_band, late_energy

_LEAST, _MOST = 3e-3, 2.5  # −ln(1 − α) of a wall of shape 1: α = 0.003 … 0.92
_STEPS = 12
_DIRECTIONS = 32
_POINTS = 96
_SPAN = 1.2  # time grid, in units of the wanted T30


def model_t30_s(scene: Scene, horizon_s: Tensor, power: Tensor, air: Tensor) -> Tensor:
    """Full-band T30 of the expected decay; infinite where it falls by less than 35 dB within the grid.

    Args:
        scene: B rooms, absorption (B, 6, bands).
        horizon_s: (B,) s, end of each room's time grid, which begins when the direct sound arrives.
        power: (bands, bands) from `bands.band_power`.
        air: (bands,) 1/m.

    Returns:
        (B,) s.
    """
    time = horizon_s[:, None] * torch.linspace(0.0, 1.0, _POINTS, device=horizon_s.device)
    arrival = (scene.distance_m / SPEED_OF_SOUND)[:, None]
    density = full_band(late_energy(scene, air, time + arrival, 1, _DIRECTIONS, direct=False)[:, 0], power).clamp_min(1e-33)
    before, after = density[:, :-1], density[:, 1:]
    pieces = 0.5 * (before + after) * (time[:, 1:] - time[:, :-1])
    fall = (before[:, -1] / after[:, -1]).log().clamp_min(1e-5) / (time[:, -1] - time[:, -2])
    rest = (after[:, -1] / fall)[:, None]  # beyond the grid
    reverberant = torch.cat([pieces, rest], dim=1).flip(-1).cumsum(-1).flip(-1)
    whole = reverberant[:, :1] + power.sum() / scene.distance_m.square()[:, None]
    return decay_time_s(10.0 * torch.log10(reverberant / whole), time).nan_to_num(nan=float("inf"))


def solve_absorption(
    size: Tensor,
    t30_s: Tensor,
    wall_shape: Tensor,
    distance_m: Tensor,
    diffuseness: Tensor,
    bands_hz: Sequence[float],
    sample_rate: int,
    air: Tensor,
) -> tuple[Tensor, Tensor]:
    """Absorption coefficients with which rooms decay in the wanted time.

    Args:
        size: (B, 3) m.
        t30_s: (B,) wanted full-band T30, s.
        wall_shape: (B, 6, bands) relative sizes of −ln(1 − α) over walls and bands.
        distance_m: (B,) of the source, m.
        diffuseness: (B,) of the late field.
        bands_hz: (bands,) centres, all usable at the sample rate.
        sample_rate: Hz; "full band" is white up to its half.
        air: (bands,) 1/m.

    Returns:
        absorption (B, 6, bands), and feasible (B,) bool: false where even the most or the least absorbing walls miss the time (by air
        alone, say); the coefficients there are the nearest.
    """
    power = band_power(bands_hz, sample_rate).to(size.device)
    microphone = torch.zeros_like(size)
    source = microphone + torch.nn.functional.pad(distance_m[:, None], (0, 2))  # only the distance matters
    low, high = torch.full_like(t30_s, _LEAST).log(), torch.full_like(t30_s, _MOST).log()
    least, most = low, high
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        scene = Scene(size, source, microphone, _coefficients(middle, wall_shape), diffuseness, torch.zeros_like(t30_s))
        slow = model_t30_s(scene, _SPAN * t30_s, power, air) > t30_s
        low, high = torch.where(slow, middle, low), torch.where(slow, high, middle)
    feasible = (low > least) & (high < most)
    return _coefficients(0.5 * (low + high), wall_shape), feasible


def _coefficients(log_factor: Tensor, wall_shape: Tensor) -> Tensor:
    return 1.0 - torch.exp(-log_factor.exp()[:, None, None] * wall_shape)
