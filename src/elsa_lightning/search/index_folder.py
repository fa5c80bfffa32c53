"""An index as a folder. Imports no torch.

about.json     model (name and identity), options, sizes; written last by each build: without it the index is not whole
vectors.f32    embeddings in the order in which they were computed, float32 (rows, E)
journal.jsonl  file (path, size, date) → its row, or what is wrong with it: a killed build goes on from it, a later one keeps what it holds
files.json     the files in the index with their rows; the faulty ones with their faults
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elsa_lightning.atomic import read_json, write_json
from elsa_lightning.errors import ConfigError, DataError, RunError

ABOUT, VECTORS, JOURNAL, FILES = "about.json", "vectors.f32", "journal.jsonl", "files.json"
FORMAT = 1
_AGAIN = "build it again: elsa index build"


@dataclass(frozen=True)
class Index:
    """An index that is whole.

    Attributes:
        about: model, options.
        files: names, relative to the folder that was indexed.
        vectors: (N, E) float32 of length 1, in the order of the files.
        faults: file → what is wrong with it.
    """

    about: dict[str, Any]
    files: list[str]
    vectors: np.ndarray
    faults: dict[str, str]


class VectorFile:
    """Rows appended to a file; a row is either whole or overwritten by the next.

    Args:
        path: the file; made if absent.
        width: numbers in a row.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path, self.width = path, width
        self._file = open(path, "ab")  # noqa: SIM115 — closed by close
        self.rows = path.stat().st_size // (4 * width)
        os.ftruncate(self._file.fileno(), self.rows * 4 * width)  # a row cut short by a kill

    def append(self, vector: np.ndarray) -> int:
        """Write a row and give its number.

        Raises:
            RunError: no room on the disk.
        """
        try:
            self._file.write(np.ascontiguousarray(vector, "<f4").tobytes())
            self._file.flush()
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written ({error.strerror})", "make room and run this again: work so far is kept"
            ) from error
        self.rows += 1
        return self.rows - 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """One message for whatever keeps an index from being written."""
    try:
        yield
    except OSError as error:
        raise RunError(f"the index {folder} cannot be written ({error.strerror})", "choose another --out, or make room") from error


def check_about(folder: Path, wanted: dict[str, Any]) -> None:
    """Refuse to add to an index of another model, other options or another kind of folder.

    Raises:
        ConfigError: so.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    begun = read_json(folder / ABOUT)
    if not isinstance(begun, dict) or "identity" not in begun:
        raise ConfigError(f"{folder} is there and is no index", "name a new or empty folder with --out")
    other = [name for name, value in wanted.items() if begun.get(name) != value]
    if other:
        raise ConfigError(
            f"{folder} was built with another {', '.join(other)}", "give what it was built with, or another --out (or delete the folder)"
        )


def write_lists(folder: Path, about: dict[str, Any], rows: dict[str, int], faults: dict[str, str]) -> None:
    """Make the index whole: its files and rows, then about.json."""
    write_json(folder / FILES, {"files": list(rows), "rows": list(rows.values()), "faults": faults})
    write_json(folder / ABOUT, about | {"whole": True, "count": len(rows)})


def open_index(folder: Path) -> Index:
    """Read an index; its vectors are mapped, not read.

    Raises:
        DataError: it is not there, not whole or damaged.
    """
    about, lists = read_json(folder / ABOUT), read_json(folder / FILES)
    if not isinstance(about, dict) or "identity" not in about:
        raise DataError(f"{folder} is no index", "make one: elsa index build FOLDER --model DIR --out INDEX")
    if not about.get("whole"):
        raise DataError(f"the index {folder} is not finished: its build was stopped", "the same `elsa index build` goes on from there")
    try:
        if about["format"] != FORMAT:
            raise DataError(f"the index {folder} has format {about['format']!r}, this package reads {FORMAT}", _AGAIN)
        width, rows, files, faults = about["width"], np.array(lists["rows"], np.int64), lists["files"], lists["faults"]
        if not len(files):
            return Index(about, [], np.empty((0, width), np.float32), faults)
        held = np.memmap(folder / VECTORS, "<f4", "r")
        held = held[: len(held) // width * width].reshape(-1, width)
        in_order = len(rows) == len(held) and bool((rows == np.arange(len(rows))).all())
        vectors = held if in_order else held[rows]
    except (KeyError, TypeError, ValueError, OSError, IndexError) as error:
        raise DataError(f"the index {folder} is damaged ({type(error).__name__}: {error})", _AGAIN) from error
    if len(files) != len(vectors):
        raise DataError(f"the index {folder} is damaged: {len(files)} files, {len(vectors)} vectors", _AGAIN)
    return Index(about, files, vectors, faults)
