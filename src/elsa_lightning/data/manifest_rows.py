"""A manifest of any size as a sequence of records, each made from its line when it is asked for. Imports no torch.

    m.jsonl             mapped: all processes share its pages
    m.jsonl.index       where each clip's line lies (`manifest_index`), made by the first open, which checks all of it
    m.parquet.jsonl     the rows of a Parquet manifest as lines, beside its index

An index belongs to the content of its manifest (a hash): it is made anew when that changes, and may be deleted at any time. Where the
manifest's folder cannot be written to, it goes to ~/.cache/elsa-lightning (or below $XDG_CACHE_HOME). A small JSONL manifest gets none.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import logging
import mmap
import os
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elsa_lightning.data.index_file import read_arrays, write_arrays
from elsa_lightning.data.manifest import ClipRecord, must_exist, parse_line, text_of
from elsa_lightning.data.manifest_index import Buffer, build_index
from elsa_lightning.data.manifest_parquet import is_parquet, json_lines

VERSION = 1
"""Of the checks that an index stands for: raised when a manifest that passed them may fail."""
INDEXED_BYTES = 4 << 20
"""JSONL manifests smaller than this are checked at each opening (a fraction of a second)."""
BLOCK = 1 << 22
Opened = tuple[Buffer, dict[str, Any], dict[str, np.ndarray]]
"""Lines, what is known of them as a whole, and where each is."""
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
        self._rows = opened.arrays[f"rows_{split}"] if split else range(len(opened.arrays["start"]))

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


class OpenedManifest:
    """The lines of a checked manifest.

    Args:
        path: of the manifest.
        needs_audio: every clip must name a file.
        stamp: size, time (ns) and content hash that another process found; spares reading all of it again.

    Attributes:
        about: numbers of clips, labels and licences (`manifest_index.build_index`).

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
        if not is_parquet(path) and status.st_size < INDEXED_BYTES:
            self.lines: Buffer = path.read_bytes()
            self.about, self.arrays = build_index(path, self.lines, needs_audio)
        else:
            self.lines, self.about, self.arrays = self._kept(verify=not known) or self._indexed()

    def __reduce__(self):
        return OpenedManifest, (self.path, self.needs_audio, self.stamp)

    def record(self, row: int) -> ClipRecord:
        """One clip."""
        if self._last[0] != row:  # who asks for a clip asks for it again
            start = int(self.arrays["start"][row])
            line = self.lines[start : start + int(self.arrays["size"][row])].decode()
            self._last = (row, parse_line(line, f"manifest {self.path}, clip {row + 1}", self.needs_audio))
        return self._last[1]

    @property
    def _wanted(self) -> dict[str, Any]:
        return {"version": VERSION, "content": self.stamp[2], "needs_audio": self.needs_audio}

    def _kept(self, verify: bool) -> Opened | None:
        for place in _places(self.path, self.stamp[2]):
            found = read_arrays(place.index, self._wanted, verify)
            if found is not None:
                lines = _mapped(place.lines)
                if len(lines) == found[0]["bytes"]:
                    return lines, *found
        return None

    def _indexed(self) -> Opened:
        """Check all of it, and keep the index where there is a place for it."""
        places = _places(self.path, self.stamp[2])
        lines = _lines_of_table(self.path, places) if is_parquet(self.path) else _mapped(self.path)
        about, arrays = build_index(self.path, lines, self.needs_audio)
        about |= self._wanted | {"bytes": len(lines)}
        for place in places:
            try:
                place.index.parent.mkdir(parents=True, exist_ok=True)
                write_arrays(place.index, about, arrays)
                return lines, about, arrays
            except OSError:
                continue
        LOG.warning("no place for the index of %s (tried %s): each process checks all of it", self.path, places[-1].index.parent)
        return lines, about, arrays


def open_manifest(path: str | pathlib.Path, needs_audio: bool = True) -> OpenedManifest:
    """Open a manifest of any size: the first time all of it is checked, as by `read_manifest`; later its content is only hashed.

    Args:
        path: a JSONL or Parquet file.
        needs_audio: every clip must name a file.

    Raises:
        DataError: see `read_manifest`.
    """
    return OpenedManifest(pathlib.Path(path), needs_audio)


@dataclass(frozen=True)
class Place:
    """Where an index can lie.

    Args:
        index: its file.
        lines: the clips' lines: the manifest itself, or a Parquet manifest's rows beside the index.
    """

    index: pathlib.Path
    lines: pathlib.Path


def _places(path: pathlib.Path, digest: str) -> list[Place]:
    """Beside the manifest, or in the user's cache."""
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "elsa-lightning"
    stems = (path.with_name(path.name), home / digest)
    table = is_parquet(path)
    return [Place(stem.with_name(f"{stem.name}.index"), stem.with_name(f"{stem.name}.jsonl") if table else path) for stem in stems]


def _lines_of_table(path: pathlib.Path, places: Sequence[Place]) -> Buffer:
    """A Parquet manifest's rows as lines, in a file if there is a place for one."""
    for place in places:
        temporary = place.lines.with_name(f".{place.lines.name}.{os.getpid()}.tmp")
        try:
            place.lines.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(line + "\n" for line in json_lines(path))
            os.replace(temporary, place.lines)
            return _mapped(place.lines)
        except OSError:
            continue
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return "".join(line + "\n" for line in json_lines(path)).encode()


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
