"""A manifest of any size as a sequence of records, each made when it is asked for. Imports no torch.

    m.jsonl             mapped: all processes share its pages
    m.jsonl.index       where each clip's line lies (`manifest_index`), made by the first open, which checks all of it
    m.parquet.index     the columns of a Parquet manifest (`manifest_columns`), mapped instead of it

An index belongs to the content of its manifest (a hash): it is made anew when that changes, and may be deleted at any time. Where the
manifest's folder cannot be written to, it goes to ~/.cache/elsa-lightning (or below $XDG_CACHE_HOME). A small JSONL manifest gets none.
"""

from __future__ import annotations

import codecs
import hashlib
import logging
import mmap
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from elsa_lightning.data.index_file import read_arrays, write_arrays
from elsa_lightning.data.manifest import ClipRecord, must_exist, parse_line, text_of
from elsa_lightning.data.manifest_columns import Columns
from elsa_lightning.data.manifest_index import Buffer, build_index
from elsa_lightning.data.manifest_parquet import is_parquet
from elsa_lightning.data.manifest_table import build_columns

VERSION = 2
"""Of the checks that an index stands for: raised when a manifest that passed them may fail."""
INDEXED_BYTES = 4 << 20
"""JSONL manifests smaller than this are checked at each opening (a fraction of a second)."""
BLOCK = 1 << 22
Opened = tuple[dict[str, Any], dict[str, np.ndarray]]
"""What is known of all clips as a whole, and an index' arrays."""
LOG = logging.getLogger(__name__)


class ManifestRows(Sequence[ClipRecord]):
    """All clips of a manifest, or those of a split, in its order.

    Pickled by the manifest's path: another process maps the same files.

    Args:
        opened: the manifest.
        split: train, val or test; empty: all.
    """

    def __init__(self, opened: OpenedManifest, split: str = "") -> None:
        self.opened, self.which = opened, split
        self._rows = opened.arrays[f"rows_{split}"] if split else range(opened.about["clips"])

    def __reduce__(self):
        return ManifestRows, (self.opened, self.which)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(f"clip {at} of {len(self)}")
        return self.opened.record(int(self._rows[at]))

    def __iter__(self) -> Iterator[ClipRecord]:
        return (self.opened.record(int(row)) for row in self._rows)


class Lines:
    """Records from a JSONL manifest's lines.

    Args:
        lines: the manifest.
        arrays: `start` and `size` of each clip's line, bytes.
    """

    def __init__(self, lines: Buffer, arrays: dict[str, np.ndarray]) -> None:
        self.lines, self.start, self.size = lines, arrays["start"], arrays["size"]

    def record(self, at: int, where: str, needs_audio: bool) -> ClipRecord:
        """A line's record; `where` names it in messages."""
        start = int(self.start[at])
        return parse_line(self.lines[start : start + int(self.size[at])].decode(), where, needs_audio)


class OpenedManifest:
    """A checked manifest.

    Args:
        path: of the manifest.
        needs_audio: every clip must name a file.
        stamp: size, time (ns) and content hash that another process found; spares reading all of it again.

    Attributes:
        about: numbers of clips, labels and licences (`manifest_index.build_index`).
        arrays: for each split `rows_<split>`, and what its format keeps.

    Raises:
        DataError: see `read_manifest`.
    """

    def __init__(self, path: pathlib.Path, needs_audio: bool, stamp: tuple[int, int, str] | None = None) -> None:
        self.path, self.needs_audio = path, needs_audio
        must_exist(path)
        status = path.stat()
        known = stamp is not None and stamp[:2] == (status.st_size, status.st_mtime_ns)
        self.stamp = stamp if known else (status.st_size, status.st_mtime_ns, _content_hash(path))
        self._last: tuple[int, ClipRecord | None] = (-1, None)
        table = is_parquet(path)
        if not table and status.st_size < INDEXED_BYTES:
            lines: Buffer = path.read_bytes()
            self.about, self.arrays = build_index(path, lines, needs_audio)
        else:
            lines = b"" if table else _mapped(path)
            self.about, self.arrays = self._kept(verify=not known) or self._indexed(lines)
        self._clips = Columns(self.arrays) if table else Lines(lines, self.arrays)

    def __reduce__(self):
        return OpenedManifest, (self.path, self.needs_audio, self.stamp)

    def record(self, row: int) -> ClipRecord:
        """One clip."""
        if self._last[0] != row:  # who asks for a clip asks for it again
            self._last = (row, self._clips.record(row, f"manifest {self.path}, clip {row + 1}", self.needs_audio))
        return self._last[1]

    @property
    def _wanted(self) -> dict[str, Any]:
        return {"version": VERSION, "content": self.stamp[2], "needs_audio": self.needs_audio}

    def _kept(self, verify: bool) -> Opened | None:
        for place in _places(self.path, self.stamp[2]):
            found = read_arrays(place, self._wanted, verify)
            if found is not None:
                return found
        return None

    def _indexed(self, lines: Buffer) -> Opened:
        """Check all of it, and keep the index where there is a place for it."""
        if is_parquet(self.path):
            about, arrays = build_columns(self.path, self.needs_audio)
        else:
            about, arrays = build_index(self.path, lines, self.needs_audio)
        about |= self._wanted
        places = _places(self.path, self.stamp[2])
        for place in places:
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                write_arrays(place, about, arrays)
            except OSError:
                continue
            return read_arrays(place, self._wanted, verify=False) or (about, arrays)  # mapped: shared, and no memory of its own
        LOG.warning("no place for the index of %s (tried %s): each process checks all of it", self.path, places[-1].parent)
        return about, arrays


def open_manifest(path: str | pathlib.Path, needs_audio: bool = True) -> OpenedManifest:
    """Open a manifest of any size: the first time all of it is checked, as by `read_manifest`; later its content is only hashed.

    Args:
        path: a JSONL or Parquet file.
        needs_audio: every clip must name a file.

    Raises:
        DataError: see `read_manifest`.
    """
    return OpenedManifest(pathlib.Path(path), needs_audio)


def _places(path: pathlib.Path, digest: str) -> list[pathlib.Path]:
    """Where an index can lie: beside the manifest, or in the user's cache."""
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "elsa-lightning"
    return [path.with_name(f"{path.name}.index"), home / f"{digest}.index"]


def _mapped(path: pathlib.Path) -> Buffer:
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # absent, or empty, which cannot be mapped
        return b""


def _content_hash(path: pathlib.Path) -> str:
    """Hash of the manifest's bytes, which must be UTF-8 unless they are a table."""
    digest, decoder = hashlib.blake2b(digest_size=16), codecs.getincrementaldecoder("utf-8")()
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                if not is_parquet(path):
                    decoder.decode(block)
        decoder.decode(b"", final=True)
    except (UnicodeDecodeError, OSError):
        text_of(path)  # says what is wrong
        raise
    return digest.hexdigest()
