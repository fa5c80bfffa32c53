"""What every corpus offers, whatever its layout on disk."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from elsa_lightning.data.manifest import SPLITS, ClipRecord
from elsa_lightning.data.table_a1 import sizes_of
from elsa_lightning.errors import DataError


class Corpus(Protocol):
    """Sounds with captions, in three splits. Picklable, so that worker processes can read it."""

    name: str
    labels: tuple[str, ...]
    """All sound classes; empty if the corpus has none."""
    synthetic: bool
    """Synthesised by this package: said wherever figures are shown."""
    licence: str

    def records(self, split: str) -> Sequence[ClipRecord]:
        """The clips of a split, in an order that never changes."""
        ...

    def load(self, record: ClipRecord, sample_rate: int) -> np.ndarray:
        """A clip's sound, float32: mono (T,), or a recording's ambisonics (4, T)."""
        ...

    @property
    def content_hash(self) -> str:
        """16 hex digits that change with the clips, their captions or their splits."""
        ...


ENDS = 2**16
"""Bytes at each end of an audio file that enter the corpus' hash."""


def hash_of(records: Iterable[ClipRecord], root: pathlib.Path) -> str:
    """Content hash of a corpus on disk: every record, the size of its audio file and the file's first and last 64 KiB.

    Not the folder where it happens to lie. A change in the middle of a long file that leaves its size alone is missed.

    Raises:
        DataError: an audio file is missing.
    """
    digest = hashlib.blake2b(digest_size=8)
    for record in records:
        path = root / record.audio
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                ends = file.read(ENDS)
                file.seek(max(0, size - ENDS))
                ends += file.read(ENDS)
        except OSError as error:
            raise DataError(
                f"audio file {path} (clip '{record.clip_id}') does not exist", "complete the corpus, or take the clip out of its table"
            ) from error
        digest.update(json.dumps([record.identity(), size], sort_keys=True).encode())  # facts of the file are hashed with it
        digest.update(ends)
    return digest.hexdigest()


def corpus_summary(corpus: Corpus, content: bool = True) -> dict[str, Any]:
    """Sizes for people to read: clips, hours, captions and clips per label, by split (`table_a1.sizes_of`).

    Args:
        corpus: any.
        content: with the content hash, which reads the ends of every audio file.
    """
    about = {"name": corpus.name, "synthetic": corpus.synthetic, "licence": corpus.licence}
    if content:
        about["content_hash"] = corpus.content_hash
    return about | {"labels": list(corpus.labels), "splits": {split: sizes_of(corpus.records(split)) for split in SPLITS}}
