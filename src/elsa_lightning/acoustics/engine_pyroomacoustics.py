"""pyroomacoustics as a second engine: an oracle for tests and another way to build a bank. CPU only, one room at a time, in worker
processes.

First-order ambisonics are one omnidirectional and three coincident figure-of-eight microphones: with octave-band walls that is some fifty
times faster than the library's spherical-harmonic microphones, and exact. The library's constant delay is removed, its own high pass is
switched off and ours applied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.acoustics.bands import band_power, high_pass_gain, usable_bands
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.late_energy import energy_beyond
from elsa_lightning.acoustics.measure import LONGER, measure
from elsa_lightning.acoustics.render import air_of, band_absorption
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.schema import RoomsConfig

SCATTERING_PER_DIFFUSENESS = 0.2
"""Scattering coefficient that decays like diffuseness 1; see docs/concepts.md."""

_WALL_NAMES = ("west", "east", "south", "north", "floor", "ceiling")  # in the order of geometry.WALLS
_DIPOLE_ANGLES = ((90.0, 90.0), (0.0, 0.0), (0.0, 90.0))  # azimuth, colatitude of Y, Z, X
_HYBRID_ORDER = 3
MOST_IMAGES = 20_000_000
"""Of one room: beyond it the library takes gigabytes and minutes."""

_PAD_S = 0.2


def _library() -> Any:
    try:
        import pyroomacoustics
    except ImportError as fault:
        raise RunError(
            "rooms.engine needs pyroomacoustics, which is not installed", "pip install pyroomacoustics, or use the engine shoebox"
        ) from fault
    return pyroomacoustics


@contextmanager
def _without_high_pass(pra: Any) -> Iterator[None]:
    before = pra.constants.get("rir_hpf_enable")
    pra.constants.set("rir_hpf_enable", False)
    try:
        yield
    finally:
        pra.constants.set("rir_hpf_enable", before)


def full_order(size: Sequence[float], rir_s: float) -> int:
    """Reflection order that includes every image within `rir_s` of a room of `size` m."""
    return math.ceil(rir_s * SPEED_OF_SOUND * math.sqrt(sum(side**-2 for side in size))) + 3


def _room(pra: Any, scene: Scene, sample_rate: int, bands: Sequence[float], air: bool, order: int, ray_tracing: bool) -> Any:
    """The library's room for the one scene in `scene`, with its microphones."""
    scattering = float(scene.diffuseness[0]) * SCATTERING_PER_DIFFUSENESS if ray_tracing else 0.0
    walls = {}
    for name, coefficients in zip(_WALL_NAMES, scene.absorption[0].double().tolist(), strict=True):
        flat = len(set(coefficients)) == 1
        walls[name] = pra.Material(coefficients[0] if flat else {"coeffs": coefficients, "center_freqs": list(bands)}, scattering)
    size = scene.size[0].double().numpy()
    room = pra.ShoeBox(size, fs=sample_rate, materials=walls, max_order=order, air_absorption=air, ray_tracing=ray_tracing)
    room.set_sound_speed(SPEED_OF_SOUND)
    room.add_source(scene.source[0].double().numpy())
    place = scene.microphone[0].double().numpy()
    room.add_microphone(place)
    for azimuth, colatitude in _DIPOLE_ANGLES:
        axis = pra.directivities.DirectionVector(azimuth=azimuth, colatitude=colatitude, degrees=True)
        room.add_microphone(place, directivity=pra.directivities.FigureEight(axis, gain=1.0))
    return room


