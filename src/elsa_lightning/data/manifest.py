"""The manifest: one clip a line of JSONL, or a row of Parquet with the same names (`data.manifest_parquet`). Imports no torch.

    {"audio": "clips/dog.wav", "captions": ["a dog barking", …], "split": "train",
     "label": "dog", "clip_id": "dog-1", "licence": "CC0", "source": "freesound:1234",
     "duration_s": 4.2, "sample_rate": 44100}                                                   (on one line)

`audio` (relative to the manifest's folder, or absolute), `captions` and `split` are required; `clip_id` defaults to `audio`. Recorded
ambisonics say their layout and what is known of the scene (`data.spatial_columns`); without a layout a clip is mono.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elsa_lightning.data.manifest_parquet import is_parquet, json_lines, write_table
from elsa_lightning.data.spatial_columns import DEFAULT_AXES, MONO, read_columns, refuse_misspelt, written_columns
from elsa_lightning.errors import DataError

SPLITS = ("train", "val", "test")
TEXT_FIELDS = ("clip_id", "split", "label", "audio", "source", "licence")
NUMBER_FIELDS = ("duration_s", "sample_rate")
"""Facts of the audio file; in a line only where they are known."""
_PLAIN = frozenset((*TEXT_FIELDS, *NUMBER_FIELDS, "captions"))


@dataclass(frozen=True)
class ClipRecord:
    """One clip of a corpus.

    Args:
        clip_id: unique within the corpus.
        split: train, val or test.
        label: sound class; empty if the corpus has none.
        captions: at least one.
        source: what the clip was cut from, as far as known (a recording's id, with whose id it is: freesound:1234, youtube:…); clips
            of one source belong to one split.
        licence: of the recording.
        audio: its file, relative to the corpus; empty for synthesised clips.
        duration_s: of the file, s; 0 if unknown. With `start_s`: of the clip within the file; 0: to the file's end.
        sample_rate: of the file, Hz; 0 if unknown.
        layout: of the file's channels, one of `spatial_columns.LAYOUTS`.
        axes: where x, y and z of an ambisonic recording and of its labels point, one of `spatial_columns.AXES`.
        start_s: where the clip begins in its file, s; None: it is the whole file.
        azimuth_deg: from x towards y, degrees within ±180; None if unknown, as all below.
        elevation_deg: towards z, degrees within ±90.
        distance_m: from the listener, m.
        floor_area_m2: of the room, m².
        volume_m3: of the room, m³.
        t30_s: reverberation time, s.
        c50_db: clarity, dB.
        drr_db: direct-to-reverberant ratio, dB.
        spatial_captions: captions that say where the sound is; none if empty.
    """

    clip_id: str
    split: str
    label: str
    captions: Sequence[str]
    source: str = ""
    licence: str = ""
    audio: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0
    layout: str = MONO
    axes: str = DEFAULT_AXES
    start_s: float | None = None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None
    floor_area_m2: float | None = None
    volume_m3: float | None = None
    t30_s: float | None = None
    c50_db: float | None = None
    drr_db: float | None = None
    spatial_captions: tuple[str, ...] = ()

    @property
    def recorded(self) -> bool:
        """Whether it is ambisonics: heard as it is, not placed in a room."""
        return self.layout != MONO

    def with_captions(self) -> ClipRecord:
        """The record with its captions as a plain tuple: a synthesised corpus draws them only when they are read."""
        return replace(self, captions=tuple(self.captions))

    def to_dict(self) -> dict[str, Any]:
        """The manifest's line."""
        known = {name: value for name in NUMBER_FIELDS if (value := getattr(self, name))}
        return {name: getattr(self, name) for name in TEXT_FIELDS} | {"captions": list(self.captions)} | known | written_columns(self)

    def identity(self) -> dict[str, Any]:
        """What makes the clip the one it is: its line without facts that its file tells; a part of a file has its own length."""
        told = NUMBER_FIELDS if self.start_s is None else ("sample_rate",)
        return {name: value for name, value in self.to_dict().items() if name not in told}


def read_manifest(path: str | pathlib.Path, needs_audio: bool = True) -> list[ClipRecord]:
    """Read and check every line, all at once; for large ones see `manifest_rows.open_manifest`.

    Args:
        path: a JSONL or Parquet file.
        needs_audio: every clip must name a file.

    Raises:
        DataError: the manifest is missing, empty or not UTF-8; a line is not JSON, lacks a field, has no caption, an unknown split or a
            clip_id used before, an unknown layout or a label outside its range; or one recording is in two splits.
    """
    path = pathlib.Path(path)
    must_exist(path)
    records: list[ClipRecord] = []
    seen: dict[str, int] = {}
    homes: dict[tuple[str, str], tuple[str, int]] = {}
    for number, line in enumerate(json_lines(path) if is_parquet(path) else text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"manifest {path}, line {number}"
        record = parse_line(line, where, needs_audio)
        check_id(record, number, seen, where)
        check_split(record, number, homes, where)
        records.append(record)
    if not records:
        raise no_clips(path)
    return records


def must_exist(path: pathlib.Path) -> None:
    """Raises:
    DataError: it does not.
    """
    if path.is_dir():
        remedy = (
            "name its JSONL or Parquet file; `elsa data prepare` writes one for known corpora, docs/datasets.md tells what its lines hold"
        )
        raise DataError(f"manifest {path} is a folder", remedy)
    if not path.is_file():
        raise DataError(f"manifest {path} does not exist", "set data.corpus.path to a JSONL or Parquet file with one clip a line")


def no_clips(path: pathlib.Path) -> DataError:
    """What an empty manifest is answered with."""
    return DataError(f"manifest {path} has no clips", "write one JSON object a line with audio, captions and split")


def text_of(path: pathlib.Path) -> str:
    """A JSONL manifest's text.

    Raises:
        DataError: it is not UTF-8, or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"manifest {path} is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"manifest {path} cannot be read ({error.strerror})", "check its permissions") from error


def check_id(record: ClipRecord, number: int, seen: dict[str, int], where: str) -> None:
    """No clip_id names two clips. `seen` remembers id → line."""
    if record.clip_id in seen:
        raise DataError(f"{where}: clip_id '{record.clip_id}' was used in line {seen[record.clip_id]}", "give each clip its own clip_id")
    seen[record.clip_id] = number


def check_split(record: ClipRecord, number: int, homes: dict[tuple[str, str], tuple[str, int]], where: str) -> None:
    """A recording belongs to one split: what is trained on must not be tested on. `homes` remembers (kind, name) → split, line."""
    names = {"audio": posixpath.normpath(record.audio) if record.audio else "", "source": record.source}
    for kind, name in names.items():
        split, line = homes.setdefault((kind, name), (record.split, number)) if name else (record.split, number)
        if split != record.split:
            raise DataError(
                f"{where}: {kind} '{name}' is in split {record.split}, but in split {split} in line {line}",
                "give all clips of one recording the same split",
            )


def write_manifest(path: str | pathlib.Path, records: Iterable[ClipRecord]) -> None:
    """Write records as JSONL, or as Parquet where the path ends so; whole or not at all.

    Raises:
        DataError: Parquet, and pyarrow is not installed.
    """
    path = pathlib.Path(path)
    if is_parquet(path):
        write_table(path, (record.to_dict() for record in records))
        return
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("".join(json.dumps(record.to_dict(), ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    os.replace(temporary, path)


def parse_line(line: str, where: str, needs_audio: bool = True) -> ClipRecord:
    """One line, checked by itself; `where` names it in messages.

    Raises:
        DataError: it is not JSON, or a value cannot be used.
    """
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON ({error.msg} at column {error.colno})", "write one JSON object a line") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} is a {type(row).__name__}, not an object", 'write {"audio": …, "captions": […], "split": …}')
    return record_of(row, where, needs_audio)


def record_of(row: dict[str, Any], where: str, needs_audio: bool = True) -> ClipRecord:
    """What a line's object, or a table's row without its nulls, says.

    Raises:
        DataError: a value cannot be used.
    """
    for name in TEXT_FIELDS:
        if not isinstance(row.get(name, ""), str):
            raise DataError(f"{where}: '{name}' is not text", f'write "{name}": "…"')
    for name in NUMBER_FIELDS:
        _check_number(name, row.get(name, 0), where)
    if "layout" in row:
        refuse_misspelt(sorted(row.keys() - _PLAIN), where)
    if needs_audio and not row.get("audio"):
        raise DataError(f"{where}: no 'audio'", "name the clip's audio file, relative to the manifest")
    audio = row.get("audio", "")
    clip_id = row.get("clip_id") or audio
    return ClipRecord(
        clip_id=clip_id,
        split=_split(row.get("split"), where),
        label=row.get("label", ""),
        captions=_captions(row.get("captions"), f"{where} (clip '{clip_id}')"),
        source=row.get("source", ""),
        licence=row.get("licence", ""),
        audio=audio,
        duration_s=float(row.get("duration_s", 0.0)),
        sample_rate=row.get("sample_rate", 0),
        **read_columns(row, where),
    )


def _check_number(name: str, value: Any, where: str) -> None:
    kinds = (int,) if name == "sample_rate" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < math.inf:
        raise DataError(
            f"{where}: '{name}' is {value!r}", f"write a number of {'Hz' if name == 'sample_rate' else 'seconds'}, or leave '{name}' out"
        )


def _split(value: Any, where: str) -> str:
    if value not in SPLITS:
        raise DataError(f"{where}: split is {value!r}", f"use one of {', '.join(SPLITS)}")
    return value


def _captions(value: Any, where: str) -> tuple[str, ...]:
    captions = [value] if isinstance(value, str) else value
    if not isinstance(captions, list) or not captions or not all(isinstance(c, str) and c.strip(" .") for c in captions):
        raise DataError(f"{where} has no caption, or an empty one", 'give it at least one: "captions": ["a dog barking"]')
    return tuple(captions)
