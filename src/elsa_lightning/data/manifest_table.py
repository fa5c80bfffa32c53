"""The one full check of a Parquet manifest, column by column. Imports no torch, and pyarrow when it is called.

Rows whose columns are of the expected types and hold what they should need no other look. All others are turned into lines of JSON and
checked as such: so a table's errors are those of its lines.
"""

from __future__ import annotations

import math
import pathlib
from typing import Any

import numpy as np

from elsa_lightning.data.manifest import SPLITS, no_clips, parse_line
from elsa_lightning.data.manifest_columns import CHOICES, LISTS, NUMBERS, TEXTS, WHOLE, Columns, Written
from elsa_lightning.data.manifest_index import Scanned, check_between, rows_of_splits, told
from elsa_lightning.data.manifest_parquet import batches, lines_of
from elsa_lightning.data.spatial_columns import AXES, LABELS, LAYOUTS, MONO, meant_by
from elsa_lightning.errors import DataError

ROWS = 1 << 15
"""Looked at together."""
EXACT = 2.0**53
"""Below this a float64 holds any whole number."""
_KNOWN = frozenset((*TEXTS, *CHOICES, *LISTS, *NUMBERS, WHOLE))


def build_columns(path: pathlib.Path, needs_audio: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Check a whole table.

    Args:
        path: a Parquet manifest.
        needs_audio: every clip must name a file.

    Returns:
        about: clips, labels and licences; arrays: those of `manifest_columns`, and for each split `rows_<split>`.

    Raises:
        DataError: as `read_manifest`.
    """
    found, written, fault, first = Scanned(), Written(), None, 0
    for batch in batches(path, ROWS):
        fault = _Part(batch).check(path, first, needs_audio, found, written)
        first += len(batch)
        if fault is not None:
            break
    columns = found.columns()
    arrays = written.arrays()
    rows = Columns(arrays)
    check_between(path, columns, lambda row, where: rows.record(row, where, needs_audio))  # a fault between earlier rows comes first
    if fault is not None:
        raise fault
    if not columns.size:
        raise no_clips(path)
    return told(found, columns), arrays | rows_of_splits(columns)


class _Part:
    """Some rows of a table.

    Args:
        batch: a record batch.
    """

    def __init__(self, batch: Any) -> None:
        import pyarrow
        import pyarrow.compute

        self.arrow, self.compute = pyarrow, pyarrow.compute
        self.batch, self.names = batch, batch.schema.names
        self.fine = np.full(len(batch), len(set(self.names)) == len(self.names))
        """(n,) bool: rows of which all is known to be right and to be in the columns below."""
        self.columns = {name: self._typed(name, self._column(name)) for name in self.names if name in _KNOWN} if self.fine.all() else {}
        self.columns = {name: column for name, column in self.columns.items() if column is not None}

    def check(self, path: pathlib.Path, first: int, needs_audio: bool, found: Scanned, written: Written) -> DataError | None:
        """Check and note the rows; the first fault ends it.

        Args:
            path: named in messages.
            first: rows before these.
            needs_audio: every clip must name a file.
            found, written: what is noted and kept of all.
        """
        self._look()
        n, fault, texts = len(self.batch), None, {name: self._texts(name) for name in TEXTS}
        choices = {name: self._choices(name) for name in CHOICES}
        splits = np.array([SPLITS.index(text) if text in SPLITS else 0 for text in choices["split"][1]], np.int64)[choices["split"][0]]
        for row in np.flatnonzero(~self.fine).tolist():
            line = next(lines_of(self.batch.slice(row, 1)))
            try:
                record = parse_line(line, f"manifest {path}, line {first + row + 1}", needs_audio)
            except DataError as caught:
                n, fault = row, caught
                break
            written.odd(first + row, line)
            for name, values in texts.items():
                values[row] = getattr(record, name)
            splits[row] = SPLITS.index(record.split)
            found.labels.add(record.label)
            found.licences.add(record.licence)
        found.labels.update(choices["label"][1])
        found.licences.update(choices["licence"][1])
        ids = [clip_id or audio for clip_id, audio in zip(texts["clip_id"][:n], texts["audio"], strict=False)]
        found.note(np.arange(first + 1, first + n + 1), splits[:n], ids, texts["audio"][:n], texts["source"][:n])
        self._write(written, choices)
        return fault

    def _column(self, name: str) -> Any:
        return self.batch.column(self.names.index(name))

    def _typed(self, name: str, column: Any) -> Any:
        """A known column in its own type; None where it has another, and then no row with a value there is fine."""
        arrow, types = self.arrow, self.arrow.types
        if name in LISTS:
            if name == "captions" and self._is_text(column.type):  # one each
                column = arrow.ListArray.from_arrays(arrow.array(np.arange(len(column) + 1, dtype=np.int32)), column)
            lists = types.is_list(column.type) or types.is_large_list(column.type) or types.is_fixed_size_list(column.type)
            if lists and self._is_text(column.type.value_type):
                return self.compute.cast(column, arrow.list_(arrow.string()))
        elif name in NUMBERS or name == WHOLE:
            if types.is_integer(column.type) or types.is_floating(column.type):
                return self.compute.cast(column, arrow.float64(), safe=False)
        elif self._is_text(column.type):
            return self.compute.cast(column, arrow.string())
        self.fine &= _bools(column.is_null())
        return None

    def _is_text(self, kind: Any) -> bool:
        types = self.arrow.types
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(kind) or types.is_large_string(kind)

    def _look(self) -> None:
        """Clear `fine` wherever a row's columns do not say what they should."""
        fine, length = self.fine, self.compute.binary_length
        fine &= self._in("split", SPLITS)
        fine &= _above(length(self.columns["audio"]), 0) if "audio" in self.columns else False
        fine &= self._has("captions") & ~self._bad_lists("captions") & ~self._bad_lists("spatial_captions")
        layout = self._has("layout")
        recorded = layout & self._in("layout", tuple(one for one in LAYOUTS if one != MONO))
        fine &= ~layout | self._in("layout", LAYOUTS)
        fine &= ~self._has("axes") | self._in("axes", AXES)
        for name in ("axes", "spatial_captions", *LABELS):
            fine &= ~self._has(name) | recorded
        for name in (*NUMBERS, WHOLE):
            fine &= self._in_range(name)
        for name in set(self.names) - _KNOWN:
            if meant_by(name):
                fine &= ~(layout & _bools(self._column(name).is_valid()))

    def _has(self, name: str) -> np.ndarray:
        """(n,) bool: rows with a value."""
        return _bools(self.columns[name].is_valid()) if name in self.columns else np.zeros(len(self.batch), bool)

    def _in(self, name: str, allowed: tuple[str, ...]) -> np.ndarray:
        if name not in self.columns:
            return np.zeros(len(self.batch), bool)
        return _bools(self.compute.is_in(self.columns[name], value_set=self.arrow.array(allowed)))

    def _in_range(self, name: str) -> np.ndarray:
        """(n,) bool: rows with a number that may be, or none."""
        if name not in self.columns:
            return np.ones(len(self.batch), bool)
        values = _floats(self.columns[name])
        low, high = LABELS.get(name, (0.0, math.inf))
        right = np.isfinite(values) & (values >= low) & (values <= high)
        if name in LABELS and low == 0:
            right &= values > 0
        if name == WHOLE:
            right &= (values == np.floor(values)) & (values < EXACT)
        return right | ~self._has(name)

    def _bad_lists(self, name: str) -> np.ndarray:
        """(n,) bool: rows whose list has nothing in it, or a text with nothing in it."""
        bad = np.zeros(len(self.batch), bool)
        if name in self.columns:
            column = self.columns[name]
            bad |= self._has(name) & ~_above(self.compute.list_value_length(column), 0)
            empty = ~_above(self.compute.binary_length(self.compute.utf8_trim(column.flatten(), " .")), 0)
            bad[self.compute.list_parent_indices(column).to_numpy()[empty]] = True
        return bad

    def _texts(self, name: str) -> list[str]:
        return self.columns[name].fill_null("").to_pylist() if name in self.columns else [""] * len(self.batch)

    def _choices(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Which of some texts each row has, and these."""
        if name not in self.columns:
            return np.zeros(len(self.batch), np.int64), [""]
        coded = self.columns[name].fill_null("").dictionary_encode()
        return coded.indices.to_numpy(), coded.dictionary.to_pylist()

    def _write(self, written: Written, choices: dict[str, tuple[np.ndarray, list[str]]]) -> None:
        for name, column in self.columns.items():
            if name in CHOICES:
                written.choices(name, *choices[name])
            elif name in TEXTS:
                written.texts(name, *_flat(column))
            elif name in LISTS:
                counts = self.compute.list_value_length(column).fill_null(0).to_numpy()
                written.lists(name, counts, *_flat(column.flatten()))
            else:
                written.numbers(name, _floats(column))


def _flat(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """A text column's UTF-8 `(bytes,)`, and of each text its bytes."""
    column = column.fill_null("")
    _, places, data = column.buffers()
    ends = np.frombuffer(places, np.int32)[column.offset : column.offset + len(column) + 1] if len(column) else np.zeros(1, np.int32)
    data = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return data[ends[0] : ends[-1]].copy(), np.diff(ends)


def _bools(column: Any) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)


def _floats(column: Any) -> np.ndarray:
    """Numbers, NaN for none."""
    return column.to_numpy(zero_copy_only=False)


def _above(column: Any, least: int) -> np.ndarray:
    """(n,) bool: numbers above this; not where there is none."""
    return column.fill_null(least).to_numpy(zero_copy_only=False) > least
