"""Recordings in ESC-50's layout (Piczak 2015): meta/esc50.csv and audio/. ESC-10 is the same layout with fewer rows."""

from __future__ import annotations

import csv
import functools
import pathlib

import numpy as np

from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.readers.corpus import hash_of
from elsa_lightning.data.readers.esc50_captions import captions_for
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import Esc50Config
from elsa_lightning.seeding import seed_of

COLUMNS = ("filename", "fold", "category", "src_file")
VAL_SHARE = 10
"""Without validation folds, one source in this many of the training folds validates."""


class Esc50Corpus:
    """ESC-50 or a corpus in its layout; folds are splits, captions are hand-written per category.

    Args:
        cfg: folder and folds.

    Raises:
        ConfigError: no folder is named, or a fold is both for validation and for test.
        DataError: the table is missing or lacks a column, or a row is faulty.
    """

    name = "esc50"
    synthetic = False
    licence = "CC BY-NC 3.0 (ESC-50), CC BY 3.0 (its subset ESC-10)"

    def __init__(self, cfg: Esc50Config) -> None:
        if not cfg.root:
            raise ConfigError(
                "data.corpus.root is empty", "set it to the folder that holds meta/esc50.csv and audio/ (make … DATA=<folder>)"
            )
        both = set(cfg.val_folds) & set(cfg.test_folds)
        if both:
            raise ConfigError(f"folds {sorted(both)} are both in data.corpus.val_folds and test_folds", "let each fold serve one split")
        self.root = pathlib.Path(cfg.root)
        self._records = self._read(self.root / "meta" / "esc50.csv", cfg)
        self.labels = tuple(sorted({record.label for record in self._records}))

    def records(self, split: str) -> list[ClipRecord]:
        """The clips of a split, in the table's order."""
        return [record for record in self._records if record.split == split]

    def load(self, record: ClipRecord, sample_rate: int) -> np.ndarray:
        """A clip's sound, mono float32 (T,)."""
        return read_audio(self.root / record.audio, sample_rate)

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of the records and of their files' sizes."""
        return hash_of(self._records, self.root)

    def _read(self, table: pathlib.Path, cfg: Esc50Config) -> list[ClipRecord]:
        if not table.is_file():
            raise DataError(f"{table} does not exist", "data.corpus.root must be the folder that holds meta/esc50.csv and audio/")
        try:
            with open(table, newline="", encoding="utf-8") as file:
                rows = csv.DictReader(file)
                columns, rows = rows.fieldnames or (), list(rows)
        except UnicodeDecodeError as error:
            raise DataError(f"{table} is not UTF-8 (byte {error.start})", "save it as UTF-8, or unpack the corpus again") from error
        except (OSError, csv.Error) as error:
            raise DataError(f"{table} cannot be read ({error})", "unpack the corpus again") from error
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            raise DataError(f"{table} has no column {', '.join(missing)}", f"it must have {', '.join(COLUMNS)}")
        records = [self._record(row, f"{table}, line {number}", cfg) for number, row in enumerate(rows, 2)]
        if not records:
            raise DataError(f"{table} has no clips", "check that the corpus was unpacked whole")
        return records

    def _record(self, row: dict[str, str], where: str, cfg: Esc50Config) -> ClipRecord:
        if not all(row[name] for name in COLUMNS):
            raise DataError(f"{where} lacks a value", f"every row needs {', '.join(COLUMNS)}")
        if not row["fold"].isdigit():
            raise DataError(f"{where}: fold is '{row['fold']}'", "folds are whole numbers")
        filename, category = row["filename"], row["category"]
        return ClipRecord(
            clip_id=filename,
            split=split_of(int(row["fold"]), row["src_file"], cfg),
            label=category.replace("_", " "),
            captions=captions_for(category, filename),
            source=row["src_file"],
            licence=self.licence,
            audio=f"audio/{filename}",
        )


def split_of(fold: int, source: str, cfg: Esc50Config) -> str:
    """The split of a clip. Clips cut from one source recording stay together."""
    if fold in cfg.test_folds:
        return "test"
    if cfg.val_folds:
        return "val" if fold in cfg.val_folds else "train"
    return "val" if seed_of("esc50 validation", source) % VAL_SHARE == 0 else "train"
