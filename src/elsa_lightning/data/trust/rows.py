"""Manifests and lists of ids as they are, faults included: what compares them must not stop at what it is there to find."""

from __future__ import annotations

import csv
import json
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elsa_lightning.data.manifest_parquet import is_parquet, json_lines
from elsa_lightning.errors import DataError

ID_COLUMNS = ("clip_id", "youtube_id", "file_name", "filename", "fname", "slice_file_name", "id", "audiocap_id")
"""Columns that hold a clip's id in a csv, best first (AudioCaps, Clotho, ESC-50, FSD50K, UrbanSound8K)."""
SPLIT_COLUMNS = ("split", "subset")


@dataclass(frozen=True)
class Row:
    """One clip of a manifest or list; what it does not say is empty."""

    clip_id: str
    split: str = ""
    audio: str = ""
    source: str = ""
    captions: tuple[str, ...] = ()


def read_rows(path: pathlib.Path) -> list[Row]:
    """The lines of a manifest (JSONL or Parquet), without the checks between lines that `read_manifest` makes.

    Raises:
        DataError: it is missing, not UTF-8 or empty; a line is not a JSON object, or has neither clip_id nor audio.
    """
    lines = json_lines(path) if is_parquet(path) and path.is_file() else _lines(path)
    rows = [_row(line, f"manifest {path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise DataError(f"manifest {path} has no clips", "write one JSON object a line with audio, captions and split")
    return rows


def read_ids(path: pathlib.Path, column: str = "") -> list[Row]:
    """Ids from a manifest (.jsonl, .parquet), a table (.csv, .tsv) or a text file with one id a line (empty ones and those with # aside).

    Args:
        path: the file; its suffix tells the format.
        column: of a table that holds the ids, or several with commas between, whose values are joined by _; empty: the first of
            `ID_COLUMNS` that it has.

    Raises:
        DataError: it is missing, not UTF-8, has no ids or no such column, or a line of a table lacks its id.
    """
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".parquet"):
        return read_rows(path)
    lines = _lines(path)
    if suffix in (".csv", ".tsv"):
        rows = _table(path, lines, column, "\t" if suffix == ".tsv" else ",")
    else:
        rows = [Row(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not rows:
        raise DataError(f"{path} holds no ids", "write one id a line, or a csv with a column of ids")
    return rows


def of_split(rows: list[Row], split: str, unsaid: bool = False) -> list[Row]:
    """The rows of one split; with `unsaid` those too that name none."""
    return [row for row in rows if row.split == split or (unsaid and not row.split)]


def _lines(path: pathlib.Path) -> Iterator[str]:
    if not path.is_file():
        raise DataError(f"{path} does not exist", "name a JSONL manifest, a csv or a list of ids")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check its permissions") from error


def _row(line: str, where: str) -> Row:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON ({error.msg} at column {error.colno})", "write one JSON object a line") from error
    if not isinstance(value, dict):
        raise DataError(f"{where} is a {type(value).__name__}, not an object", 'write {"audio": …, "captions": […], "split": …}')
    texts = {name: _text(value, name, where) for name in ("clip_id", "split", "audio", "source")}
    texts["clip_id"] = texts["clip_id"] or texts["audio"]
    if not texts["clip_id"]:
        raise DataError(f"{where} has neither clip_id nor audio", "give each clip an id")
    captions = value.get("captions") or []
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise DataError(f"{where}: 'captions' is not a list of texts", 'write "captions": ["a dog barking"]')
    return Row(**texts, captions=tuple(captions))


def _text(value: dict[str, Any], name: str, where: str) -> str:
    text = value.get(name) or ""
    if not isinstance(text, str):
        raise DataError(f"{where}: '{name}' is not text", f'write "{name}": "…"')
    return text


def _table(path: pathlib.Path, lines: Iterator[str], column: str, delimiter: str) -> list[Row]:
    try:
        reader = csv.DictReader(lines, delimiter=delimiter)
        columns = tuple(reader.fieldnames or ())
        parts = column.split(",") if column else [name for name in ID_COLUMNS if name in columns][:1]
        if not parts or not set(parts) <= set(columns):
            wanted = column or " or ".join(ID_COLUMNS)
            raise DataError(f"{path} has no column {wanted}, but {', '.join(columns)}", "name the ids' one with --id-column")
        split = next((name for name in SPLIT_COLUMNS if name in columns), "")
        return [_listed(row, parts, split, f"{path}, line {reader.line_num}") for row in reader]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table ({error})", "save it as csv with a header line") from error


def _listed(row: dict[str, str | None], parts: list[str], split: str, where: str) -> Row:
    values = [(row[part] or "").strip() for part in parts]
    if not all(values):
        raise DataError(f"{where}: no {' or '.join(parts)}", "mend or remove the line")
    return Row("_".join(values), (row[split] or "").strip() if split else "")
