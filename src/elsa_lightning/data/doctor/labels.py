"""A table of labelled stretches of first-order recordings: CSV or a manifest in, audio one stretch at a time. Imports no torch.

Columns `audio` (file, relative to the root), `azimuth_deg`, `elevation_deg`; `start_s` and `end_s` where a row means a part of its file (an
empty cell is the file's beginning or end). Other columns are ignored. Angles are as the corpus writes them: what they mean is the question.
Of a manifest (`.jsonl`) the rows that have both angles count; `start_s` and `duration_s` say the part.
"""

from __future__ import annotations

import csv
import json
import math
import pathlib
from dataclasses import dataclass

import numpy as np
import soundfile

from elsa_lightning.data.audio_file import RATES_HZ
from elsa_lightning.errors import DataError

COLUMNS = ("audio", "azimuth_deg", "elevation_deg")

ROUNDING_S = 0.1
"""A stretch may end so much behind its file, as labels counted in 100 ms frames do; it then ends with the file."""

_LIMITS_DEG = {"azimuth_deg": 360.0, "elevation_deg": 90.0}


@dataclass(frozen=True)
class LabelRow:
    """One row.

    Args:
        path: the audio file.
        azimuth: as labelled, rad.
        elevation: as labelled, rad.
        start_s: of the stretch.
        end_s: of the stretch; None for the file's end.
        place: table and line, for messages.
    """

    path: pathlib.Path
    azimuth: float
    elevation: float
    start_s: float
    end_s: float | None
    place: str

    @property
    def name(self) -> str:
        """Of the stretch, in reports."""
        if self.end_s is None:
            return self.path.name if not self.start_s else f"{self.path.name} from {self.start_s:g} s"
        return f"{self.path.name} {self.start_s:g}–{self.end_s:g} s"


def read_labels(table: pathlib.Path, root: pathlib.Path | None = None) -> list[LabelRow]:
    """Read and check every row; no audio file is opened.

    Args:
        table: CSV, UTF-8, with a header; or a manifest, `.jsonl`.
        root: folder that the audio files' names are relative to; the table's own if None.

    Raises:
        DataError: the table is missing, unreadable or empty, lacks a column, or has a row with a number that is none or is out of range.
    """
    if not table.is_file():
        raise DataError(f"{table} does not exist", f"give a CSV file with the columns {', '.join(COLUMNS)}")
    try:
        rows = _rows_of_manifest(table) if table.suffix == ".jsonl" else _rows_of_csv(table)
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({error})", "check that it is a CSV file") from error
    if not rows:
        raise DataError(f"{table} has no rows", "give one labelled stretch a line")
    folder = table.parent if root is None else root
    return [_row(row, folder, f"{table}, line {line}") for line, row in rows]


def _rows_of_csv(table: pathlib.Path) -> list[tuple[int, dict[str, str | None]]]:
    """Each row with its line."""
    with open(table, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(
                f"{table} has no column {', '.join(missing)}", f"it must have {', '.join(COLUMNS)}; start_s and end_s are optional"
            )
        return [(reader.line_num, row) for row in reader]


def _rows_of_manifest(table: pathlib.Path) -> list[tuple[int, dict[str, str | None]]]:
    """Each row with both angles, as a row of a CSV, with its line."""
    found = []
    with open(table, encoding="utf-8") as file:
        for line, text in enumerate(file, 1):
            try:
                row = json.loads(text)
                labels = {name: row[name] for name in COLUMNS[1:] if row.get(name) is not None}
            except (ValueError, AttributeError) as error:
                raise DataError(f"{table}, line {line}: not a JSON object ({error})", "a manifest has one on every line") from error
            if len(labels) < 2:
                continue
            start, duration = row.get("start_s"), row.get("duration_s")
            ends = {"start_s": start, "end_s": start + duration if start is not None and duration else None}
            cells = {"audio": row.get("audio")} | labels | ends
            found.append((line, {name: None if value is None else str(value) for name, value in cells.items()}))
    if not found:
        raise DataError(f"{table}: no row has azimuth_deg and elevation_deg", "a manifest of mono clips has nothing to compare")
    return found


def read_stretch(row: LabelRow) -> tuple[np.ndarray, int]:
    """The row's audio (4, T) float32 as recorded, and its sample rate, Hz.

    Raises:
        DataError: the file is missing, unreadable or shorter than the row says, has other than four channels, or is not finite.
    """
    path = row.path
    if not path.is_file():
        raise DataError(f"{row.place}: audio file {path} does not exist", "check the table, or name the folder with --root")
    try:
        with soundfile.SoundFile(path) as file:
            if file.channels != 4:
                raise DataError(
                    f"audio file {path} has {file.channels} channel(s), not 4",
                    "first-order ambisonics have four; of a higher order in ACN, cut the first four",
                )
            if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
                raise DataError(f"audio file {path} claims a sample rate of {file.samplerate} Hz", "mend its header")
            rate, length = file.samplerate, file.frames / file.samplerate
            if row.start_s >= length or (row.end_s or 0) > length + ROUNDING_S:
                end = "" if row.end_s is None else f" to {row.end_s:g} s"
                raise DataError(
                    f"{row.place}: the stretch from {row.start_s:g} s{end} is not within {path} ({length:.2f} s)",
                    "check start_s and end_s, and whether the file is whole",
                )
            first = round(row.start_s * rate)
            last = file.frames if row.end_s is None else min(file.frames, round(row.end_s * rate))
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)  # (T, 4)
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"audio file {path} cannot be decoded ({error.error_string.rstrip('.')})", "copy it again from its source"
        ) from error
    if len(samples) < last - first:
        raise DataError(f"audio file {path} is truncated (it ends before {last / rate:.2f} s)", "copy it again from its source")
    if not np.isfinite(samples).all():
        raise DataError(f"audio file {path} holds samples that are not finite (NaN or infinity)", "write it again from its source")
    return np.ascontiguousarray(samples.T), rate


def _row(row: dict[str, str | None], folder: pathlib.Path, place: str) -> LabelRow:
    if not row["audio"]:
        raise DataError(f"{place}: audio is empty", "name a file in every row")
    angles = {}
    for name, limit in _LIMITS_DEG.items():
        value = _number(row[name], name, place)
        if abs(value) > limit:
            zenith = "; an angle from the zenith is 90° minus the elevation" if name == "elevation_deg" else ""
            raise DataError(f"{place}: {name} {value:g} is outside -{limit:g} to {limit:g}", f"give degrees{zenith}")
        angles[name] = math.radians(value)
    start = _number(row["start_s"], "start_s", place) if row.get("start_s") else 0.0
    end = _number(row["end_s"], "end_s", place) if row.get("end_s") else None
    if start < 0 or (end is not None and end <= start):
        raise DataError(f"{place}: start_s {start:g}, end_s {end} is no stretch", "give 0 ≤ start_s < end_s, in seconds")
    return LabelRow(folder / row["audio"], angles["azimuth_deg"], angles["elevation_deg"], start, end, place)


def _number(text: str | None, name: str, place: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{place}: {name} {text or ''!r} is not a number", "give a finite number")
    return value