def _high_passed(rir: Tensor, sample_rate: int, cutoff_hz: float) -> Tensor:
    if cutoff_hz <= 0:
        return rir
    n = rir.shape[-1] + 2 * round(_PAD_S * sample_rate)
    gain = high_pass_gain(torch.arange(n // 2 + 1) * (sample_rate / n), cutoff_hz)
    return torch.fft.irfft(torch.fft.rfft(rir, n=n) * gain, n=n)[..., : rir.shape[-1]]


def _render_one(
    scene: Scene, sample_rate: int, samples: int, bands: Sequence[float], air: bool, max_order: int | None, ray_tracing: bool
) -> Tensor:
    """(4, samples) of a batch of one."""
    pra = _library()
    order = full_order(scene.size[0].tolist(), samples / sample_rate) if max_order is None else max_order
    seed = int(scene.noise_seed[0]) % 2**32
    np.random.seed(seed)  # the library draws its diffuse noise from NumPy's global generator
    pra.random.seed(seed)  # and its rays from its own
    with _without_high_pass(pra):
        room = _room(pra, scene, sample_rate, bands, air, order, ray_tracing)
        room.compute_rir()
    delay = pra.constants.get("frac_delay_length") // 2
    rir = torch.zeros(len(room.rir), samples)
    for channel, responses in enumerate(room.rir):
        kept = np.asarray(responses[0], dtype=np.float32)[delay : delay + samples]
        rir[channel, : len(kept)] = torch.from_numpy(kept)
    return rir


def render_rir_pyroomacoustics(
    scene: Scene,
    sample_rate: int,
    rir_s: float,
    bands_hz: Sequence[float],
    air: bool = True,
    high_pass_hz: float = 20.0,
    max_order: int | None = None,
    ray_tracing: bool = False,
) -> Tensor:
    """Impulse responses by pyroomacoustics; arguments, conventions and levels as in `render.render_rir`.

    Args:
        scene: B rooms, on the CPU.
        sample_rate: Hz.
        rir_s: length, s.
        bands_hz: centres of the octave bands.
        air: absorption by air (the library's table).
        high_pass_hz: cut-off of our zero-phase high pass, Hz; 0 for none.
        max_order: reflection order of the images; None: all within `rir_s`, which is out of reach for long responses in small rooms.
        ray_tracing: hybrid with the library's ray tracing, scattering from `scene.diffuseness`.

    Returns:
        (B, 4, R) float32.

    Raises:
        RunError: pyroomacoustics is not installed.
        DataError: the scene is impossible.
    """
    scene, bands = band_absorption(scene.check(), bands_hz, sample_rate)
    samples = round(rir_s * sample_rate)
    one = (_render_one(scene.select(slice(i, i + 1)), sample_rate, samples, bands, air, max_order, ray_tracing) for i in range(len(scene)))
    return _high_passed(torch.stack(list(one)), sample_rate, high_pass_hz)


def _hybrid(scene: Scene, rooms: RoomsConfig, sample_rate: int, octaves_hz: Sequence[float]) -> tuple[Tensor, dict[str, Tensor]]:
    """Response and labels of a batch of one. The library simulates the whole decay in any case: it is measured, then cut."""
    whole_s = LONGER[-1] * rooms.rir_s
    rir = render_rir_pyroomacoustics(
        scene, sample_rate, whole_s, rooms.bands_hz, rooms.air, rooms.high_pass_hz, max_order=_HYBRID_ORDER, ray_tracing=True
    )
    return rir[..., : round(rooms.rir_s * sample_rate)].clone(), measure(scene, rir, sample_rate, octaves_hz=octaves_hz)


def check_images(scene: Scene, rir_s: float) -> None:
    """Refuse rooms whose images are too many to form, before any is rendered.

    Raises:
        DataError: names the largest.
    """
    counts = []
    for size in scene.size.tolist():
        order = full_order(size, rir_s)
        counts.append((2 * order + 1) * (2 * order**2 + 2 * order + 3) // 3)
    refused = [i for i, count in enumerate(counts) if count > MOST_IMAGES]
    if refused:
        worst = max(refused, key=counts.__getitem__)
        size = " × ".join(f"{side:.1f}" for side in scene.size[worst].tolist())
        raise DataError(
            f"{len(refused)} of {len(counts)} rooms have more than {MOST_IMAGES:,} images within rooms.rir_s = {rir_s:g} s "
            f"({counts[worst]:,} for room {worst}, {size} m)",
            "shorten rooms.rir_s, or use the engine shoebox or pyroomacoustics, whose late parts are no images",
        )


def _images(scene: Scene, rooms: RoomsConfig, sample_rate: int, octaves_hz: Sequence[float]) -> tuple[Tensor, dict[str, Tensor]]:
    """Response and labels of a batch of one, from all its images. What lies beyond the response is taken from our law of specular walls."""
    check_images(scene, rooms.rir_s)
    still = Scene(**{**scene.tensors(), "diffuseness": torch.zeros_like(scene.diffuseness)})  # images know no scattering
    rir = render_rir_pyroomacoustics(still, sample_rate, rooms.rir_s, rooms.bands_hz, rooms.air, rooms.high_pass_hz)
    resolved, bands = band_absorption(still, rooms.bands_hz, sample_rate)
    air = air_of(bands, rooms.air, still.size.device)
    beyond = energy_beyond(resolved, band_power(bands, sample_rate), air, rooms.rir_s)
    return rir, measure(scene, rir, sample_rate, beyond, octaves_hz)


def _one(scene: Scene, rooms: RoomsConfig, sample_rate: int, octaves: bool) -> tuple[Tensor, dict[str, Tensor]]:
    torch.set_num_threads(1)
    render = _images if rooms.engine == "pyroomacoustics_images" else _hybrid
    return render(scene, rooms, sample_rate, usable_bands(rooms.bands_hz, sample_rate) if octaves else ())


def render_measured_pyroomacoustics(
    scene: Scene, rooms: RoomsConfig, sample_rate: int, octaves: bool = False, processes: int | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Responses and labels as `measure.render_measured` gives them, by the library's images alone (`rooms.engine` is
    pyroomacoustics_images) or by its hybrid of images and ray tracing.

    Args:
        scene: B rooms.
        rooms: rendering.
        sample_rate: Hz.
        octaves: measure `measure.OCTAVE_T30` too.
        processes: worker processes; None: one per core.

    Raises:
        DataError: a room has too many images.
    """
    _library()
    single = [scene.select(slice(i, i + 1)) for i in range(len(scene))]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(partial(_one, rooms=rooms, sample_rate=sample_rate, octaves=octaves), single))
    labels = {name: torch.cat([measured[name] for _, measured in done]) for name in done[0][1]}
    return torch.cat([rir for rir, _ in done]), labels
