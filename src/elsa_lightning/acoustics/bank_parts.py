"""A bank in parts, each simulated by another job, and then joined: the same bits as in one piece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from elsa_lightning.acoustics.bank import BATCH, RoomBank, build_bank
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig

PART = "part"
"""Key of a part's source: its first room, and the one after its last."""


def rows_of_part(total: int, index: int, count: int) -> range:
    """The rooms of part `index` (from 1) of `count`: whole batches, so that each room is simulated beside the same others."""
    batches = -(-total // BATCH)
    return range((index - 1) * batches // count * BATCH, min(index * batches // count * BATCH, total))


def part_folder(folder: Path, index: int, count: int) -> Path:
    """Where a part lies: beside the bank's folder."""
    return folder.with_name(f"{folder.name}.part-{index}-of-{count}")


def build_part(
    rooms: RoomsConfig, sample_rate: int, split: str, index: int, count: int, progress: Callable[[int, int], None] | None = None
) -> RoomBank | None:
    """Part `index` (from 1) of `count` of what `build_bank` makes; None where so many parts leave it no room.

    Raises:
        DataError: see `build_bank`.
    """
    rows = rows_of_part(getattr(rooms, split), index, count)
    if not rows:
        return None
    bank = build_bank(rooms, sample_rate, split, progress, rows)
    bank.source[PART] = [rows.start, rows.stop]
    return bank


def join_parts(folder: Path, rooms: RoomsConfig, split: str, count: int) -> RoomBank:
    """The whole bank from its parts.

    Args:
        folder: of the bank, beside which they lie.
        rooms: what the parts were made from.
        split: train, val or test.
        count: of the parts.

    Raises:
        DataError: a part is missing, damaged, or of another bank.
    """
    parts = []
    for index in range(1, count + 1):
        rows = rows_of_part(getattr(rooms, split), index, count)
        if not rows:
            continue
        path = part_folder(folder, index, count)
        part = RoomBank.load(path)
        source = dict(part.source)
        if source.pop(PART, None) != [rows.start, rows.stop] or (parts and source != parts[0].source):
            raise DataError(f"{path} is no part {index} of {count} of this bank", "remove it and simulate it again: --shard")
        part.source = source
        parts.append(part)
    first = parts[0]
    scene = Scene(**{name: torch.cat([part.scene.tensors()[name] for part in parts]) for name in first.scene.tensors()})
    labels = {name: torch.cat([part.labels[name] for part in parts]) for name in first.labels}
    samples, scale, octaves = (torch.cat([getattr(part, name) for part in parts]) for name in ("samples", "scale", "octave_t30_s"))
    return RoomBank(scene, samples, scale, labels, octaves, first.sample_rate, first.source)
