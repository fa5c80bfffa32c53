"""From a folder of measured responses to banks of training, validation and test rooms, no room in two of them."""

from __future__ import annotations

import itertools
import math
import os
import pathlib
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import direction_from_angles
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.bank import MEASURED, RoomBank, check_replaceable
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.measure import LABELS, OCTAVE_T30
from elsa_lightning.acoustics.measured.conform import Conformed, conform
from elsa_lightning.acoustics.measured.faults import Faults
from elsa_lightning.acoustics.measured.response import Response
from elsa_lightning.acoustics.measured.sofa import responses_of_sofa, sofa_files
from elsa_lightning.acoustics.measured.table import SPLITS, TABLE, Stated, audio_files, responses_of_table
from elsa_lightning.atomic import partial_folder
from elsa_lightning.errors import DataError
from elsa_lightning.seeding import seed_of

MOST_ERROR_DEG = 30.0
"""A median angle above this between stated directions and the direct sounds' means that a convention is not the stated one."""

BY_ROOM = "rooms"
"""Split by room: as the table says, by a hash of the room's name where it does not."""


@dataclass
class Imported:
    """What was read.

    Attributes:
        banks: by split; splits without a response have none.
        faults: one line each of what was left out.
        direction_error_deg: median angle between stated directions and those of the direct sounds.
    """

    banks: dict[str, RoomBank]
    faults: list[str] = field(default_factory=list)
    direction_error_deg: float = math.nan


@dataclass(frozen=True)
class Target:
    """What the banks must fit.

    Attributes:
        sample_rate: Hz.
        rir_s: length of the responses, s.
        bands_hz: octaves to measure.
    """

    sample_rate: int
    rir_s: float
    bands_hz: Sequence[float]


def import_folder(
    root: pathlib.Path,
    target: Target,
    stated: Stated,
    split: str = BY_ROOM,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    skip_faulty: bool = False,
    any_direction: bool = False,
) -> Imported:
    """Read a folder's responses into banks.

    Args:
        root: with WAV or FLAC files and their table, SOFA files, or both.
        target: rate, length and octaves.
        stated: what the files do not say themselves.
        split: `BY_ROOM`, or the split that all responses are for.
        shares: of train, val and test rooms, for rooms that no table assigns.
        skip_faulty: leave faulty responses out, and count them.
        any_direction: accept directions that the sound contradicts.

    Raises:
        DataError: nothing to read, faulty responses, a room in two splits, or directions that the sound contradicts.
        ConfigError: SOFA files without the reader.
    """
    faults = Faults(skip_faulty)
    kept: list[tuple[Response, Conformed]] = []
    for response in _read(root, stated, faults):
        try:
            conformed = conform(response, target.sample_rate, target.rir_s, usable_bands(target.bands_hz, target.sample_rate))
        except DataError as fault:
            faults.add(fault)
            continue
        kept.append((_without_sound(response), conformed))
    faults.check()
    if not kept:
        raise DataError(f"{root}: none of its responses can be used; first: {faults.messages[0]}", faults.found[0].remedy)
    error = _check_directions([one.direction_error_deg for _, one in kept], any_direction)
    splits = _splits([response for response, _ in kept], split, shares)
    gain = 1 / max(np.abs(one.rir).max() for _, one in kept)
    banks = {}
    for name in SPLITS:
        here = [pair for pair, own in zip(kept, splits, strict=True) if own == name]
        if here:
            banks[name] = _bank(here, name, gain, target)
    return Imported(banks, faults.messages, error)


def _read(root: pathlib.Path, stated: Stated, faults: Faults) -> Iterator[Response]:
    if not root.is_dir():
        raise DataError(f"{root} is no folder", "name the folder of the measured responses")
    sounds, sofas = audio_files(root), sofa_files(root)
    tabled = stated.table is not None or (root / TABLE).exists()
    if not sounds and not sofas and not tabled:
        raise DataError(f"{root}: no .wav, .flac or .sofa file in it", "name the folder of the measured responses")
    readers = [responses_of_table] if sounds or tabled else []
    readers += [responses_of_sofa] if sofas else []
    return itertools.chain.from_iterable(reader(root, stated, faults) for reader in readers)


def _without_sound(response: Response) -> Response:
    """The response's facts alone: a folder of long measurements need not fit into memory."""
    return Response(**{**vars(response), "foa": np.empty((0, 0), np.float32)})


