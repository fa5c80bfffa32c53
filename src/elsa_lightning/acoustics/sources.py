"""Several sources in one room, still or moving, as one ambisonic scene.

A moving source is a chain of still ones: its sound is faded linearly from each point of its path to the next, and each part is convolved
with the response of its own place. The late field's noise is the same all along a path, so it does not flicker; other sources have their
own. There is no Doppler shift beyond what the fading gives. While it fades, a point and the next are heard at once, d apart: where one is
farther away than the other by d, what is above about c / (4 d) is weakened (−3 dB) and c / (2 d) is gone. `densified` puts points near
enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.errors import DataError
from elsa_lightning.seeding import seed_of

STEP_M, MOST_POINTS, CHUNK = 0.01, 5000, 16
"""Points of `densified` a path: their distance, and how many at most; and points rendered at a time, which bounds the memory."""


@dataclass
class SoundSource:
    """A sound and where it is.

    Attributes:
        mono: (T,) its sound.
        path: (P, 3) m, points in the room's coordinates; one point: a still source.
        time_s: (P,) s, rising, when it is at each point; before the first and after the last it stands still. Not needed for one point.
        start_s: when its sound begins.
        level_db: gain.
    """

    mono: Tensor
    path: Tensor
    time_s: Tensor | None = None
    start_s: float = 0.0
    level_db: float = 0.0

    def check(self, name: str) -> SoundSource:
        """Return self if it can be rendered.

        Raises:
            DataError: shapes that do not fit, times that do not rise, or a start before the scene's.
        """
        points = len(self.path)
        if self.mono.ndim != 1 or not len(self.mono):
            raise DataError(f"{name}: its sound has shape {tuple(self.mono.shape)}", "give one channel, (T,)")
        if not self.mono.isfinite().all() or not math.isfinite(self.level_db):
            raise DataError(f"{name}: its sound or its level is not finite", "look for NaN in it")
        if self.path.ndim != 2 or self.path.shape[1] != 3 or not points:
            raise DataError(f"{name}: its path has shape {tuple(self.path.shape)}", "give points (P, 3) in metres")
        if points > 1 and (self.time_s is None or tuple(self.time_s.shape) != (points,)):
            raise DataError(f"{name}: {points} points need {points} times", "give time_s (P,) in seconds")
        if points > 1 and not (self.time_s.diff() > 0).all():
            raise DataError(f"{name}: the times of its path do not rise", "sort the points by time, each with a time of its own")
        if not 0 <= self.start_s < float("inf"):
            raise DataError(f"{name}: it starts at {self.start_s} s", "start at 0 or later")
        return self

    def stretch(self, point: int, sample_rate: int) -> tuple[int, Tensor]:
        """First sample and weights `(n,)` of the stretch of the sound that a point gets; those of all points add up to one everywhere."""
        length = len(self.mono)
        if len(self.path) == 1:
            return 0, torch.ones(length)
        time = (self.time_s.double() - self.start_s) * sample_rate  # samples of the sound
        begin = 0 if point == 0 else min(length, max(0, math.ceil(time[point - 1])))
        end = length if point == len(time) - 1 else min(length, max(0, math.ceil(time[point + 1])))
        now = torch.arange(begin, max(begin, end), dtype=torch.float64)
        weight = torch.ones_like(now)
        if point > 0:
            weight = weight * ((now - time[point - 1]) / (time[point] - time[point - 1])).clamp(0, 1)
        if point < len(time) - 1:
            weight = weight * ((time[point + 1] - now) / (time[point + 1] - time[point])).clamp(0, 1)
        return begin, weight.float()


def densified(path: Tensor, time_s: Tensor, step_m: float = STEP_M) -> tuple[Tensor, Tensor]:
    """A path with more points, no two neighbours farther apart than `step_m`; straight between the points given.

    Args:
        path: (P, 3) m.
        time_s: (P,) s.
        step_m: m.

    Raises:
        DataError: the path would have more than `MOST_POINTS` points.
    """
    pieces = (path.diff(dim=0).norm(dim=1) / step_m).ceil().clamp_min(1).long().tolist()
    if sum(pieces) >= MOST_POINTS:
        raise DataError(
            f"a path of {path.diff(dim=0).norm(dim=1).sum().item():.0f} m has more than {MOST_POINTS} points {step_m:g} m apart",
            "let the source move less far, or raise step_m",
        )
    shares = [torch.arange(count, dtype=torch.float64) / count for count in pieces]
    points = [torch.lerp(path[i].double(), path[i + 1].double(), share[:, None]) for i, share in enumerate(shares)]
    times = [torch.lerp(time_s[i].double(), time_s[i + 1].double(), share) for i, share in enumerate(shares)]
    return torch.cat([*points, path[-1:].double()]).to(path), torch.cat([*times, time_s[-1:].double()])


def render_sources(
    room: Scene,
    sources: Sequence[SoundSource],
    sample_rate: int,
    rir_s: float,
    bands_hz: Sequence[float],
    length_s: float | None = None,
    air: bool = True,
    high_pass_hz: float = 20.0,
) -> Tensor:
    """All sources in one room.

    Args:
        room: a batch of one; its own source is not heard, its `noise_seed` is the room's.
        sources: what is heard.
        sample_rate: Hz, of the sounds and of the result.
        rir_s: length of the responses, s.
        bands_hz: centres of the octave bands of the walls.
        length_s: of the result; None: until the last sound has decayed.
        air: absorption by air.
        high_pass_hz: of the responses.

    Returns:
        (4, length) float32, ACN/SN3D.

    Raises:
        DataError: no sources, more than one room, or a source that cannot be: the message says which.
    """
    if min(sample_rate, rir_s, 1 if length_s is None else length_s) <= 0 or not math.isfinite(length_s or 1):
        raise DataError(f"sample_rate {sample_rate}, rir_s {rir_s}, length_s {length_s}", "give numbers above 0")
    if room.size.ndim != 2 or len(room) != 1 or not sources:
        raise DataError(f"{len(sources)} sources in {len(room)} rooms", "give one room and at least one source")
    tail = round(rir_s * sample_rate)
    starts = [round(one.check(f"source {i}").start_s * sample_rate) for i, one in enumerate(sources)]
    ends = [start + len(one.mono) + tail - 1 for start, one in zip(starts, sources, strict=True)]
    foa = torch.zeros(4, max(ends) if length_s is None else round(length_s * sample_rate))
    for number, (one, start) in enumerate(zip(sources, starts, strict=True)):
        places, mono = _places(room, one.path, number), one.mono.float() * 10 ** (one.level_db / 20)
        for points in torch.arange(len(one.path)).split(CHUNK):
            stretches = [one.stretch(point, sample_rate) for point in points.tolist()]
            longest = max(len(weight) for _, weight in stretches)
            if longest == 0:
                continue
            rir = render_rir(places.select(points), sample_rate, rir_s, bands_hz, air, high_pass_hz)  # (C, 4, R)
            sound = torch.zeros(len(points), longest)
            for row, (begin, weight) in zip(sound, stretches, strict=True):
                row[: len(weight)] = weight * mono[begin : begin + len(weight)]
            heard = convolve(sound, rir, longest + tail - 1)
            for (begin, _), part in zip(stretches, heard, strict=True):
                kept = part[:, : max(0, foa.shape[1] - start - begin)]
                foa[:, start + begin : start + begin + kept.shape[1]] += kept
    return foa


def _places(room: Scene, path: Tensor, number: int) -> Scene:
    """The room once for each point, with the source there; raises `DataError` on a point where no source can be."""
    rows = torch.zeros(len(path), dtype=torch.long)
    seed = int(room.noise_seed[0]) if number == 0 else seed_of("source", int(room.noise_seed[0]), number)
    named = room.select(rows).tensors() | {"source": path.to(room.size.dtype), "noise_seed": torch.full((len(path),), seed)}
    try:
        return Scene(**named).check()
    except DataError as fault:
        raise DataError(f"source {number}, point by point: {fault.message}", fault.remedy) from fault
