"""Reading a PCM cache: sounds are parts of mapped files, whose pages all processes share."""

from __future__ import annotations

import functools
import zlib
from pathlib import Path

import numpy as np

from elsa_lightning.atomic import read_json
from elsa_lightning.data.pcm.layout import CACHE, ENTRY, INDEX, NAMES, SHARDS, Recipe, content_hash, decode, name_hash
from elsa_lightning.errors import DataError

AGAIN = "run `elsa data cache` with the same folder again: it makes anew what has changed"
MAPPED = 64
"""Shards that a process keeps open: each is an open file, of which a process may have about a thousand."""


class PcmCache:
    """The sounds of a cache by their file's name. A worker process gets the folder's name, not the index.

    Args:
        folder: of the cache.
        recipe: by which it must have been made.

    Raises:
        DataError: there is no whole cache, it was made by another recipe, or a shard has not its size.
    """

    def __init__(self, folder: str | Path, recipe: Recipe) -> None:
        self.folder, self.recipe = Path(folder), recipe
        about = read_json(self.folder / CACHE)
        if about is None:
            raise DataError(f"{self.folder} holds no complete PCM cache", "make it with `elsa data cache MANIFEST --out FOLDER`")
        recipe.check(about, self.folder)
        self.faults: dict[str, list[str]] = about["faults"]
        for number, size in enumerate(about["sizes"]):
            self._check_size(number, size)
        self.index = self._mapped_array(INDEX, ENTRY, about["sounds"])
        self.names = self._mapped_array(NAMES, np.dtype("<u8"), about["sounds"])
        self._trusted = np.zeros(len(self.index), bool)
        self._map = functools.lru_cache(MAPPED)(self._mapped)

    def __reduce__(self):
        return PcmCache, (self.folder, self.recipe)

    def __len__(self) -> int:
        return len(self.index)

    def load(self, name: str, path: Path) -> np.ndarray:
        """A sound, silence stripped.

        Args:
            name: of its file, relative to the corpus.
            path: the file itself, which must not have changed.

        Returns:
            float32 (T,), read-only where it is a part of the mapped file.

        Raises:
            DataError: the file could not be used, is not in the cache or has changed; the shard is damaged.
        """
        at = self._find(name)
        entry = self.index[at]
        first, count = int(entry["offset"]), int(entry["samples"])
        mapped = self._map(int(entry["shard"]))
        stored = mapped[first : first + count * self.recipe.dtype.itemsize]
        if not self._trusted[at]:  # once per process
            if zlib.crc32(stored) != entry["crc"]:
                raise DataError(f"{self._shard(int(entry['shard']))} is damaged (the sound of {name})", f"delete this file, then {AGAIN}")
            self._check_source(entry, path)
            self._trusted[at] = True
        return decode(stored.view(self.recipe.dtype), float(entry["scale"]))

    def _find(self, name: str) -> int:
        high, low = name_hash(name)
        at = int(np.searchsorted(self.names, np.uint64(high)))
        while at < len(self.names) and self.names[at] == high:
            if self.index[at]["name"][1] == low:
                return at
            at += 1
        if name in self.faults:
            raise DataError(*self.faults[name])
        raise DataError(f"{name} is not in the PCM cache {self.folder}", AGAIN)

    def _check_source(self, entry: np.void, path: Path) -> None:
        """The file that the sound was made from is what it was. Another time alone is no change: then its content decides."""
        try:
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (entry["size"], entry["mtime_ns"]):
                return
            digits = "".join(f"{int(half):016x}" for half in entry["content"])
            if status.st_size == entry["size"] and content_hash(path) == digits:
                return
        except OSError as error:
            raise DataError(
                f"audio file {path} cannot be read ({error.strerror})", "complete the corpus: a cache does not replace it"
            ) from None
        raise DataError(f"audio file {path} has changed since the PCM cache {self.folder} was made", AGAIN)

    def _shard(self, number: int) -> Path:
        return self.folder / SHARDS / f"{number:05d}.pcm"

    def _check_size(self, number: int, size: int) -> None:
        path = self._shard(number)
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes, not {size}"
            raise DataError(f"{path} {state}", AGAIN)

    def _mapped(self, number: int) -> np.ndarray:
        try:
            return np.asarray(np.memmap(self._shard(number), np.uint8, "r"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self._shard(number)} cannot be mapped ({error})", AGAIN) from None

    def _mapped_array(self, name: str, dtype: np.dtype, count: int) -> np.ndarray:
        path = self.folder / name
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} cannot be read ({error})", AGAIN) from None
        if array.dtype != dtype or len(array) != count:
            raise DataError(f"{path} does not belong to a cache of {count} sounds", AGAIN)
        return np.asarray(array)
