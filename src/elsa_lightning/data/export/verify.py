"""Does an export hold what its manifest says? Items are rendered again from export.json, their rooms simulated anew, and compared."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.bank_check import AGREEMENT_DB
from elsa_lightning.data.export.items import Items
from elsa_lightning.data.export.job import Job, read_about
from elsa_lightning.data.export.lines import MANIFEST, known_lines
from elsa_lightning.data.export.render import one_thread, packed
from elsa_lightning.data.export.rooms import Rooms, fresh_rooms, simulated_rooms, stored_rooms
from elsa_lightning.data.export.sound import decoded, stored
from elsa_lightning.data.readers import Corpus
from elsa_lightning.errors import DataError
from elsa_lightning.schema import Experiment

OF_THE_FILE = ("bytes", "sha256")
"""Another version of the encoder may pack the same samples otherwise."""
CLOSE = 1e-3
"""Labels differ if they differ by more than this share (or, near zero, by so much): another processor measures in another order."""


@dataclass(frozen=True)
class Verdict:
    """One item, stored and rendered again.

    Attributes:
        clip_id: of the item.
        intact: the file has the hash that the manifest tells.
        same_bits: its samples are the re-rendered ones.
        error_db: largest difference of the samples, dB re the stored peak.
        differs: columns of the line that are not what they should be.
    """

    clip_id: str
    intact: bool
    same_bits: bool
    error_db: float
    differs: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """The same sound but for rounding, and the same line."""
        return self.intact and (self.same_bits or self.error_db <= AGREEMENT_DB) and not self.differs

    def __str__(self) -> str:
        sound = "equal to the bit" if self.same_bits else f"differs by {self.error_db:.0f} dB"
        file = "" if self.intact else ", the file is not the one that was written"
        return f"{self.clip_id}: {sound}{file}{', not so: ' + ', '.join(self.differs) if self.differs else ''}"


def verify(
    out: pathlib.Path, cfg: Experiment, corpus: Corpus, count: int, banks: Mapping[str, pathlib.Path] | None = None
) -> Iterator[Verdict]:
    """Render items again, spread evenly over the export.

    Args:
        out: folder of the export.
        cfg: its experiment, as export.json tells.
        corpus: where it lies now.
        count: items.
        banks: split → stored rooms; the rooms of other splits are simulated again.

    Raises:
        DataError: there is no whole export, a file is missing, the corpus or a bank is another one, or a bank does not say how it was
            built.
    """
    about = read_about(out)
    if corpus.content_hash != about["corpus"]["content_hash"]:
        raise DataError(
            f"the corpus '{corpus.name}' has the content {corpus.content_hash}, {out} was rendered from {about['corpus']['content_hash']}",
            "name the corpus that was exported with --data",
        )
    job = Job(cfg, out, about["counts"], {}, about["file_format"])
    lines = known_lines(out, job.counts)
    if not (out / MANIFEST).exists() or len(lines) != job.total:
        raise DataError(f"{out} is not whole: {len(lines)} of {job.total} items", "finish it: elsa data render … or --join")
    opened: dict[str, Items] = {}
    for number in np.unique(np.linspace(0, job.total - 1, min(count, job.total)).round().astype(int)).tolist():
        split, index = job.at(number)
        if split not in opened:
            opened[split] = Items(cfg, corpus, split, _rooms(cfg, about, split, (banks or {}).get(split)))
        with one_thread():
            yield _compared(job, number, opened[split], index, lines[number])


def _rooms(cfg: Experiment, about: dict[str, Any], split: str, folder: pathlib.Path | None) -> Rooms:
    bank = about["banks"].get(split)
    if bank is None:
        return fresh_rooms(cfg)
    if folder is None:
        return simulated_rooms(bank["source"], cfg.audio.sample_rate, bank["content_hash"])
    stored_bank = RoomBank.load(folder)
    if stored_bank.content_hash != bank["content_hash"]:
        raise DataError(
            f"the bank {folder} has the content {stored_bank.content_hash}, not {bank['content_hash']}", "name the bank that was used"
        )
    return stored_rooms(stored_bank, bank["content_hash"])


def _compared(job: Job, number: int, items: Items, index: int, line: dict[str, Any]) -> Verdict:
    path = job.out / job.audio_of(number)
    there = decoded(path, job.file_format)  # (T, 4)
    heard = items.heard(index)
    _, again = packed(job, number, heard)
    here = stored(heard.foa, line["gain"], job.file_format)
    differs = tuple(
        name for name in sorted(line.keys() | again.keys()) if name not in OF_THE_FILE and not _same(line.get(name), again.get(name))
    )
    intact = hashlib.sha256(path.read_bytes()).hexdigest() == line["sha256"]
    if there.shape != here.shape:
        return Verdict(line["clip_id"], intact, False, 0.0, (*differs, "length"))
    difference = np.abs(there.astype(np.float64) - here).max()
    error_db = 20 * np.log10(max(difference / max(np.abs(there.astype(np.float64)).max(), 1e-12), 1e-12))
    return Verdict(line["clip_id"], intact, bool(np.array_equal(there, here)), float(error_db), differs)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= CLOSE * max(1.0, abs(one))
    return one == other
