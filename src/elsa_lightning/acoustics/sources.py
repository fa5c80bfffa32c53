"""Several sources in one room, still or moving, as one ambisonic scene.

A moving source is a chain of still ones: its sound is faded linearly from each point of its path to the next, and each part is convolved
with the response of its own place. The late field's noise is the same all along a path, so it does not flicker; other sources have
their own. What a receiver hears of the motion, direction and level, follows the points, so that a path past the listener needs them
dense: a point every ten degrees or so. There is no Doppler shift.
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

    def weights(self, sample_rate: int) -> Tensor:
        """(P, T) share of the sound that each point gets; the shares of a sample add up to one."""
        if len(self.path) == 1:
            return torch.ones(1, len(self.mono))
        now = self.start_s + torch.arange(len(self.mono), dtype=torch.float64) / sample_rate  # (T,)
        time = self.time_s.double()
        after = torch.searchsorted(time, now).clamp(1, len(time) - 1)
        share = ((now - time[after - 1]) / (time[after] - time[after - 1])).clamp(0, 1)
        shares = torch.zeros(len(time), len(now), dtype=torch.float64)
        shares.scatter_(0, after[None], share[None])
        shares.scatter_(0, after[None] - 1, 1 - share[None])
        return shares.float()


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
        rir = render_rir(_places(room, one.path, number), sample_rate, rir_s, bands_hz, air, high_pass_hz)  # (P, 4, R)
        sound = one.mono.float() * 10 ** (one.level_db / 20) * one.weights(sample_rate)  # (P, T)
        heard = convolve(sound, rir, len(one.mono) + tail - 1).sum(0)
        kept = heard[:, : max(0, foa.shape[1] - start)]
        foa[:, start : start + kept.shape[1]] += kept
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