def _check_directions(errors: Sequence[float], accepted: bool) -> float:
    known = [error for error in errors if math.isfinite(error)]
    median = statistics.median(known) if known else math.nan
    if not median <= MOST_ERROR_DEG and not accepted:
        heard = f"the direct sounds lie {median:.0f}° from the stated directions (median)" if known else "the dipole channels are silent"
        raise DataError(
            f"{heard}: layout, sense of azimuth or axes are not as stated",
            "try another --layout, --clockwise, or look with `elsa data doctor`; --any-direction takes them as they are",
        )
    return median


def _splits(responses: Sequence[Response], split: str, shares: Sequence[float]) -> list[str]:
    """The split of each response: a room's responses share one."""
    if split != BY_ROOM:
        return [split] * len(responses)
    stated: dict[str, set[str]] = {}
    for response in responses:
        stated.setdefault(response.room, set()).update({response.split} - {""})
    for room, names in stated.items():
        if len(names) > 1:
            raise DataError(
                f"room '{room}' is in the splits {' and '.join(sorted(names))}",
                "all responses of a room must be in one: mend the column split",
            )
    ends = np.cumsum(np.asarray(shares, dtype=np.float64) / sum(shares))

    def of(room: str) -> str:
        place = seed_of("split of a measured room", room) / 2**63
        return next(iter(stated[room]), SPLITS[min(int(np.searchsorted(ends, place, side="right")), len(SPLITS) - 1)])

    home = {room: of(room) for room in stated}
    return [home[response.room] for response in responses]


def _bank(pairs: Sequence[tuple[Response, Conformed]], split: str, gain: float, target: Target) -> RoomBank:
    bands = usable_bands(target.bands_hz, target.sample_rate)
    labels = {name: torch.tensor([one.labels[name] for _, one in pairs], dtype=torch.float32) for name in LABELS}
    labels[OCTAVE_T30] = torch.tensor([one.octave_t30_s for _, one in pairs], dtype=torch.float32).reshape(len(pairs), len(bands))
    rir = torch.from_numpy(np.stack([one.rir for _, one in pairs])) * gain
    facts: dict[str, Any] = {
        "first": 0,
        "bands_hz": list(bands),
        "rir_s": target.rir_s,
        "gain": float(gain),
        "rooms": sorted({response.room for response, _ in pairs}),
        "responses": [_facts(*pair) for pair in pairs],
    }
    return RoomBank.of(scene_of(labels, len(bands)), rir, labels, target.sample_rate, {"split": split, MEASURED: facts})


def scene_of(labels: dict[str, Tensor], bands: int) -> Scene:
    """Scenes of which only the direction is certain: the microphone is the origin, what nobody measured is NaN."""
    direction = direction_from_angles(labels["azimuth"], labels["elevation"])
    n = len(direction)
    unknown = torch.full((n,), torch.nan)
    return Scene(
        size=unknown[:, None].expand(n, 3).clone(),
        source=direction * labels["distance_m"][:, None],
        microphone=torch.zeros(n, 3),
        absorption=unknown[:, None, None].expand(n, 6, bands).clone(),
        diffuseness=unknown.clone(),
        noise_seed=torch.zeros(n, dtype=torch.int64),
    )


def _facts(response: Response, one: Conformed) -> dict[str, Any]:
    """What the manifest says of a response."""
    return {
        "name": response.name,
        "room": response.room,
        "sample_rate": response.sample_rate,
        "kept_s": round(one.kept_s, 4),
        "meets_noise_s": round(one.decay.end_s, 4) if one.decay.meets_noise else None,
        "decay_range_db": round(one.decay.range_db, 1),
        "direction_error_deg": round(one.direction_error_deg, 2) if math.isfinite(one.direction_error_deg) else None,
    }


def save_banks(banks: dict[str, RoomBank], folder: pathlib.Path) -> None:
    """Write the banks into `folder`/<split>: all of them appear, or none; they replace what an earlier import wrote there.

    Raises:
        DataError: something else is there; it is left alone.
    """
    check_replaceable_banks(folder)
    partial = partial_folder(folder)
    try:
        for split, bank in banks.items():
            bank.save(partial / split)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_replaceable_banks(folder: pathlib.Path) -> None:
    """Refuse a folder that holds anything but banks by split.

    Raises:
        DataError: there is something else in it.
    """
    if not folder.exists():
        return
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in SPLITS) if folder.is_dir() else [folder.name]
    if strangers:
        raise DataError(
            f"{folder} holds more than banks: {', '.join(strangers[:3])}", "name a new folder: an import replaces what is there"
        )
    for split in folder.iterdir():
        check_replaceable(split)
