"""Draws of rooms: each room is a function of (seed, split, index) alone.

Distance and direction are drawn first, uniformly, and kept: a room that cannot hold them is redrawn, not they, so that near and far, high
and low sources come as often as asked for. The wanted T30 (log-uniform) is kept in the same way as long as some room can have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from elsa_lightning.acoustics.absorption import solve_absorption
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import air_of
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import RangeConfig, RoomsConfig
from elsa_lightning.seeding import rng_of, seed_of

WALL_MARGIN_M = 0.2
"""Least distance of source and microphone from every wall, m."""

_SIZE_TRIES = 200
_PLACE_TRIES = 2000
_ROUNDS = 40
_KEEP_WISHES = 12  # rounds after which distance, direction and T30 are redrawn as well
_WALL_SPREAD = 0.4  # standard deviation of the walls' ln absorption
_TILT_MEAN, _TILT_SPREAD = 0.12, 0.15  # ln absorption per octave
_SOLVER_BATCH = 64


@dataclass
class _Draw:
    """One room's random choices; NumPy float64."""

    size: np.ndarray
    source: np.ndarray
    microphone: np.ndarray
    t30_s: float
    wall_shape: np.ndarray
    diffuseness: float


@dataclass
class _Wish:
    """What is kept while rooms are redrawn."""

    offset: np.ndarray  # source − microphone, m
    t30_s: float


def _log_uniform(rng: np.random.Generator, limits: list[float]) -> float:
    return float(np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]))))


def _wish(rng: np.random.Generator, ranges: RangeConfig) -> _Wish:
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = np.deg2rad(rng.uniform(*ranges.elevation_deg))
    direction = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    return _Wish(rng.uniform(*ranges.distance_m) * direction, _log_uniform(rng, ranges.t30_s))


def _size(rng: np.random.Generator, ranges: RangeConfig) -> np.ndarray:
    area, aspect = _log_uniform(rng, ranges.floor_area_m2), rng.uniform(*ranges.aspect)
    sides = np.array([np.sqrt(area * aspect), np.sqrt(area / aspect)])
    height = rng.uniform(ranges.height_m[0], max(ranges.height_m[0], min(ranges.height_m[1], ranges.slenderness * sides[1])))
    return np.append(sides if rng.random() < 0.5 else sides[::-1], height)


def eyring_absorption(size: np.ndarray, t30_s: float) -> float:
    """Mean absorption coefficient with which Eyring's formula gives a (3,) m room its reverberation time; 0.161 s/m is 24 ln 10 / c."""
    surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    return float(1 - np.exp(-0.161 * size.prod() / (surface * t30_s)))


