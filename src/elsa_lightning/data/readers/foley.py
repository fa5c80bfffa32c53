"""The embedded synthetic corpus as a reader: clip i of a split is drawn from (seed, split, i); nothing is on disk."""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Sequence

import numpy as np

from elsa_lightning import foley
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.errors import DataError
from elsa_lightning.schema import FoleyConfig

SKETCH_S = 0.5
"""Captions follow from a clip's parameters, which do not depend on its length: they are had from a clip this short, s."""
LICENCE = "Apache-2.0 (synthesised by elsa-lightning)"


class DrawnCaptions(Sequence[str]):
    """A clip's captions, drawn when they are first read.

    Args:
        seed: of the corpus.
        split: train, val or test.
        index: of the clip.
    """

    def __init__(self, seed: int, split: str, index: int) -> None:
        self.at = (seed, split, index)

    @functools.cached_property
    def drawn(self) -> tuple[str, ...]:
        """The captions."""
        seed, split, index = self.at
        return foley.draw(seed, index, split, duration_s=SKETCH_S).captions

    def __getitem__(self, i):
        return self.drawn[i]

    def __len__(self) -> int:
        return len(self.drawn)


class FoleyCorpus:
    """Synthesised sounds of daily life, marked as synthetic wherever they are shown.

    Args:
        cfg: numbers of clips and the seed.
    """

    name = "foley"
    synthetic = True
    licence = LICENCE
    labels = foley.CLASSES

    def __init__(self, cfg: FoleyConfig) -> None:
        self.seed = cfg.seed
        self.counts = {"train": cfg.train_clips, "val": cfg.val_clips, "test": cfg.test_clips}

    def records(self, split: str) -> list[ClipRecord]:
        """The clips of a split; classes take turns."""
        return [self._record(split, index) for index in range(self.counts[split])]

    def load(self, record: ClipRecord, sample_rate: int) -> np.ndarray:
        """A clip's sound, mono float32 (T,)."""
        try:
            index = int(record.clip_id.rpartition("-")[2])
        except ValueError as error:
            raise DataError(f"'{record.clip_id}' is not a foley clip", "its clips are called foley-<split>-<index>") from error
        return foley.draw(self.seed, index, record.split, sample_rate=sample_rate).audio

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of the seed, the numbers of clips and the synthesisers' source text."""
        digest = hashlib.blake2b(repr((self.seed, self.counts)).encode(), digest_size=8)
        for path in sorted(pathlib.Path(foley.__file__).parent.glob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _record(self, split: str, index: int) -> ClipRecord:
        label = foley.CLASSES[index % len(foley.CLASSES)]
        clip_id = f"foley-{split}-{index:06d}"
        return ClipRecord(clip_id, split, label, DrawnCaptions(self.seed, split, index), f"foley:{self.seed}:{clip_id}", LICENCE)
