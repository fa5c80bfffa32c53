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

from elsa_lightning.data.manifest import SPLITS, check_id, check_split, no_clips, parse_line, plain_row
from elsa_lightning.errors import DataError

_CODES = {split: code for code, split in enumerate(SPLITS)}


class Buffer(Protocol):
    """Bytes, or a mapped file."""

    def __getitem__(self, part: slice) -> bytes: ...

    def find(self, byte: bytes, start: int) -> int: ...

    def __len__(self) -> int: ...


@dataclass
class Scanned:
    """What is noted of each clip, in the manifest's order.

    Attributes:
        notes: of each clip its line's first byte, size in bytes and number; the split's code; hashes of clip_id, audio and source.
        labels, licences: of all clips.
    """

    notes: array = field(default_factory=lambda: array("q"))
    labels: set[str] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)

    def add(self, start: int, size: int, line: int, row: dict[str, Any]) -> None:
        """Note one clip, as its line says it; 0 stands for "has none" among the hashes."""
        get = row.get
        audio, source = get("audio"), get("source")
        home = hash(posixpath.normpath(audio)) or 1 if audio else 0
        self.notes.extend(
            (start, size, line, _CODES[row["split"]], hash(get("clip_id") or audio), home, hash(source) or 1 if source else 0)
        )
        self.labels.add(get("label", ""))
        self.licences.add(get("licence", ""))

    def columns(self) -> np.ndarray:
        """(7, N) int64: start, size, line, split, clip_id, audio, source."""
        return np.ascontiguousarray(np.frombuffer(self.notes, np.int64).reshape(-1, 7).T)


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
        row = plain_row(text)
        if row is None and not text.strip():
            continue
        try:
            found.add(start, len(raw), number, row or parse_line(text, f"manifest {path}, line {number}", needs_audio).to_dict())
        except DataError as caught:
            fault = caught
            break
    columns = found.columns()
    _check_between(path, lines, columns, needs_audio)  # a fault between earlier lines comes first
    if fault is not None:
        raise fault
    if not columns.size:
        raise no_clips(path)
    start, size, _, split = columns[:4]
    arrays = {"start": start.astype("<u8"), "size": size.astype("<u4")}
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


def _check_between(path: pathlib.Path, lines: Buffer, columns: np.ndarray, needs_audio: bool) -> None:
    """What `read_manifest` checks between lines, with the same first fault."""
    start, size, line, split, ids, audio, source = columns
    suspects = _repeated(ids)
    for names in (audio, source):
        suspects |= _in_two_splits(names, split.astype(np.uint8))
    seen: dict[str, int] = {}
    homes: dict[tuple[str, str], tuple[str, int]] = {}
    for row in np.flatnonzero(suspects).tolist():
        first, number = int(start[row]), int(line[row])
        where = f"manifest {path}, line {number}"
        record = parse_line(lines[first : first + int(size[row])].decode(), where, needs_audio)
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
