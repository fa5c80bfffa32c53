"""Any corpus, by a manifest, JSONL or Parquet (`data.manifest`)."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.manifest_rows import ManifestRows, open_manifest
from elsa_lightning.data.readers.corpus import hash_of
from elsa_lightning.data.recordings import internal_audio
from elsa_lightning.data.spatial_columns import CHANNELS
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import ManifestConfig


class ManifestCorpus:
    """The clips of a manifest, audio beside it.

    Args:
        cfg: names the manifest.

    Raises:
        ConfigError: no manifest is named.
        DataError: see `open_manifest`.
    """

    synthetic = False

    def __init__(self, cfg: ManifestConfig) -> None:
        if not cfg.path:
            raise ConfigError("data.corpus.path is empty", "set it to a JSONL or Parquet manifest")
        path = pathlib.Path(cfg.path)
        self.name, self.root = path.stem, path.parent
        self._opened = open_manifest(path)
        self.labels = tuple(self._opened.about["labels"])
        self.licence = ", ".join(self._opened.about["licences"]) or "unknown"

    def records(self, split: str) -> Sequence[ClipRecord]:
        """The clips of a split, in the manifest's order, each read when it is asked for."""
        return ManifestRows(self._opened, split)

    def load(self, record: ClipRecord, sample_rate: int) -> np.ndarray:
        """A clip's sound, float32: mono (T,), or a recording (4, T) in ACN order with SN3D weights and this package's axes."""
        path = self.root / record.audio
        if record.start_s is None:
            sound = read_audio(path, sample_rate, CHANNELS[record.layout])
        else:
            sound = read_audio(path, sample_rate, CHANNELS[record.layout], record.start_s, record.duration_s)
        return internal_audio(sound, record.layout, record.axes) if record.recorded else sound

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of the records and of their files' sizes."""
        return hash_of(ManifestRows(self._opened), self.root)
