"""Where each clip of a JSONL manifest lies in its file: made by the one full check of the manifest, then kept. Imports no torch.

Checks between lines (a clip_id used twice, a recording in two splits) compare hashes of all lines at once; what looks like a fault is then
compared by its text, so that the first fault is found that a reader of one line after the other would find.
"""

from __future__ import annotations

import pathlib
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from elsa_lightning.data.manifest import SPLITS, ClipRecord, check_id, check_split, no_clips, parse_line
from elsa_lightning.data.manifest_quick import quick_rows
from elsa_lightning.errors import DataError

BLOCK = 1 << 20
"""Bytes of lines looked at together."""
_CODES = {split: code for code, split in enumerate(SPLITS)}
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_NONE = hash("")
_NOT_NORMAL = ("//", "/.", "\n.", "/\n")
"""Only a path with one of these between line ends can be another than its `normpath`."""


class Buffer(Protocol):
    """Bytes, or a mapped file."""

    def __getitem__(self, part: slice) -> bytes: ...

    def rfind(self, byte: bytes, start: int, stop: int) -> int: ...

    def __len__(self) -> int: ...


class Scanned:
    """What is noted of all clips, in the manifest's order, for the checks between them.

    Attributes:
        labels, licences: of all clips.
    """

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self.labels: set[str] = set()
        self.licences: set[str] = set()

    def add(self, rows: Sequence[Any], lines: np.ndarray) -> None:
        """Note some clips.

        Args:
            rows: each with clip_id, audio, source, split, label and licence as attributes, checked by themselves.
            lines: (n,) their numbers.
        """
        self.labels.update([row.label for row in rows])
        self.licences.update([row.licence for row in rows])
        audio, splits = [row.audio for row in rows], [_CODES[row.split] for row in rows]
        self.note(lines, splits, [row.clip_id or row.audio for row in rows], audio, [row.source for row in rows])

    def note(self, lines: np.ndarray, splits: Sequence[int], ids: Sequence[str], audio: Sequence[str], sources: Sequence[str]) -> None:
        """Note the columns of n clips, splits by their place in `SPLITS`."""
        columns = np.empty((5, len(ids)), np.int64)
        columns[0], columns[1] = lines, splits
        columns[2] = np.fromiter(map(hash, ids), np.int64, len(ids))
        for column, names in zip(columns[3:], (_normal(audio), sources), strict=True):
            column[:] = np.fromiter(map(hash, names), np.int64, len(names))  # of an empty one: _NONE
        self._parts.append(columns)

    def columns(self) -> np.ndarray:
        """(5, N) int64: line, split; hashes of clip_id, audio and source. The notes are given up."""
        parts, self._parts = self._parts, []
        return np.concatenate([np.empty((5, 0), np.int64), *parts], axis=1)


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
    found, fault = Scanned(), None
    starts, sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, number, pieces in _blocks(lines):
        size = np.fromiter(map(len, pieces), np.int64, len(pieces))
        start = first + np.cumsum(size + 1) - size - 1
        rows, fault = _checked(pieces, path, number, needs_audio)
        there = np.array([at for at, row in enumerate(rows) if row is not None], np.int64)
        found.add([row for row in rows if row is not None], number + there)
        starts.append(start[there])
        sizes.append(size[there])
        if fault is not None:
            break
    start, size, columns = np.concatenate(starts), np.concatenate(sizes), found.columns()

    def record(row: int, where: str) -> ClipRecord:
        return parse_line(lines[int(start[row]) : int(start[row] + size[row])].decode(), where, needs_audio)

    check_between(path, columns, record)  # a fault between earlier lines comes first
    if fault is not None:
        raise fault
    if not columns.size:
        raise no_clips(path)
    return told(found, columns), {"start": start.astype("<u8"), "size": size.astype("<u4")} | rows_of_splits(columns)


