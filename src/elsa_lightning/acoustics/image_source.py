"""Early part of a response: every image source up to the mixing time, at its exact delay, direction and gain in each octave band.

Allen & Berkley's shoebox lattice (J. Acoust. Soc. Am. 65, 1979) is separable: along each axis the image of index i lies at i·L + s (i
even) or (i + 1)·L − s (i odd) and has met the two walls ⌈|i|/2⌉ and ⌊|i|/2⌋ times. Coordinates and gains are therefore small tables per
axis, and only the images within reach are ever formed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import encode_direction
from elsa_lightning.acoustics.bands import band_masks, high_pass_gain, nyquist_taper
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.gridding import TAPS, impulse_spectrum

RING_S = 0.05
"""Room left at either end of the early window for the ringing of the zero-phase filters, s."""


@dataclass
class Images:
    """K image sources of all rooms, ordered by room.

    Attributes:
        room: (K,) int64.
        distance: (K,) float64, m, from the microphone.
        direction: (K, 3) float32 unit vectors, towards the image.
        gain: (K, bands) float32 amplitude: product of the walls' reflection factors, air, and 1/r.
    """

    room: Tensor
    distance: Tensor
    direction: Tensor
    gain: Tensor


def _axis_tables(scene: Scene, axis: int, reach: Tensor, reflection: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets from the microphone (B, n) float64 and gains (B, n, bands) float32 of the images along one axis."""
    length = scene.size[:, axis, None].double()
    half = int((reach / length[:, 0]).max()) + 1
    index = torch.arange(-half, half + 1, device=length.device)
    odd = index % 2 != 0
    tile = torch.where(odd, index + 1, index).double()
    sign = torch.where(odd, -1.0, 1.0).double()
    offset = length * tile + sign * scene.source[:, axis, None].double() - scene.microphone[:, axis, None].double()
    many, few = (index.abs() + 1) // 2, index.abs() // 2
    near = torch.where(index < 0, many, few)[None, :, None]  # reflections at the wall at 0
    far = torch.where(index < 0, few, many)[None, :, None]  # reflections at the wall at L
    return offset, reflection[:, None, 2 * axis] ** near * reflection[:, None, 2 * axis + 1] ** far


def find_images(scene: Scene, reach: Tensor, air: Tensor) -> Images:
    """All images closer than `reach`.

    Args:
        scene: B rooms with absorption (B, 6, bands).
        reach: (B,) float64, m.
        air: (bands,) energy attenuation of air, 1/m.
    """
    reflection = (1.0 - scene.absorption).clamp_min(0.0).sqrt()  # (B, 6, bands)
    tables = [_axis_tables(scene, axis, reach, reflection) for axis in range(3)]
    (x, gain_x), (y, gain_y), (z, gain_z) = tables
    squared = (x * x)[:, :, None, None] + (y * y)[:, None, :, None] + (z * z)[:, None, None, :]  # (B, nx, ny, nz)
    room, i, j, k = (squared <= reach.square()[:, None, None, None]).nonzero(as_tuple=True)
    offset = torch.stack([x[room, i], y[room, j], z[room, k]])  # (3, K): sums over a short last axis are slow
    distance = (offset[0].square() + offset[1].square() + offset[2].square()).sqrt()
    spread = torch.exp(-0.5 * air * distance.float()[:, None]) / distance.float()[:, None]  # (K, bands)
    gain = gain_x[room, i] * gain_y[room, j] * gain_z[room, k] * spread
    return Images(room, distance, (offset / distance).float().T, gain)


def window_length(duration_s: Tensor, sample_rate: int) -> Tensor:
    """(B,) samples of the early window for images up to `duration_s` (B,): the next 2ᵏ or 3·2ᵏ. A function of each room alone."""
    needed = (duration_s + 2 * RING_S) * sample_rate + TAPS
    power = 2.0 ** torch.ceil(torch.log2(needed))
    return torch.where(needed <= 0.75 * power, 0.75 * power, power).long()


def _decimation(top_hz: float, sample_rate: int, n: int) -> int:
    """Largest power of two by which an n-point window may be decimated so that `top_hz` stays below its Nyquist frequency."""
    factor = 1
    while top_hz * 4 * factor <= sample_rate and n % (factor * 8) == 0:
        factor *= 2
    return factor


def early_response(images: Images, rooms: int, sample_rate: int, bands_hz: Sequence[float], n: int, high_pass_hz: float) -> Tensor:
    """The images' response, one octave band after another, each on the coarsest grid that holds it.

    Args:
        images: of `rooms` rooms; gains (K, bands).
        rooms: number of rooms.
        sample_rate: Hz.
        bands_hz: centres of the bands.
        n: window, samples, from `window_length`.
        high_pass_hz: cut-off of the zero-phase high pass, Hz.

    Returns:
        (rooms, 4, n) float32, periodic: the last `RING_S` hold what rings before time 0.
    """
    delay = images.distance * (sample_rate / SPEED_OF_SOUND)
    channels = encode_direction(images.direction)  # (K, 4)
    frequency = torch.arange(n // 2 + 1, device=delay.device) * (sample_rate / n)
    masks = band_masks(bands_hz, frequency)
    total = torch.zeros(rooms, channels.shape[1], n // 2 + 1, dtype=torch.complex64, device=delay.device)
    for band in range(len(bands_hz)):
        top = bands_hz[band + 1] if band + 1 < len(bands_hz) else math.inf
        factor = _decimation(top, sample_rate, n)
        spectrum = impulse_spectrum(images.room, delay / factor, images.gain[:, band, None] * channels, rooms, n // factor)
        kept = spectrum.shape[-1]
        total[..., :kept] += spectrum * masks[band, :kept]
    return torch.fft.irfft(total * (nyquist_taper(n // 2 + 1, delay.device) * high_pass_gain(frequency, high_pass_hz)), n=n)
