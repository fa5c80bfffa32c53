"""Early part of a response: every image source up to the mixing time, at its exact delay, direction and gain in each octave band.

Allen & Berkley's shoebox lattice (J. Acoust. Soc. Am. 65, 1979) is separable: along each axis the image of index i lies at i·L + s (i
even) or (i + 1)·L − s (i odd) and has met the two walls ⌈|i|/2⌉ and ⌊|i|/2⌋ times. Coordinates and gains are therefore small tables per
axis, and only the images within reach are ever formed.
"""

from __future__ import annotations

import functools
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


def _axis_tables(scene: Scene, reach: Tensor, reflection: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For each axis offsets from the microphone (B, n) float64 and gains (B, n, bands) float32 of the images along it."""
    size = scene.size.double()
    halves = [int(lengths) + 1 for lengths in (reach[:, None] / size).amax(0).tolist()]
    most = max(halves)
    index = torch.arange(-most, most + 1, device=size.device)
    odd = index % 2 != 0
    tile = torch.where(odd, index + 1, index).double()
    sign = torch.where(odd, -1.0, 1.0).double()
    offset = size[:, :, None] * tile + sign * scene.source.double()[:, :, None] - scene.microphone.double()[:, :, None]  # (B, 3, n)
    many, few = (index.abs() + 1) // 2, index.abs() // 2
    near, far = torch.where(index < 0, many, few), torch.where(index < 0, few, many)  # reflections at the walls at 0 and at L
    # powers as products, one after the other: pow() rounds by where in memory an element lies, and so by the batch
    walls = reflection.unflatten(1, (3, 2))[..., None, :].expand(-1, -1, -1, most + 1, -1).clone()  # (B, 3, 2, powers, bands)
    walls[..., 0, :] = 1.0
    powers = walls.cumprod(dim=3)
    gain = powers[:, :, 0, near] * powers[:, :, 1, far]  # (B, 3, n, bands)
    parts = [slice(most - half, most + half + 1) for half in halves]
    return [(offset[:, axis, part], gain[:, axis, part]) for axis, part in enumerate(parts)]


def find_images(scene: Scene, reach: Tensor, air: Tensor) -> Images:
    """All images closer than `reach`.

    Args:
        scene: B rooms with absorption (B, 6, bands).
        reach: (B,) float64, m.
        air: (bands,) energy attenuation of air, 1/m.
    """
    reflection = (1.0 - scene.absorption).clamp_min(0.0).sqrt().float()  # (B, 6, bands)
    tables = _axis_tables(scene, reach, reflection)
    x, y, z = (offsets for offsets, _ in tables)
    squared = (x * x)[:, :, None, None] + (y * y)[:, None, :, None] + (z * z)[:, None, None, :]  # (B, nx, ny, nz)
    room, *index = (squared <= reach.square()[:, None, None, None]).nonzero(as_tuple=True)
    cells = [room * table.shape[1] + i for (table, _), i in zip(tables, index, strict=True)]  # flat: one index is faster than two
    along = [table.flatten()[cell] for (table, _), cell in zip(tables, cells, strict=True)]
    offset = torch.stack(along)  # (3, K), as sums over a short last axis are slow
    distance = (offset[0].square() + offset[1].square() + offset[2].square()).sqrt()
    spread = torch.exp(-0.5 * air * distance.float()[:, None]) / distance.float()[:, None]  # (K, bands)
    gain_x, gain_y, gain_z = (gains.flatten(0, 1)[cell] for (_, gains), cell in zip(tables, cells, strict=True))  # (K, bands) each
    gain = gain_x * gain_y * gain_z * spread
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


@functools.lru_cache(maxsize=32)
def _shaping(bands_hz: tuple[float, ...], n: int, sample_rate: int, high_pass_hz: float, device: str) -> tuple[Tensor, Tensor]:
    """Masks (bands, n // 2 + 1) of the octave bands; gain (n // 2 + 1,) of the taper and the high pass. Windows recur."""
    frequency = torch.arange(n // 2 + 1, device=device) * (sample_rate / n)
    return band_masks(bands_hz, frequency), nyquist_taper(n // 2 + 1, torch.device(device)) * high_pass_gain(frequency, high_pass_hz)


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
    masks, shape = _shaping(tuple(bands_hz), n, sample_rate, high_pass_hz, str(delay.device))
    total = None
    for band in range(len(bands_hz)):
        top = bands_hz[band + 1] if band + 1 < len(bands_hz) else math.inf
        factor = _decimation(top, sample_rate, n)
        spectrum = impulse_spectrum(images.room, delay / factor, images.gain[:, band, None] * channels, rooms, n // factor)
        kept = spectrum.shape[-1]
        spectrum.mul_(masks[band, :kept])
        if total is None:
            total = spectrum if kept == n // 2 + 1 else torch.nn.functional.pad(spectrum, (0, n // 2 + 1 - kept))
        else:
            total[..., :kept] += spectrum
    return torch.fft.irfft(total.mul_(shape), n=n)
