"""A feature cache on disk: fixed spatial versions of a split's clips as float16 features, mapped into memory when read.

<folder>/log_mel.npy (N, 1, F, M)   intensity.npy (N, 6, F, K)   columns.npz (N,) each: clip, version, room, is_spatial, render_key, labels
         records.jsonl  the clips    manifest.json  written last: shapes, hashes, the corpus and what the cache was rendered with
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from elsa_lightning.data.manifest import ClipRecord, read_manifest
from elsa_lightning.errors import DataError

ARRAYS = ("log_mel", "intensity")
COLUMNS, RECORDS, MANIFEST = "columns.npz", "records.jsonl", "manifest.json"
ITEM_COLUMNS = ("clip", "version", "room", "is_spatial", "render_key")
REMEDY = "delete the folder: it is rendered again"
FORMAT = 1


@dataclass
class FeatureCache:
    """The rendered items of one split; item i is version i mod V of clip i div V.

    Attributes:
        folder: where it lies.
        split: train, val or test.
        log_mel: `(N, 1, F, M)` float16, mapped.
        intensity: `(N, 6, F, K)` float16, mapped.
        columns: `(N,)` each: `ITEM_COLUMNS`, and the labels of the rooms before any yaw.
        records: the split's clips with their captions.
        manifest: what it was rendered with.
    """

    folder: pathlib.Path
    split: str
    log_mel: np.ndarray
    intensity: np.ndarray
    columns: dict[str, np.ndarray]
    records: list[ClipRecord]
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.log_mel)

    @property
    def label_names(self) -> list[str]:
        """Names of the spatial labels."""
        return [name for name in self.columns if name not in ITEM_COLUMNS]

    def row(self, index: int) -> dict[str, Any]:
        """Everything about item `index` but its features."""
        return {name: values[index] for name, values in self.columns.items()}

    @classmethod
    def load(cls, folder: str | pathlib.Path) -> FeatureCache:
        """Open a cache.

        Raises:
            DataError: a file is missing, or its shape, length or hash is not what the manifest says.
        """
        folder = pathlib.Path(folder)
        manifest = read_cache_manifest(folder)
        for name in (COLUMNS, RECORDS):
            if file_hash(folder / name) != manifest["hashes"][name]:
                raise DataError(f"{folder / name} is not the file that the manifest describes", REMEDY)
        arrays = {name: _map_array(folder / f"{name}.npy", manifest["shapes"][name]) for name in ARRAYS}
        with np.load(folder / COLUMNS, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        if {len(values) for values in columns.values()} != {manifest["items"]}:
            raise DataError(f"{folder / COLUMNS} has not {manifest['items']} rows", REMEDY)
        records = read_manifest(folder / RECORDS, needs_audio=False)
        return cls(folder, manifest["split"], arrays["log_mel"], arrays["intensity"], columns, records, manifest)


def read_cache_manifest(folder: pathlib.Path) -> dict[str, Any]:
    """manifest.json of a cache.

    Raises:
        DataError: there is none, or it is of another format.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except OSError as error:
        raise DataError(f"{path}: no feature cache here ({error.strerror})", "render it first, or correct the path") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error})", REMEDY) from error
    if manifest.get("format") != FORMAT:
        raise DataError(f"{path}: format {manifest.get('format')}, but this version reads {FORMAT}", REMEDY)
    return manifest


def file_hash(path: pathlib.Path) -> str:
    """Hash of a file's bytes.

    Raises:
        DataError: it is missing.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", REMEDY) from error


def _map_array(path: pathlib.Path, shape: list[int]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error})", REMEDY) from error
    if list(array.shape) != shape or array.dtype != np.float16:
        raise DataError(f"{path} has shape {array.shape} and type {array.dtype}, not {tuple(shape)} float16", REMEDY)
    return array
