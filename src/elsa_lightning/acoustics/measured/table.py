"""A folder of ambisonic WAV or FLAC files with a table of directions.

The table (responses.csv unless named) has a header. `file` (a path in the folder), `azimuth_deg` and `elevation_deg` are required;
`distance_m`, `floor_area_m2`, `volume_m3`, `room`, `split` and `layout` are optional, and an empty cell is unknown. Azimuth is
counter-clockwise (+90° is left) unless `clockwise` is said. Files without a room are of the room that their folder is.
"""

from __future__ import annotations

import csv
import math
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile

from elsa_lightning.acoustics.measured.faults import Faults
from elsa_lightning.acoustics.measured.response import UNKNOWN, Response, to_acn_sn3d
from elsa_lightning.errors import DataError

TABLE = "responses.csv"
FORMATS = (".wav", ".flac")
REQUIRED = ("file", "azimuth_deg", "elevation_deg")
OPTIONAL = ("distance_m", "floor_area_m2", "volume_m3", "room", "split", "layout")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Stated:
    """What the command line says of all files.

    Attributes:
        table: of directions; None: responses.csv in the folder.
        layout: of files that do not say theirs.
        clockwise: azimuths of the table run clockwise.
    """

    table: pathlib.Path | None = None
    layout: str = ""
    clockwise: bool = False


def audio_files(root: pathlib.Path) -> list[pathlib.Path]:
    """All WAV and FLAC files below a folder."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in FORMATS and not path.name.startswith("."))


def room_of(path: pathlib.Path, root: pathlib.Path) -> str:
    """The room of a file that none is stated for: its folder's path below the root; the root's own name in the root."""
    folder = path.parent.relative_to(root).as_posix()
    return root.resolve().name if folder == "." else folder


def responses_of_table(root: pathlib.Path, stated: Stated, faults: Faults) -> Iterator[Response]:
    """The responses that a folder's table names; faulty ones go to `faults`.

    Raises:
        DataError: the table is missing, empty, or has missing or unknown columns.
    """
    table = stated.table or root / TABLE
    rows = _rows(table)
    named = {(root / row["file"]).resolve() for _, row in rows}
    for path in audio_files(root):
        if path.resolve() not in named:
            faults.add(DataError(f"{path.relative_to(root)}: {table.name} has no direction for it", f"add a row to {table.name}"))
    for where, row in rows:
        try:
            yield _response(root, where, row, stated)
        except DataError as fault:
            faults.add(fault)


def _rows(table: pathlib.Path) -> list[tuple[str, dict[str, str]]]:
    """Where each row stands, and its cells."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            columns = reader.fieldnames or []
            rows = [(f"{table.name}, line {reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({error})", "name the table of directions with --labels FILE") from error
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise DataError(f"{table} has no column {', '.join(missing)}", f"it must have {', '.join(REQUIRED)}")
    unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
    if unknown:
        raise DataError(f"{table} has the unknown column {', '.join(unknown)}", f"known are {', '.join(REQUIRED + OPTIONAL)}")
    if not rows:
        raise DataError(f"{table} has no rows", f"write one row a response: {', '.join(REQUIRED)}, …")
    return rows


def _response(root: pathlib.Path, where: str, row: dict[str, str], stated: Stated) -> Response:
    if "" in row or not row["file"]:
        raise DataError(f"{where} does not fit the header", "give every row one cell a column, and name its file")
    if row.get("split", "") not in ("", *SPLITS):
        raise DataError(f"{where}: split is '{row['split']}'", f"choose {', '.join(SPLITS)}, or leave it empty")
    azimuth = _number(row, "azimuth_deg", -360, 360, where)
    elevation = _number(row, "elevation_deg", -90, 90, where)
    if math.isnan(azimuth) or math.isnan(elevation):
        raise DataError(f"{where}: no direction for {row['file']}", "fill in azimuth_deg and elevation_deg, or take the row out")
    known = {name: _number(row, name, 1e-3, 1e6, where) for name in ("distance_m", "floor_area_m2", "volume_m3")}
    path = root / row["file"]
    samples, rate = read_channels(path)
    return Response(
        name=row["file"],
        room=row.get("room") or room_of(path, root),
        foa=to_acn_sn3d(samples, row.get("layout") or stated.layout, row["file"]),
        sample_rate=rate,
        azimuth=math.radians(-azimuth if stated.clockwise else azimuth),
        elevation=math.radians(elevation),
        split=row.get("split", ""),
        **known,
    )


def _number(row: dict[str, str], name: str, low: float, high: float, where: str) -> float:
    text = (row.get(name) or "").strip()
    if not text:
        return UNKNOWN
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not low <= value <= high:
        raise DataError(f"{where}: {name} is '{text}'", f"it must be a number from {low:g} to {high:g}, or empty where unknown")
    return value


def read_channels(path: pathlib.Path) -> tuple[np.ndarray, int]:
    """All channels (C, T) float32 of a file and its rate, Hz.

    Raises:
        DataError: it is missing, empty or cannot be decoded.
    """
    if not path.is_file():
        raise DataError(f"{path}: the file is missing", "copy it again, or take its row out of the table")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: it cannot be decoded ({error.error_string.rstrip('.')})", "copy it again from its source") from error
    if not len(samples):
        raise DataError(f"{path}: it is empty", "copy it again from its source")
    return samples.T, rate
