"""The columns of a table's clips as arrays that can be kept in a file and mapped. Imports no torch.

Any clip's row is read from them without pyarrow, so that worker processes need none.

    <name>.bytes, <name>.ends             a text column: UTF-8, and where each text ends in it
    <name>.codes, <name>.texts.…          one of few different texts: which of them, and these as a text column
    <name>.counts, <name>.items.…         a column of lists of texts: where each list ends among the items, and these as a text column
    <name>.numbers                        float64, NaN where there is none
    odd.rows, odd.lines.…                 rows that are kept as lines of JSON, because the columns might not say all of them

Empty and absent are one in a column: a manifest that has passed its check has no empty layout and no empty list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from elsa_lightning.data.manifest import ClipRecord, record_of
from elsa_lightning.data.spatial_columns import LABELS

TEXTS = ("clip_id", "audio", "source")
CHOICES = ("split", "label", "licence", "layout", "axes")
LISTS = ("captions", "spatial_captions")
NUMBERS = ("duration_s", "start_s", *LABELS)
WHOLE = "sample_rate"
"""The column of whole numbers."""
ODD = "odd"


class Texts:
    """Texts one after the other.

    Args:
        data: `(bytes,)` uint8, UTF-8.
        ends: `(N,)` where each ends.
    """

    def __init__(self, data: np.ndarray, ends: np.ndarray) -> None:
        self.data, self.ends = data, ends

    def __getitem__(self, at: int) -> str:
        return self.data[int(self.ends[at - 1]) if at else 0 : int(self.ends[at])].tobytes().decode()

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], name: str) -> Texts:
        """A column of a file."""
        return cls(arrays[f"{name}.bytes"], arrays[f"{name}.ends"])


class Columns:
    """Rows of a table.

    Args:
        arrays: as `Written.arrays` gives them.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._texts = [(name, Texts.of(arrays, name)) for name in TEXTS if f"{name}.ends" in arrays]
        self._choices = [
            (name, arrays[f"{name}.codes"], Texts.of(arrays, f"{name}.texts")) for name in CHOICES if f"{name}.codes" in arrays
        ]
        self._lists = [(name, arrays[f"{name}.counts"], Texts.of(arrays, f"{name}.items")) for name in LISTS if f"{name}.counts" in arrays]
        self._numbers = [(name, arrays[f"{name}.numbers"]) for name in (*NUMBERS, WHOLE) if f"{name}.numbers" in arrays]
        self._odd_rows, self._odd = arrays[f"{ODD}.rows"], Texts.of(arrays, f"{ODD}.lines")

    def record(self, at: int, where: str, needs_audio: bool) -> ClipRecord:
        """A row's record; `where` names it in messages."""
        return record_of(self.row(at), where, needs_audio)

    def row(self, at: int) -> dict[str, Any]:
        """What the table's row says, without what it leaves empty."""
        odd = int(np.searchsorted(self._odd_rows, at))
        if odd < len(self._odd_rows) and self._odd_rows[odd] == at:
            return json.loads(self._odd[odd])
        found: dict[str, Any] = {name: text for name, column in self._texts if (text := column[at])}
        found |= {name: text for name, codes, texts in self._choices if (text := texts[int(codes[at])])}
        for name, counts, items in self._lists:
            first, last = int(counts[at - 1]) if at else 0, int(counts[at])
            if last > first:
                found[name] = [items[item] for item in range(first, last)]
        found |= {name: number for name, column in self._numbers if not math.isnan(number := float(column[at]))}
        if WHOLE in found:
            found[WHOLE] = int(found[WHOLE])
        return found


class Written:
    """Columns that are being collected, some rows at a time."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}
        self._codes: dict[str, dict[str, int]] = {name: {"": 0} for name in CHOICES}
        self._odd: list[tuple[int, str]] = []

    def texts(self, name: str, data: np.ndarray, lengths: np.ndarray) -> None:
        """More of a text column: `(bytes,)` uint8, and of each text its bytes."""
        self._add(f"{name}.bytes", data)
        self._add(f"{name}.ends", lengths)

    def choices(self, name: str, codes: np.ndarray, texts: Sequence[str]) -> None:
        """More of a column of few texts: `(n,)` places in `texts`."""
        known = self._codes[name]
        places = np.array([known.setdefault(text, len(known)) for text in texts], np.uint32)
        self._add(f"{name}.codes", places[codes] if len(known) > 1 else np.broadcast_to(np.uint32(0), len(codes)))

    def lists(self, name: str, lengths: np.ndarray, data: np.ndarray, item_lengths: np.ndarray) -> None:
        """More of a column of lists: of each list its items; of all items the bytes."""
        self._add(f"{name}.counts", lengths)
        self.texts(f"{name}.items", data, item_lengths)

    def numbers(self, name: str, values: np.ndarray) -> None:
        """More of a column of numbers, `(n,)` float64."""
        self._add(f"{name}.numbers", np.broadcast_to(np.nan, len(values)) if np.isnan(values).all() else values)

    def odd(self, row: int, line: str) -> None:
        """A row to be kept as its line; rows come in order."""
        self._odd.append((row, line))

    def arrays(self) -> dict[str, np.ndarray]:
        """All columns that say anything. The parts are given up on the way."""
        lines = [line.encode() for _, line in self._odd]
        self._add(f"{ODD}.rows", np.array([row for row, _ in self._odd], np.int64))
        self.texts(f"{ODD}.lines", _bytes(b"".join(lines)), np.array([len(line) for line in lines], np.int64))
        for name, known in self._codes.items():
            if len(known) == 1:
                self._parts.pop(f"{name}.codes", None)
                continue
            texts = [text.encode() for text in known]
            self.texts(f"{name}.texts", _bytes(b"".join(texts)), np.array([len(text) for text in texts], np.int64))
        found = {}
        for name in list(self._parts):
            parts = self._parts.pop(name)
            if name.endswith(".numbers") and all(part.strides == (0,) for part in parts):
                continue  # a table may have many columns with nothing in them
            array = np.concatenate(parts)
            if name.endswith((".ends", ".counts")):
                array = np.cumsum(array, dtype=np.int64)
                array = array.astype("<u4" if not len(array) or array[-1] < 2**32 else "<u8")
            found[name] = array
        return found

    def _add(self, name: str, part: np.ndarray) -> None:
        self._parts.setdefault(name, []).append(part)


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