def _inside(size: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box (3,), (3,) of places of a microphone from which the source at `offset` is within the room too."""
    return WALL_MARGIN_M + np.maximum(0.0, -offset), size - WALL_MARGIN_M - np.maximum(0.0, offset)


def _draw(rng: np.random.Generator, wish: _Wish, ranges: RangeConfig, rooms: RoomsConfig, octaves: np.ndarray) -> _Draw | None:
    """A room that holds the wished distance and direction; None if none of `_SIZE_TRIES` does."""
    for _ in range(_SIZE_TRIES):
        size = _size(rng, ranges)
        lowest, highest = _inside(size, wish.offset)
        if (lowest < highest).all() and rooms.absorption[0] <= eyring_absorption(size, wish.t30_s) <= rooms.absorption[1]:
            break
    else:
        return None
    microphone = rng.uniform(lowest, highest)
    walls = rng.normal(0.0, _WALL_SPREAD, (6, 1))
    tilts = rng.normal(_TILT_MEAN, _TILT_SPREAD, (6, 1))
    shape = np.exp(walls + tilts * octaves)
    return _Draw(size, microphone + wish.offset, microphone, wish.t30_s, shape, rng.uniform(*rooms.diffuseness))


def _tensor(rows: list) -> torch.Tensor:
    return torch.from_numpy(np.asarray(rows, dtype=np.float32))


def _solve(draws: list[_Draw], seeds: list[int], bands: tuple[float, ...], sample_rate: int, air: bool) -> tuple[Scene, torch.Tensor]:
    """The scene of these draws with walls for their T30, and which of them can have it."""
    size, shape, diffuseness = (
        _tensor([d.size for d in draws]),
        _tensor([d.wall_shape for d in draws]),
        _tensor([d.diffuseness for d in draws]),
    )
    source, microphone = _tensor([d.source for d in draws]), _tensor([d.microphone for d in draws])
    damping, distance = air_of(bands, air, size.device), (source - microphone).norm(dim=-1)
    absorption, feasible = solve_absorption(
        size, _tensor([d.t30_s for d in draws]), shape, distance, diffuseness, bands, sample_rate, damping
    )
    return Scene(size, source, microphone, absorption, diffuseness, torch.tensor(seeds, dtype=torch.int64)), feasible


def split_rooms(rooms: RoomsConfig, split: str, index: Sequence[int], sample_rate: int) -> Scene:
    """Rooms of a split by their numbers, as `rooms` says; a room depends on its own number only.

    Test room i is a room that training never meets or, with `rooms.test_rooms: seen`, training room i with new places for source and
    microphone. The room is kept there, and so a place that it cannot hold is drawn again: small rooms have nearer sources.

    Raises:
        ConfigError: see `draw_keyed`; or a room that cannot hold any place of the test's ranges.
    """
    seen = split == "test" and rooms.test_rooms == "seen"
    of = "train" if seen else split
    scene = draw_keyed([("room", rooms.seed, of, int(i)) for i in index], ranges_of(rooms, of), rooms, sample_rate)
    return _with_new_places(scene, rooms, [int(i) for i in index]) if seen else scene


def _with_new_places(scene: Scene, rooms: RoomsConfig, index: Sequence[int]) -> Scene:
    """The same rooms with other sources and microphones."""
    sources, microphones = [], []
    for i, size in zip(index, scene.size.double().numpy(), strict=True):
        rng = rng_of("seen room", rooms.seed, i)
        for _ in range(_PLACE_TRIES):
            offset = _wish(rng, rooms.test_ranges).offset
            lowest, highest = _inside(size, offset)
            if (lowest < highest).all():
                break
        else:
            remedy = "lower rooms.test_ranges.distance_m, or raise rooms.ranges.floor_area_m2"
            raise ConfigError(f"training room {i} holds no source within rooms.test_ranges", remedy)
        microphones.append(rng.uniform(lowest, highest))
        sources.append(microphones[-1] + offset)
    seeds = torch.tensor([seed_of("noise", "seen room", rooms.seed, i) for i in index], dtype=torch.int64)
    return replace(scene, source=_tensor(sources), microphone=_tensor(microphones), noise_seed=seeds)


def ranges_of(rooms: RoomsConfig, split: str) -> RangeConfig:
    """What a split's rooms are drawn from: test rooms have ranges of their own."""
    return rooms.test_ranges if split == "test" else rooms.ranges


def draw_keyed(names: list[tuple[int | str, ...]], ranges: RangeConfig, rooms: RoomsConfig, sample_rate: int) -> Scene:
    """One room for each name; a room depends on its own name only.

    Args:
        names: parts for `seeding.rng_of`.
        ranges: from which to draw.
        rooms: bands, air and diffuseness.
        sample_rate: Hz; bands above it are left out.

    Raises:
        ConfigError: the ranges contradict each other (no room in them can have what is asked).
    """
    bands = usable_bands(rooms.bands_hz, sample_rate)
    octaves = np.log2(np.asarray(bands) / 1000.0)
    generators = [rng_of(*name) for name in names]
    wishes = [_wish(rng, ranges) for rng in generators]
    found: list[Scene | None] = [None] * len(names)
    for round_ in range(_ROUNDS):
        open_ = [i for i, scene in enumerate(found) if scene is None]
        if not open_:
            return Scene.cat([scene for scene in found if scene is not None])
        for start in range(0, len(open_), _SOLVER_BATCH):
            batch = open_[start : start + _SOLVER_BATCH]
            if round_ and round_ % _KEEP_WISHES == 0:
                for i in batch:
                    wishes[i] = _wish(generators[i], ranges)
            drawn = {i: draw for i in batch if (draw := _draw(generators[i], wishes[i], ranges, rooms, octaves)) is not None}
            if not drawn:
                continue
            scene, feasible = _solve(list(drawn.values()), [seed_of("noise", *names[i]) for i in drawn], bands, sample_rate, rooms.air)
            for row, i in enumerate(drawn):
                if feasible[row]:
                    found[i] = scene.select(slice(row, row + 1))
    raise ConfigError(
        "rooms.ranges: no room within them has the wanted distance, elevation and T30",
        "widen floor_area_m2, height_m, distance_m, elevation_deg, t30_s or rooms.absorption",
    )


def draw_rooms(n: int, ranges: RangeConfig, rooms: RoomsConfig, seed: int, split: str, sample_rate: int = 48000) -> Scene:
    """The first `n` rooms of a split; its room i does not depend on n, and splits share no room.

    Args:
        n: number of rooms.
        ranges: from which to draw.
        rooms: bands, air and diffuseness.
        seed: of the room draws.
        split: train, val or test.
        sample_rate: Hz; which bands count, and what "full-band" T30 means.

    Returns:
        n scenes whose analytic T30 is the wanted one; the label to train on is the T30 measured on the rendered response.
    """
    return draw_keyed([("room", seed, split, i) for i in range(n)], ranges, rooms, sample_rate)
