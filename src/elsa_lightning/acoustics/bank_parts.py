"""A bank in parts, each simulated by another job, and then joined: the same bits as in one piece."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from elsa_lightning.acoustics.bank import BATCH, RoomBank, build_bank, read_manifest, saved_hash, source_of
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


def check_part(path: Path, rooms: RoomsConfig, sample_rate: int, split: str, index: int, count: int) -> None:
    """Refuse a saved part that is not part `index` of `count` of what is asked: of an experiment before an edit, say.

    Args:
        path: its folder.
        rooms, sample_rate, split, index, count: as in `build_part`.

    Raises:
        DataError: no part is there, or one of other rooms; it names what differs.
    """
    manifest, rows = read_manifest(path), rows_of_part(getattr(rooms, split), index, count)
    wanted = _as_saved(rooms, split) | {PART: [rows.start, rows.stop], "sample_rate": sample_rate}
    found = manifest["source"] | {"sample_rate": manifest["sample_rate"]}
    differences = _differences(found, wanted)
    if differences:
        more = ", …" if len(differences) > 3 else ""
        raise DataError(
            f"{path} is no part {index} of {count} of this bank: {', '.join(differences[:3])}{more}",
            f"remove it and simulate it again (--shard {index}/{count}), or call with the experiment and options that it was made with",
        )


def join_parts(folder: Path, rooms: RoomsConfig, sample_rate: int, split: str, count: int) -> RoomBank:
    """The whole bank from its parts.

    Args:
        folder: of the bank, beside which they lie.
        rooms: what the parts were made from.
        sample_rate: Hz.
        split: train, val or test.
        count: of the parts.

    Raises:
        DataError: a part is missing, damaged, or of another bank.
    """
    parts = []
    for index in range(1, count + 1):
        if not rows_of_part(getattr(rooms, split), index, count):
            continue
        path = part_folder(folder, index, count)
        check_part(path, rooms, sample_rate, split, index, count)
        parts.append(RoomBank.load(path))
    first = parts[0]
    scene = Scene(**{name: torch.cat([part.scene.tensors()[name] for part in parts]) for name in first.scene.tensors()})
    labels = {name: torch.cat([part.labels[name] for part in parts]) for name in first.labels}
    samples, scale, octaves = (torch.cat([getattr(part, name) for part in parts]) for name in ("samples", "scale", "octave_t30_s"))
    return RoomBank(scene, samples, scale, labels, octaves, sample_rate, source_of(rooms, split))


def joined_bank(folder: Path, rooms: RoomsConfig, sample_rate: int, split: str, count: int) -> RoomBank | None:
    """The bank in a folder, if it was joined of these parts already; None otherwise.

    A call that was killed has left some parts: each must hold the bank's own rooms, so that a bank is not taken for that of newer parts.

    Args:
        folder, rooms, sample_rate, split, count: as in `join_parts`.

    Raises:
        DataError: the bank is damaged.
    """
    total = getattr(rooms, split)
    try:
        manifest = read_manifest(folder)
    except DataError:
        return None
    if (manifest["source"], manifest["sample_rate"], manifest.get("rooms")) != (_as_saved(rooms, split), sample_rate, total):
        return None
    bank = RoomBank.load(folder)
    for path, rows in left_parts(folder, total, count).items():
        try:
            found = saved_hash(path)
        except DataError:  # half removed
            continue
        if found != _rows(bank, rows).content_hash:
            return None
    return bank


def left_parts(folder: Path, total: int, count: int) -> dict[Path, range]:
    """Folders of the parts that are there, whole or not, and their rooms."""
    parts = {part_folder(folder, index, count): rows_of_part(total, index, count) for index in range(1, count + 1)}
    return {path: rows for path, rows in parts.items() if rows and path.is_dir()}


def _rows(bank: RoomBank, rows: range) -> RoomBank:
    part = slice(rows.start, rows.stop)
    labels = {name: values[part] for name, values in bank.labels.items()}
    tensors = (bank.samples[part], bank.scale[part], labels, bank.octave_t30_s[part])
    return RoomBank(bank.scene.select(part), *tensors, bank.sample_rate, bank.source)


def _as_saved(rooms: RoomsConfig, split: str) -> dict[str, Any]:
    """The source of the whole bank, as its manifest gives it back: JSON has no tuples."""
    return json.loads(json.dumps(source_of(rooms, split)))


def _differences(found: Any, wanted: Any, key: str = "") -> list[str]:
    """What of nested mappings is another, as `key found, not wanted`."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = {name: f"{key}.{name}" if key else name for name in wanted | found}
        return [line for name, path in names.items() for line in _differences(found.get(name), wanted.get(name), path)]
    return [] if found == wanted else [f"{key} {found!r}, not {wanted!r}"]
