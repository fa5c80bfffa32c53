"""Manifests as Parquet tables: the columns are the keys of a JSONL line, null is what a line leaves out. Needs pyarrow; imports no torch.

A row means what its line would: so a manifest's errors, its records and the corpus' content hash are the same in both formats.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from elsa_lightning.data.spatial_columns import LABELS
from elsa_lightning.errors import DataError

TEXTS = ("clip_id", "split", "label", "audio", "source", "licence", "layout", "axes")
LISTS = ("captions", "spatial_captions")
NUMBERS = ("duration_s", "start_s", *LABELS)
BATCH = 8192
"""Rows at a time."""


def is_parquet(path: pathlib.Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".parquet"


def json_lines(path: pathlib.Path) -> Iterator[str]:
    """The rows as lines of a JSONL manifest.

    Raises:
        DataError: pyarrow is not installed, or the file is not Parquet.
    """
    for batch in batches(path, BATCH):
        yield from lines_of(batch)


def batches(path: pathlib.Path, rows: int) -> Iterator[Any]:
    """The table's record batches of so many rows.

    Raises:
        DataError: pyarrow is not installed, or the file is not Parquet.
    """
    arrow, parquet = _pyarrow(path)
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(rows):
                batch.validate(full=True)
                yield batch
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"manifest {path} cannot be read ({error})", "write it again, as Parquet or as JSONL") from error


def lines_of(batch: Any) -> Iterator[str]:
    """A record batch's rows as lines of a JSONL manifest."""
    return map(json.JSONEncoder(ensure_ascii=False, default=str).encode, _rows(batch))


def write_table(path: pathlib.Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write lines as a table, whole or not at all.

    Raises:
        DataError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow(path)
    fields = [(name, arrow.string()) for name in TEXTS] + [(name, arrow.list_(arrow.string())) for name in LISTS]
    schema = arrow.schema([*fields, *((name, arrow.float64()) for name in NUMBERS), ("sample_rate", arrow.int64())])
    temporary, part = path.with_name(path.name + ".tmp"), []
    with parquet.ParquetWriter(temporary, schema) as writer:
        for row in rows:
            part.append(row)
            if len(part) == BATCH:
                writer.write_table(arrow.Table.from_pylist(part, schema))
                part = []
        writer.write_table(arrow.Table.from_pylist(part, schema))
    os.replace(temporary, path)


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    """Rows without nulls; a rate that a table holds as 44100.0 (pandas does where some are null) is the whole number that it is."""
    known = [
        (name, column.to_pylist())
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if column.null_count < len(column)
    ]
    names, columns = [name for name, _ in known], [values for _, values in known]
    for values in zip(*columns, strict=True) if columns else [()] * len(batch):
        row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        rate = row.get("sample_rate")
        if isinstance(rate, float) and rate.is_integer():
            row["sample_rate"] = int(rate)
        yield row


def _pyarrow(path: pathlib.Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        remedy = "pip install 'elsa-lightning[parquet]', or use JSONL"
        raise DataError(f"{path}: Parquet needs pyarrow, which is not installed", remedy) from error
    return pyarrow, pyarrow.parquet
