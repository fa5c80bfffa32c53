"""Expected energy decay of a shoebox, integrated over directions: the law behind the diffuse tail and behind the choice of walls.

Sound that travels along u covers c·t·|u_i| across axis i, p = c·t·|u_i|/L_i room lengths. Averaged over the places of source and
microphone it has then met k = ⌊p⌋ or k + 1 walls, in turn, so that its energy is g(p), linear between g(2j) = (q₀q₁)ʲ and g(2j + 1) =
(q₀q₁)ʲ(q₀ + q₁)/2 with the walls' energy factors q = 1 − α. The image sources' expected energy per second is

    E(t) = 4πc/V · ⟨ g_x g_y g_z ⟩_u · exp(−m·c·t)        (m: air)

and that of the dipoles Y, Z, X has the weights u_y², u_z², u_x². Its logarithmic slope per direction is the familiar Σ |u_i| ln(q₀q₁)/(2
L_i) · c, of which Eyring's formula takes the mean over directions in the exponent. From the mixing time on scattering acts: with
`diffuseness` d a share d of the energy is spread evenly over the directions, and the rates move to their mean by the same share. The
total is continuous there.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import CHANNELS
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene

DIRECTIONS = 96
_LEAST_FACTOR = 1e-6  # of a wall's energy; keeps logarithms finite
_FLOOR = -75.0  # exponents below this count as silence; keeps float32 out of denormals
_LINDAU_S_PER_M3, _LINDAU_S = 11.7e-6, 50.1e-3
_SAFETY = 2.0
EARLIEST_MIXING_S = _SAFETY * _LINDAU_S


def mixing_time_s(volume_m3: Tensor) -> Tensor:
    """(B,) float64, twice the perceptual mixing time of Lindau, Kosanke & Weinzierl (J. Audio Eng. Soc. 60, 2012), s."""
    return _SAFETY * (_LINDAU_S_PER_M3 * volume_m3.double() + _LINDAU_S)


@functools.lru_cache(maxsize=8)
def octant(count: int, device: str) -> Tensor:
    """(count, 3) directions spread evenly over one octant of the sphere (a golden-ratio lattice of equal areas)."""
    k = torch.arange(count, dtype=torch.float64) + 0.5
    z = k / count
    angle = (k * 0.5 * (math.sqrt(5.0) - 1.0)) % 1.0 * (math.pi / 2)
    ring = (1.0 - z * z).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=-1).float().to(device)


def _path(scene: Scene, time_s: Tensor, axis: int, directions: int) -> Tensor:
    """(B, T, directions) room lengths covered across an axis."""
    u = octant(directions, str(time_s.device))[:, axis]
    return (SPEED_OF_SOUND * time_s / scene.size[:, axis, None])[:, :, None] * u


def _log_specular(scene: Scene, time_s: Tensor, directions: int) -> Tensor:
    """(B, bands, T, directions) ln of g_x g_y g_z."""
    factor = (1.0 - scene.absorption).clamp_min(_LEAST_FACTOR)  # (B, 6, bands)
    periods, remainder = 0.0, 1.0
    for axis in range(3):
        path = _path(scene, time_s, axis, directions)[:, None]  # (B, 1, T, directions)
        met = path.floor()
        share, odd = path - met, torch.remainder(met, 2.0)
        pair = (factor[:, 2 * axis] * factor[:, 2 * axis + 1])[:, :, None, None]  # (B, bands, 1, 1)
        one = 0.5 * (factor[:, 2 * axis] + factor[:, 2 * axis + 1])[:, :, None, None]
        periods = periods + (0.5 * (met - odd)) * pair.log()
        # weights of 0, 1 and 2 more walls: those of 0 and 2 depend on whether the path stands before an even or an odd wall
        none, both = (1.0 - odd) * (1.0 - share), odd * share
        remainder = remainder * (none + one * (1.0 - none - both) + pair * both)
    return periods + remainder.log()


def _mean_rate(scene: Scene, directions: int) -> Tensor:
    """(B, bands) 1/s: energy's decay rate averaged over the directions, without air."""
    u = octant(directions, str(scene.size.device)).mean(0)
    loss = -(1.0 - scene.absorption).clamp_min(_LEAST_FACTOR).log()
    loss = 0.5 * (loss[:, 0::2] + loss[:, 1::2]) / scene.size[:, :, None]  # (B, 3, bands)
    return SPEED_OF_SOUND * (loss[:, 0] * u[0] + loss[:, 1] * u[1] + loss[:, 2] * u[2])


