"""Does a bank hold what its manifest says? Its rooms are drawn and rendered again and compared with what is stored."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank, engine_of
from elsa_lightning.acoustics.sampling import split_rooms
from elsa_lightning.errors import DataError
from elsa_lightning.schema import CHOICES, RangeConfig, RoomsConfig

AGREEMENT_DB = -60.0
"""Largest difference between a stored and a re-simulated response, re its peak: float16 rounds at −66 dB, another processor's arithmetic
differs far below."""


@dataclass(frozen=True)
class Resimulation:
    """K rooms, stored and simulated again.

    Attributes:
        index: (K,) rows of the bank.
        same_scene: (K,) bool: room, places and walls are those of the manifest's draw.
        same_bits: (K,) bool: the stored samples are the re-simulated ones.
        error_db: (K,) largest difference of the responses, dB re the stored peak.
    """

    index: Tensor
    same_scene: Tensor
    same_bits: Tensor
    error_db: Tensor

    @property
    def agrees(self) -> Tensor:
        """(K,) bool: the same room, and its response but for rounding."""
        return self.same_scene & (self.error_db <= AGREEMENT_DB)


def resimulate(bank: RoomBank, index: Tensor) -> Resimulation:
    """Draw and render rooms of a bank again, from its manifest alone.

    Args:
        bank: on the CPU.
        index: (K,) int64 rows.

    Raises:
        DataError: the manifest does not say how the bank was built, or a version did that this one does not know.
    """
    rooms, split = rooms_of(bank.source), bank.source["split"]
    scene = split_rooms(rooms, split, index.tolist(), bank.sample_rate)
    stored = bank.scene.select(index)
    same_scene = torch.ones(len(index), dtype=torch.bool)
    for field in fields(scene):
        new, old = getattr(scene, field.name).double(), getattr(stored, field.name).double()
        close = torch.isclose(new, old, rtol=1e-5, atol=1e-6) if new.shape == old.shape else torch.zeros(len(index), 1, dtype=torch.bool)
        same_scene &= close.reshape(len(index), -1).all(1)
    response, labels = engine_of(rooms)(scene, rooms, bank.sample_rate, octaves=True)
    again = RoomBank.of(scene, response, labels, bank.sample_rate, bank.source)
    if again.samples.shape[1:] != bank.samples.shape[1:]:
        raise DataError(
            f"responses of {tuple(again.samples.shape[1:])}, but the bank holds {tuple(bank.samples.shape[1:])}", "build it again"
        )
    rows = torch.arange(len(index))
    peak = bank.rir(index).abs().amax((1, 2)).clamp_min(1e-12)
    difference = (again.rir(rows) - bank.rir(index)).abs().amax((1, 2))
    error_db = 20 * torch.log10((difference / peak).clamp_min(1e-12))
    same_bits = (again.samples == bank.samples[index]).flatten(1).all(1) & (again.scale == bank.scale[index])
    return Resimulation(index, same_scene, same_bits, error_db)


def _check_kind(name: str, value: Any, default: Any) -> None:
    """Raise ValueError where a value is of another kind than its default: a number, a text, a list of numbers, a group."""
    if isinstance(default, list):
        fits = isinstance(value, list) and all(isinstance(v, int | float) for v in value)
    elif isinstance(default, int | float) and not isinstance(default, bool):
        fits = isinstance(value, int | float)
    else:
        fits = isinstance(value, type(default))
    if not fits:
        raise ValueError(f"{name} {value!r}")


def rooms_of(source: dict) -> RoomsConfig:
    """The configuration in a manifest's `source`.

    Raises:
        DataError: it is not there, or has other keys than this version's.
    """
    try:
        values = dict(source["rooms"])
        ranges = {name: RangeConfig(**values.pop(name)) for name in ("ranges", "test_ranges")}
        if source["split"] not in ("train", "val", "test"):
            raise ValueError(f"split {source['split']!r}")
        rooms = RoomsConfig(**values, **ranges)
        for one, default in ((rooms, RoomsConfig()), *((getattr(rooms, name), RangeConfig()) for name in ("ranges", "test_ranges"))):
            for field in fields(default):
                _check_kind(field.name, getattr(one, field.name), getattr(default, field.name))
        if rooms.engine not in CHOICES["rooms.engine"]:
            raise ValueError(f"engine {rooms.engine!r}")
        return rooms
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(f"the bank's manifest does not say how it was built ({fault})", "build the bank again with this version") from fault
