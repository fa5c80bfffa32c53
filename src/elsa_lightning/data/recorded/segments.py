"""A labelled part of a first-order recording with one sound source, and the two files that hold such parts. Imports no torch.

JSONL, one segment a line, angles in degrees (azimuth counter-clockwise: 90 is left), `distance_m` null where it is not known:

    {"audio": "foa_dev/dev-test-tau/fold4_room2_mix001.wav", "start_s": 12.3, "end_s": 14.1, "label": "telephone",
     "azimuth_deg": -50.0, "elevation_deg": 30.0, "distance_m": 1.8, "split": "test", "source": "starss:fold4_room2_mix001",
     "room": "starss:room2", "licence": "MIT", "order": "acn", "normalisation": "sn3d"}           (on one line)

CSV for `elsa data doctor`: audio,azimuth_deg,elevation_deg,start_s,end_s. Numbers are rounded, so that writing what was read changes
nothing.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pathlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.errors import DataError

ORDERS = ("acn", "fuma")
"""Channel orders: W Y Z X and W X Y Z."""

NORMALISATIONS = ("sn3d", "n3d", "fuma", "unknown")
"""Weights of the channels; `unknown` where the corpus does not say. They do not change the direction of the intensity."""

DOCTOR_COLUMNS = ("audio", "azimuth_deg", "elevation_deg", "start_s", "end_s")

_TEXTS = ("audio", "label", "split", "source", "room", "licence", "order", "normalisation")
_SECONDS_DIGITS, _DEGREES_DIGITS, _METRES_DIGITS = 4, 3, 3


@dataclass(frozen=True)
class FoaSegment:
    """One sound source, for a while, in a four-channel recording.

    Args:
        audio: its file, relative to the corpus' folder, with forward slashes.
        start_s: where it begins in the file, s.
        end_s: where it ends.
        label: sound class; empty if the corpus has none.
        azimuth: rad, counter-clockwise from the front within (−π, π]; +π/2 is left.
        elevation: rad, up.
        distance_m: from the microphone, m; NaN if unknown.
        split: train, val or test.
        source: id of the recording; segments of one source belong to one split.
        room: id of the room; empty if unknown.
        licence: of the recording.
        order: of the channels, one of `ORDERS`.
        normalisation: one of `NORMALISATIONS`.
    """

    audio: str
    start_s: float
    end_s: float
    label: str
    azimuth: float
    elevation: float
    distance_m: float
    split: str
    source: str
    room: str
    licence: str
    order: str
    normalisation: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON line, with rounded numbers."""
        return {
            "audio": self.audio,
            "start_s": _rounded(self.start_s, _SECONDS_DIGITS),
            "end_s": _rounded(self.end_s, _SECONDS_DIGITS),
            "label": self.label,
            "azimuth_deg": _azimuth_deg(self.azimuth),
            "elevation_deg": _rounded(math.degrees(self.elevation), _DEGREES_DIGITS),
            "distance_m": None if math.isnan(self.distance_m) else _rounded(self.distance_m, _METRES_DIGITS),
            **{name: getattr(self, name) for name in _TEXTS[2:]},
        }


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # no −0.0


def _azimuth_deg(azimuth: float) -> float:
    degrees = _rounded(math.degrees(azimuth), _DEGREES_DIGITS)
    return 180.0 if degrees == -180.0 else degrees


def write_segments(path: str | pathlib.Path, segments: Iterable[FoaSegment]) -> None:
    """Write a JSONL file, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    write_text(path, "".join(json.dumps(segment.to_dict(), ensure_ascii=False) + "\n" for segment in segments))


def write_doctor_csv(path: str | pathlib.Path, segments: Iterable[FoaSegment]) -> None:
    """Write the labels as `elsa data doctor` reads them, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, DOCTOR_COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(segment.to_dict() for segment in segments)
    write_text(path, text.getvalue())


def write_text(path: str | pathlib.Path, text: str) -> None:
    """Write a file, whole or not at all; its folder is made.

    Raises:
        DataError: the file cannot be written.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written ({error.strerror})", "name a file in a folder that can be written to") from error


def read_segments(path: str | pathlib.Path) -> list[FoaSegment]:
    """Read and check a JSONL file of segments.

    Raises:
        DataError: the file is missing, not UTF-8 or empty; or a line is not JSON, lacks a field or holds an impossible value.
    """
    path = pathlib.Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"segments {path} cannot be read ({error})", "write them with `elsa data segments`") from error
    segments = [_parsed(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not segments:
        raise DataError(f"{path} has no segments", "write them with `elsa data segments`")
    return segments


def _parsed(line: str, where: str) -> FoaSegment:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON ({error.msg})", "write segments with `elsa data segments`") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} is no object", "write segments with `elsa data segments`")
    for name in _TEXTS:
        if not isinstance(row.get(name), str):
            raise DataError(f"{where}: '{name}' is {row.get(name)!r}, no text", f'write "{name}": "…"')
    for name, known in (("split", SPLITS), ("order", ORDERS), ("normalisation", NORMALISATIONS)):
        if row[name] not in known:
            raise DataError(f"{where}: {name} is '{row[name]}'", f"choose {', '.join(known)}")
    start, end = (_number(row, name, 0, math.inf, where) for name in ("start_s", "end_s"))
    if not start < end:
        raise DataError(f"{where}: it ends at {end:g} s, but starts at {start:g} s", "give end_s above start_s")
    return FoaSegment(
        **{name: row[name] for name in _TEXTS},
        start_s=start,
        end_s=end,
        azimuth=math.radians(_number(row, "azimuth_deg", -180, 180, where)),
        elevation=math.radians(_number(row, "elevation_deg", -90, 90, where)),
        distance_m=math.nan if row.get("distance_m") is None else _number(row, "distance_m", 0, math.inf, where),
    )


def _number(row: dict[str, Any], name: str, low: float, high: float, where: str) -> float:
    value = row.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high or value == math.inf:
        raise DataError(f"{where}: '{name}' is {value!r}", f"give a number from {low:g} to {high:g}")
    return float(value)