def told(found: Scanned, columns: np.ndarray) -> dict[str, Any]:
    """What is kept of a manifest as a whole."""
    return {"clips": columns.shape[1], "labels": sorted(found.labels - {""}), "licences": sorted(found.licences - {""})}


def rows_of_splits(columns: np.ndarray) -> dict[str, np.ndarray]:
    """`rows_<split>`: which clips each split has."""
    return {f"rows_{name}": np.flatnonzero(columns[1] == code).astype("<u4") for code, name in enumerate(SPLITS)}


def _blocks(lines: Buffer) -> Iterator[tuple[int, int, list[bytes]]]:
    """Some lines at a time: the first byte, the first line's number and the lines, which end as text files' do: \\n, \\r\\n (of which
    \\r stays with the line, white space to JSON) or \\r."""
    start, number, length = 0, 1, len(lines)
    while start < length:
        stop, reach = -1, BLOCK
        while stop < 0 and start + reach < length:
            stop, reach = lines.rfind(b"\n", start, start + reach), 2 * reach
        stop = length if stop < 0 else stop + 1
        block = lines[start:stop]
        if block.count(b"\r") > block.count(b"\r\n"):
            block = _LONE_RETURN.sub(b"\n", block)
        pieces = block.removesuffix(b"\n").split(b"\n")
        yield start, number, pieces
        start, number = stop, number + len(pieces)


def _checked(pieces: Sequence[bytes], path: pathlib.Path, number: int, needs_audio: bool) -> tuple[list[Any], DataError | None]:
    """Of each line its row, None for a blank one, up to the first fault; and the fault."""
    rows = quick_rows(pieces)
    for at, row in enumerate(rows):
        if row is None:
            text = pieces[at].decode().removesuffix("\r")
            try:
                rows[at] = parse_line(text, f"manifest {path}, line {number + at}", needs_audio) if text.strip() else None
            except DataError as fault:
                return rows[:at], fault
    return rows, None


def _normal(paths: Sequence[str]) -> Sequence[str]:
    """`posixpath.normpath` of each, but of an empty one."""
    joined = "\n" + "\n".join(paths) + "\n"
    if not any(mark in joined for mark in _NOT_NORMAL):
        return paths
    return [posixpath.normpath(path) if path else "" for path in paths]


def check_between(path: pathlib.Path, columns: np.ndarray, record: Callable[[int, str], ClipRecord]) -> None:
    """What `read_manifest` checks between lines, with the same first fault.

    Args:
        path: named in messages.
        columns: (5, N), see `Scanned.columns`.
        record: a row's, from its number and what messages call it.

    Raises:
        DataError: a clip_id used twice, or a recording in two splits.
    """
    line, split, ids, audio, source = columns
    suspects = _repeated(ids) | _in_two_splits(audio, split) | _in_two_splits(source, split)
    seen: dict[str, int] = {}
    homes: dict[tuple[str, str], tuple[str, int]] = {}
    for row in np.flatnonzero(suspects).tolist():
        number = int(line[row])
        where = f"manifest {path}, line {number}"
        found = record(row, where)
        check_id(found, number, seen, where)
        check_split(found, number, homes, where)


def _repeated(values: np.ndarray) -> np.ndarray:
    """(N,) bool: rows whose value another row has too."""
    ordered = np.sort(values)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(values, twice) if len(twice) else np.zeros(len(values), bool)


def _in_two_splits(values: np.ndarray, split: np.ndarray) -> np.ndarray:
    """(N,) bool: rows whose value, unless it is `_NONE`, occurs in more than one split (or differs from such in its lowest two bits)."""
    group = values & ~3
    ordered = np.sort(group | split)  # quicker than an order of rows
    mixed = ordered[1:][(ordered[1:] & ~3 == ordered[:-1] & ~3) & (ordered[1:] != ordered[:-1])] & ~3
    return np.isin(group, mixed) & (values != _NONE) if len(mixed) else np.zeros(len(values), bool)