def late_energy(
    scene: Scene, air: Tensor, time_s: Tensor, channels: int = CHANNELS, directions: int = DIRECTIONS, direct: bool = True
) -> Tensor:
    """Expected energy per second.

    Args:
        scene: B rooms with absorption (B, 6, bands).
        air: (bands,) energy attenuation, 1/m.
        time_s: (B or 1, T) s since the sound left the source.
        channels: 1 for W alone, or 4.
        directions: of the average.
        direct: with the direct sound's own expectation; false leaves the reflections.

    Returns:
        (B, channels, bands, T) for a source whose pressure is 1 at 1 m.
    """
    time = time_s.expand(len(scene), -1)
    mixing = mixing_time_s(scene.volume_m3).float()[:, None]  # (B, 1)
    specular = _log_specular(scene, time, directions)
    joint = _log_specular(scene, mixing, directions)  # (B, bands, 1, directions)
    share = scene.diffuseness[:, None, None, None]
    since = (time - mixing)[:, None, :, None]
    exponent = (1.0 - share) * (specular - joint) - share * _mean_rate(scene, directions)[:, :, None, None] * since
    start = joint.clamp_min(_FLOOR).exp()
    spread = ((1.0 - share) * start + share * start.mean(-1, keepdim=True)).clamp_min(1e-33).log()
    energy = torch.where(since > 0, exponent + spread, specular).clamp_min(_FLOOR).exp()
    if not direct:
        clear = 1.0
        for axis in range(3):
            clear = clear * (1.0 - _path(scene, time, axis, directions)).clamp_min(0.0)
        energy = (energy - clear[:, None]).clamp_min(0.0)
    u = octant(directions, str(energy.device))
    weights = torch.stack([torch.ones_like(u[:, 0]), u[:, 1] ** 2, u[:, 2] ** 2, u[:, 0] ** 2])[:channels]
    total = torch.stack([(energy * weight).mean(-1) for weight in weights], dim=1)
    losses = (-SPEED_OF_SOUND * air[:, None] * time[:, None]).exp()  # (B, bands, T)
    return total * losses[:, None] * (4.0 * math.pi * SPEED_OF_SOUND / scene.volume_m3)[:, None, None, None]


def full_band(energy: Tensor, power: Tensor) -> Tensor:
    """(B, T) mean over frequency of the energy (B, bands, T) whose square root is interpolated between the bands.

    Args:
        energy: (B, bands, T).
        power: (bands, bands) from `bands.band_power`.
    """
    amplitude = energy.sqrt()
    total = (torch.diagonal(power)[:, None] * energy).sum(1)
    if amplitude.shape[1] > 1:  # a mask overlaps with its neighbours only
        total = total + 2.0 * (torch.diagonal(power, 1)[:, None] * amplitude[:, 1:] * amplitude[:, :-1]).sum(1)
    return total


def energy_beyond(scene: Scene, power: Tensor, air: Tensor, time_s: float) -> Tensor:
    """(B,) expected energy of W (sum of squares) after `time_s`: what a response of that length has lost.

    Args:
        scene: B rooms with absorption (B, 6, bands).
        power: (bands, bands) from `bands.band_power`.
        air: (bands,) 1/m.
        time_s: s.
    """
    step = 0.05
    time = torch.tensor([[time_s, time_s + step]], device=scene.size.device)
    density = full_band(late_energy(scene, air, time, 1)[:, 0], power).clamp_min(1e-35)  # (B, 2)
    slope = ((density[:, 0] / density[:, 1]).log() / step).clamp_min(1e-3)
    return density[:, 0] / slope
