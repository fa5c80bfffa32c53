"""What a PCM cache is on disk, and by what its sounds were made.

    recipe.json            written first: rate, strip_db, precision, resampler, number of shards
    shards/00017.pcm       sounds one after the other, each at a multiple of `ALIGN` bytes, little-endian
    shards/00017.json      written after it: each sound's file, place, hashes; the files that cannot be used, with the reason
    index.npy              all sounds, sorted by their name's hash (`ENTRY`), mapped when read
    names.npy              the first half of these hashes, for searching
    cache.json             written last: sizes of the shards, files that cannot be used; without it the cache is not complete

A file belongs to the shard that its name's hash says: adding one to a corpus makes one shard anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.errors import DataError
from elsa_lightning.schema import AudioConfig

FORMAT = 1
RECIPE, INDEX, NAMES, CACHE, SHARDS = "recipe.json", "index.npy", "names.npy", "cache.json", "shards"
ALIGN = 64
"""Bytes; sounds begin at multiples of it, so that they can be read as arrays in place."""
CLIPS_PER_SHARD = 256
"""About: a kill costs so many clips per worker. 10 s at 48 kHz in float32 are 1.9 MB, a shard then 0.5 GB."""
PRECISIONS = {"float32": np.dtype("<f4"), "int16": np.dtype("<i2")}
"""Name → type of a stored sample."""
LARGEST = 32767

ENTRY = np.dtype(
    [
        ("name", "<u8", 2),  # hash of the file's name in the corpus
        ("shard", "<u4"),
        ("crc", "<u4"),  # of the stored bytes
        ("offset", "<u8"),  # bytes
        ("samples", "<u8"),
        ("scale", "<f4"),  # of one step; 1 in float32
        ("size", "<u8"),  # of the source file, bytes
        ("mtime_ns", "<i8"),  # of the source file
        ("content", "<u8", 2),  # hash of the source file's bytes
    ]
)
"""One sound of the index."""


def resampler() -> str:
    """The resampler and its version: another one gives other samples."""
    return f"soxr {soxr.__version__} ({soxr.__libsoxr_version__}) HQ"


@dataclass(frozen=True)
class Recipe:
    """How a cache's sounds were prepared.

    Args:
        rate: Hz.
        strip_db: level of edge silence, dB re the clip's peak.
        precision: float32, or int16 with one gain per clip.
        resampler: with its version.
    """

    rate: int
    strip_db: float
    precision: str = "float32"
    resampler: str = ""

    @classmethod
    def of(cls, audio: AudioConfig, precision: str) -> Recipe:
        """What an experiment asks for, by this machine's resampler."""
        return cls(audio.sample_rate, float(audio.strip_db), precision, resampler())

    def to_dict(self) -> dict[str, Any]:
        """For recipe.json."""
        return asdict(self) | {"format": FORMAT}

    def check(self, found: dict[str, Any], folder: Path) -> None:
        """Whether a cache was made by this recipe.

        Raises:
            DataError: by another one; names what differs.
        """
        wanted = self.to_dict()
        other = [f"{name} {found.get(name)!r}, not {value!r}" for name, value in wanted.items() if found.get(name) != value]
        if other:
            raise DataError(f"the PCM cache {folder} was made with {', '.join(other)}", "make one in another folder (`elsa data cache`)")

    @property
    def dtype(self) -> np.dtype:
        """Of a stored sample."""
        return PRECISIONS[self.precision]


def is_cached(record: ClipRecord) -> bool:
    """Whether a clip's sound belongs into a cache: a whole mono file. Parts of long files and recorded ambisonics do not."""
    return not record.recorded and record.start_s is None


def name_hash(name: str) -> tuple[int, int]:
    """128 bits of a file's name in its corpus, as two integers."""
    return _halves(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest())


def content_hash(path: Path) -> str:
    """32 hex digits of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _halves(digits: str) -> tuple[int, int]:
    return int(digits[:16], 16), int(digits[16:], 16)


def encode(sound: np.ndarray, precision: str) -> tuple[np.ndarray, float]:
    """Stored samples, and what one step of them is worth.

    int16 scales each clip to its own peak: the rounding error is at most peak / 65534, white, 101 dB below the peak (rms).

    Args:
        sound: (T,) float32, not silent.
        precision: of `PRECISIONS`.
    """
    if precision == "float32":
        return sound.astype("<f4", copy=False), 1.0
    scale = np.float32(np.abs(sound).max() / LARGEST)
    return np.clip(np.rint(sound / scale), -LARGEST, LARGEST).astype("<i2"), float(scale)


def decode(stored: np.ndarray, scale: float) -> np.ndarray:
    """(T,) float32; for float32 the stored samples themselves."""
    return stored if stored.dtype == np.float32 else stored.astype(np.float32) * np.float32(scale)


def entries_of(shard: dict[str, Any], number: int) -> np.ndarray:
    """A shard's part of the index: (N,) of `ENTRY`."""
    rows = np.zeros(len(shard["sounds"]), ENTRY)
    for row, (name, sound) in zip(rows, shard["sounds"].items(), strict=True):
        row["name"], row["content"], row["shard"] = name_hash(name), _halves(sound["content"]), number
        for column in ("crc", "offset", "samples", "scale", "size", "mtime_ns"):
            row[column] = sound[column]
    return rows
