"""Where each clip of a manifest lies in its file: made by the one full check of the manifest, then kept. Imports no torch.

Checks between lines (a clip_id used twice, a recording in two splits) compare hashes of all lines at once; what looks like a fault is then
compared by its text, so that the first fault is found that a reader of one line after the other would find.
"""

from __future__ import annotations

import pathlib
import posixpath
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from elsa_lightning.data.manifest import SPLITS, ClipRecord, check_id, check_split, no_clips, parse_line
from elsa_lightning.errors import DataError


class Buffer(Protocol):
    """Bytes, or a mapped file."""

    def __getitem__(self, part: slice) -> bytes: ...

    def find(self, byte: bytes, start: int) -> int: ...

    def __len__(self) -> int: ...


@dataclass
class Scanned:
    """What is noted of each clip, in the manifest's order."""

    start: array = field(default_factory=lambda: array("Q"))
    size: array = field(default_factory=lambda: array("Q"))
    line: array = field(default_factory=lambda: array("Q"))
    split: array = field(default_factory=lambda: array("B"))
    ids: array = field(default_factory=lambda: array("q"))
    audio: array = field(default_factory=lambda: array("q"))
    source: array = field(default_factory=lambda: array("q"))
    labels: set[str] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)

    def add(self, start: int, size: int, line: int, record: ClipRecord) -> None:
        """Note one clip; 0 stands for "has none" among the hashes."""
        self.start.append(start)
        self.size.append(size)
        self.line.append(line)
        self.split.append(SPLITS.index(record.split))
        self.ids.append(hash(record.clip_id))
        self.audio.append(hash(posixpath.normpath(record.audio)) or 1 if record.audio else 0)
        self.source.append(hash(record.source) or 1 if record.source else 0)
        self.labels.add(record.label)
        self.licences.add(record.licence)


def build_index(path: pathlib.Path, lines: Buffer, needs_audio: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Check a whole manifest.

    Args:
        path: named in messages.
        lines: its JSONL bytes, which are UTF-8.
        needs_audio: every clip must name a file.

    Returns:
        about: clips, labels and licences; arrays `start` and `size` (bytes, of each clip's line), and for each split `rows_<split>`.

    Raises:
        DataError: as `read_manifest`.
    """
    found = Scanned()
    fault: DataError | None = None
    for number, start, raw in _numbered(lines):
        text = raw.decode()
        if not text.strip():
            continue
        try:
            found.add(start, len(raw), number, parse_line(text, f"manifest {path}, line {number}", needs_audio))
        except DataError as caught:
            fault = caught
            break
    _check_between(path, lines, found, needs_audio)  # a fault between earlier lines comes first
    if fault is not None:
        raise fault
    if not found.start:
        raise no_clips(path)
    split = np.frombuffer(found.split, np.uint8)
    arrays = {"start": np.array(found.start, "<u8"), "size": np.array(found.size, "<u4")}
    arrays |= {f"rows_{name}": np.flatnonzero(split == code).astype("<u4") for code, name in enumerate(SPLITS)}
    about = {"clips": len(split), "labels": sorted(found.labels - {""}), "licences": sorted(found.licences - {""})}
    return about, arrays


def _numbered(lines: Buffer) -> Iterator[tuple[int, int, bytes]]:
    """Number, first byte and bytes of each line; lines end as text files' do: \\n, \\r\\n or \\r."""
    number, start, length = 1, 0, len(lines)
    while start < length:
        stop = lines.find(b"\n", start)
        stop = length if stop < 0 else stop
        raw = lines[start:stop]
        if b"\r" in raw:
            at = start
            for piece in (raw[:-1] if raw.endswith(b"\r") and stop < length else raw).split(b"\r"):
                yield number, at, piece
                number, at = number + 1, at + len(piece) + 1
        else:
            yield number, start, raw
            number += 1
        start = stop + 1


def _check_between(path: pathlib.Path, lines: Buffer, found: Scanned, needs_audio: bool) -> None:
    """What `read_manifest` checks between lines, with the same first fault."""
    split = np.frombuffer(found.split, np.uint8)
    suspects = _repeated(np.frombuffer(found.ids, np.int64))
    for names in (found.audio, found.source):
        suspects |= _in_two_splits(np.frombuffer(names, np.int64), split)
    seen: dict[str, int] = {}
    homes: dict[tuple[str, str], tuple[str, int]] = {}
    for row in np.flatnonzero(suspects).tolist():
        start, number = found.start[row], found.line[row]
        where = f"manifest {path}, line {number}"
        record = parse_line(lines[start : start + found.size[row]].decode(), where, needs_audio)
        check_id(record, number, seen, where)
        check_split(record, number, homes, where)


def _repeated(values: np.ndarray) -> np.ndarray:
    """(N,) bool: rows whose value another row has too."""
    order = np.argsort(values, kind="stable")
    equal = np.diff(values[order]) == 0
    marked = np.zeros(len(values), bool)
    marked[order[1:][equal]] = True
    marked[order[:-1][equal]] = True
    return marked


def _in_two_splits(values: np.ndarray, split: np.ndarray) -> np.ndarray:
    """(N,) bool: rows whose value, unless it is 0, occurs in more than one split."""
    _, group = np.unique(values, return_inverse=True)
    group = group.reshape(-1)
    count = int(group.max(initial=-1)) + 1
    low, high = np.full(count, 255, np.uint8), np.zeros(count, np.uint8)
    np.minimum.at(low, group, split)
    np.maximum.at(high, group, split)
    return (low != high)[group] & (values != 0)
