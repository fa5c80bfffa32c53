"""Third-octave labels of a bank's rooms, measured once and kept on disk: what a branch is pre-trained on, as in the paper.

<folder>/part-<k>.safetensors   drr_db, t30_s (rooms of the part, 20), until all are there
<folder>/third_octaves.safetensors   the same of all rooms

The header of each file holds the content hash of the bank, so that labels are never those of other rooms. A file appears whole or not at
all: a measurement that was killed goes on with the first part that is missing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.acoustics.bands import third_octave_gain
from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND
from elsa_lightning.acoustics.measure import LONG_FOR_OCTAVES
from elsa_lightning.acoustics.measured.conform import FADE_S, UNKNOWN_DISTANCE_M
from elsa_lightning.acoustics.noise_floor import band_decays
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.third_octaves import (
    EDGE,
    THIRD_OCTAVES_HZ,
    slower_than_filters,
    tellable,
    third_octave_decay_s,
    third_octave_drr_db,
)
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig

FILE = "third_octaves.safetensors"
PART = 256
"""Rooms in one part: what a kill can lose."""

_BATCH = 32
_REMEDY = "delete the folder: the third octaves are measured again"


@dataclass(frozen=True)
class ThirdOctaves:
    """Labels of N rooms; NaN where a response cannot tell (`third_octaves`).

    Attributes:
        drr_db: (N, 20) dB.
        t30_s: (N, 20) s.
    """

    drr_db: Tensor
    t30_s: Tensor

    def __len__(self) -> int:
        return len(self.drr_db)

    @property
    def table(self) -> Tensor:
        """(N, 40): the bands of DRR, then those of T30."""
        return torch.cat([self.drr_db, self.t30_s], 1)

    @classmethod
    def cat(cls, parts: list[ThirdOctaves]) -> ThirdOctaves:
        """The rooms of all parts."""
        return cls(torch.cat([part.drr_db for part in parts]), torch.cat([part.t30_s for part in parts]))

    def save(self, path: Path, bank_hash: str) -> None:
        """Write a file that is whole or absent.

        Args:
            path: of the file.
            bank_hash: content hash of the rooms' bank.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            save_file({"drr_db": self.drr_db, "t30_s": self.t30_s}, temporary, metadata={"bank": bank_hash})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path, bank_hash: str) -> ThirdOctaves:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing or damaged, or of another bank.
        """
        try:
            with safe_open(path, framework="pt") as file:
                of, labels = (file.metadata() or {}).get("bank"), cls(file.get_tensor("drr_db"), file.get_tensor("t30_s"))
        except (OSError, SafetensorError) as fault:
            raise DataError(f"{path} cannot be read ({fault})", _REMEDY) from fault
        if of != bank_hash:
            raise DataError(f"{path} holds the third octaves of another bank", _REMEDY)
        return labels

    @classmethod
    def load(cls, folder: Path, bank_hash: str) -> ThirdOctaves:
        """The labels that `measure_bank` left in a folder; raises as `read`."""
        return cls.read(folder / FILE, bank_hash)


def measure_bank(
    bank: RoomBank, bank_hash: str, rooms: RoomsConfig, folder: Path, progress: Callable[[int, int], None] | None = None
) -> ThirdOctaves:
    """Measure all rooms of a bank, or go on measuring them.

    Args:
        bank: the rooms.
        bank_hash: content hash of the bank.
        rooms: what the bank was built with.
        folder: that exists, for the files.
        progress: called with (rooms done, rooms in all) after each batch.
    """
    rows = torch.arange(len(bank))
    paths = [folder / f"part-{number:04d}.safetensors" for number in range(len(rows.split(PART)))]
    if (folder / FILE).exists():
        labels = ThirdOctaves.read(folder / FILE, bank_hash)
    else:
        labels = ThirdOctaves.cat([_part(bank, bank_hash, rooms, *at, progress) for at in zip(paths, rows.split(PART), strict=True)])
        labels.save(folder / FILE, bank_hash)
    for path in paths:
        path.unlink(missing_ok=True)
    return labels


def _part(
    bank: RoomBank, bank_hash: str, rooms: RoomsConfig, path: Path, rows: Tensor, progress: Callable[[int, int], None] | None
) -> ThirdOctaves:
    """The labels of one part, from its file if that is there and whole."""
    with contextlib.suppress(DataError):
        found = ThirdOctaves.read(path, bank_hash)
        if len(found) == len(rows):
            return found
    measured = []
    for batch in rows.split(_BATCH):
        measured.append(measure_rooms(bank, batch, rooms))
        if progress is not None:
            progress(int(batch[-1]) + 1, len(bank))
    labels = ThirdOctaves.cat(measured)
    labels.save(path, bank_hash)
    return labels


def measure_rooms(bank: RoomBank, rows: Tensor, rooms: RoomsConfig) -> ThirdOctaves:
    """Third octaves of the responses that a bank holds.

    Simulated rooms that ring longer than the stored response are rendered longer for their T30 alone, as for the labels of a bank; of those
    of another engine than ours, bands that the stored response cannot tell stay NaN. So do those of measured rooms in which the decay meets
    the noise too early.

    Args:
        bank: the rooms.
        rows: (B,) int64 of the bank.
        rooms: what the bank was built with.
    """
    rate = bank.sample_rate
    w = bank.rir(rows)[:, W]  # (B, R)
    at = bank.labels["distance_m"][rows] * (rate / SPEED_OF_SOUND)
    arrival = torch.where(at.isnan(), UNKNOWN_DISTANCE_M * (rate / SPEED_OF_SOUND), at)  # where an import puts the direct sound
    t30 = third_octave_decay_s(w, rate)
    measured = rows >= bank.simulated
    for row in measured.nonzero()[:, 0].tolist():
        t30[row] = _t30_in_noise(w[row], rate)
    for factor in LONG_FOR_OCTAVES if rooms.engine == "shoebox" else ():
        missing = (t30[:, tellable(rate)].isnan().any(1) & ~measured).nonzero()[:, 0]
        if len(missing) == 0:
            break
        scene = bank.scene.select(rows[missing])
        longer = render_rir(scene, rate, factor * rooms.rir_s, rooms.bands_hz, rooms.air, rooms.high_pass_hz)[:, W]
        t30[missing] = torch.where(t30[missing].isnan(), third_octave_decay_s(longer, rate), t30[missing])
    return ThirdOctaves(third_octave_drr_db(w, rate, arrival), slower_than_filters(t30))


def _t30_in_noise(response: Tensor, sample_rate: int) -> Tensor:
    """(20,) s of a measured response (R,), which ends in a fade where the whole decay meets the noise; a band may meet its own before."""
    end = int(response.nonzero()[-1, 0]) + 1 - round(FADE_S * sample_rate)
    decays = band_decays(response[: max(1, end)].numpy(), sample_rate, THIRD_OCTAVES_HZ, third_octave_gain, EDGE)
    return torch.tensor([decay.t30_s for decay in decays])
