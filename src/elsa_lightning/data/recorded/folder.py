"""Any folder of first-order recordings with a CSV of directions.

The table has a header. Columns `audio` (a path in the folder), `azimuth_deg` and `elevation_deg` are required; `start_s` and `end_s` (the
whole file if empty), `distance_m`, `label`, `split` (test if empty), `source` (the path if empty), `room`, `licence`, `order` and
`normalisation` are optional. Every row is an event of its own, so that overlapping rows of one file are cut by the rule.

The layout must be stated, in the table or with --order and --normalisation: nobody can hear it from the file (pitfalls C1, C2).
"""

from __future__ import annotations

import csv
import functools
import math
import pathlib

from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.recorded.checks import number, relative
from elsa_lightning.data.recorded.directions import unit_vector_deg
from elsa_lightning.data.recorded.segments import NORMALISATIONS, ORDERS
from elsa_lightning.data.recorded.single_source import Piece
from elsa_lightning.data.recorded.types import Facts, Faults, Options, Recording
from elsa_lightning.errors import ConfigError, DataError

REQUIRED = ("audio", "azimuth_deg", "elevation_deg")
OPTIONAL = ("start_s", "end_s", "distance_m", "label", "split", "source", "room", "licence", "order", "normalisation")
OF_A_FILE = ("split", "source", "room", "licence", "order", "normalisation")
"""Columns that must say the same in all rows of one file."""

TABLE = "labels.csv"
FORMATS = (".wav", ".flac")
FACTS = Facts(name="folder")

Rows = list[tuple[str, dict[str, str]]]
"""Where a row stands, and its cells."""


def recordings(root: pathlib.Path, options: Options, faults: Faults) -> tuple[Facts, list[Recording]]:
    """Every file of the table.

    Args:
        root: the folder.
        options: `labels`, `clockwise`, `order` and `normalisation`.
        faults: where files that cannot be used are named.

    Raises:
        ConfigError: the layout is not stated.
        DataError: the table is missing, empty, or has missing or unknown columns, or (in strict mode) a file cannot be used.
    """
    table = options.labels or root / TABLE
    files = _rows_by_file(table)
    found = []
    for audio, rows in files.items():
        try:
            found.append(_recording(audio, rows, options))
        except DataError as fault:
            faults.leave_out(audio, fault.message, fault.remedy)
    named = {(root / audio).resolve() for audio in files}
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in FORMATS and not path.name.startswith(".")):
        if path.resolve() not in named:
            faults.leave_out(relative(path, root), "it has no label", f"add a row to {table.name}")
    return FACTS, found


def _rows_by_file(table: pathlib.Path) -> dict[str, Rows]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="")
            columns = reader.fieldnames or []
            rows = [(f"{table}, line {reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({error})", "name the table of directions with --labels") from error
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise DataError(f"{table} has no column {', '.join(missing)}", f"it must have {', '.join(REQUIRED)}")
    unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
    if unknown:
        raise DataError(
            f"{table} has the unknown column {', '.join(unknown)}", f"rename it, or take it out: {', '.join(REQUIRED + OPTIONAL)} are known"
        )
    files: dict[str, Rows] = {}
    for where, row in rows:
        if "" in row or None in row.values() or not row["audio"]:
            raise DataError(f"{where} does not fit the header", "give every row one cell a column, and name its audio file")
        files.setdefault(row["audio"], []).append((where, row))
    if not files:
        raise DataError(f"{table} has no rows", f"write one row an event: {', '.join(REQUIRED)}, …")
    return files


def _recording(audio: str, rows: Rows, options: Options) -> Recording:
    said = {}
    for name in OF_A_FILE:
        values = sorted({row.get(name, "") for _, row in rows})
        if len(values) > 1:
            raise DataError(f"{rows[0][0]}: {name} of {audio} is {' and '.join(map(repr, values))}", "say the same in all rows of one file")
        said[name] = values[0]
    said |= {name: getattr(options, name) or said[name] for name in ("order", "normalisation")}
    said["split"], said["source"] = said["split"] or "test", said["source"] or audio
    for name, known in (("split", SPLITS), ("order", ORDERS), ("normalisation", NORMALISATIONS)):
        if said[name] not in known:
            fault = ConfigError if not said[name] else DataError
            raise fault(f"{rows[0][0]}: {name} is '{said[name]}'", f"choose {', '.join(known)}, in the table" + _or_option(name))
    return Recording(audio=audio, pieces=functools.partial(_pieces, rows, -1 if options.clockwise else 1), **said)


def _or_option(name: str) -> str:
    return "" if name == "split" else f" or with --{name}"


def _pieces(rows: Rows, sense: int) -> list[Piece]:
    return [_piece(row, where, sense) for where, row in rows]


def _piece(row: dict[str, str], where: str, sense: int) -> Piece:
    azimuth = sense * number(row["azimuth_deg"], "azimuth_deg", -180, 360, where)
    elevation = number(row["elevation_deg"], "elevation_deg", -90, 90, where)
    start = number(row["start_s"], "start_s", 0, 1e6, where) if row.get("start_s") else 0.0
    end = number(row["end_s"], "end_s", 0, 1e6, where) if row.get("end_s") else math.inf
    if not start < end:
        raise DataError(f"{where}: it ends at {end:g} s, but starts at {start:g} s", "give end_s above start_s")
    distance = number(row["distance_m"], "distance_m", 0, 1000, where) if row.get("distance_m") else math.nan
    return Piece(start, end, where, row.get("label", ""), unit_vector_deg(azimuth, elevation), distance)
