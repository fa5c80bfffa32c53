"""Spatial LibriSpeech: LibriSpeech utterances in simulated rooms, 16 kHz, one talker at one place in each file.

    metadata.parquet
    ambisonics/000000.flac                      (noise_ambisonics/000000.flac, the distractor alone, is not read)

Columns, radians and metres: DATASET_SCHEMA.md and README.md of apple/ml-spatial-librispeech; licence: LICENSE there (Apple's part and
LibriSpeech are CC BY 4.0). Apple states neither channel order, nor normalisation, nor the sense of the azimuth (pitfalls C1). Assumed are
ACN order and counter-clockwise azimuths (two public users of the set say so, one after comparison with the intensity); the normalisation is
left `unknown`. `elsa data doctor` checks them.

Reading the metadata needs pyarrow.
"""

from __future__ import annotations

import functools
import math
import pathlib
from typing import Any

from elsa_lightning.data.recorded.checks import needs_folder
from elsa_lightning.data.recorded.directions import unit_vector
from elsa_lightning.data.recorded.single_source import Piece
from elsa_lightning.data.recorded.types import Facts, Faults, Options, Recording
from elsa_lightning.errors import DataError

METADATA, AUDIO = "metadata.parquet", "ambisonics"
LITE = "lite_version"
AZIMUTH, ELEVATION, DISTANCE, ROOM = "speech/azimuth", "speech/elevation", "speech/distance", "room/room_id"
UTTERANCE = tuple(f"speech/librispeech_metadata/{name}" for name in ("reader_id", "chapter_id", "sequence_number"))
COLUMNS = ("sample_id", "split", AZIMUTH, ELEVATION, DISTANCE, ROOM, *UTTERANCE)

FACTS = Facts(
    name="spatial-librispeech",
    licence="CC BY 4.0",
    order="acn",
    normalisation="unknown",
    rate=16000,
    caution="ACN order and counter-clockwise azimuths are assumed, Apple states neither: check them with `elsa data doctor`",
)

_TURN = 2 * math.pi + 1e-6
_QUARTER = math.pi / 2 + 1e-6


def recordings(root: pathlib.Path, options: Options, faults: Faults) -> tuple[Facts, list[Recording]]:
    """Every sample of the metadata.

    Args:
        root: holds metadata.parquet and ambisonics/.
        options: `lite` takes the samples of the lite version only.
        faults: where files that cannot be used are named.

    Raises:
        DataError: metadata or audio are missing, pyarrow is not installed, a column is missing, or (in strict mode) a row is faulty.
    """
    folder = needs_folder(root, AUDIO, f"--root must be the folder that holds {METADATA} and {AUDIO}/")
    table = read_table(root / METADATA, (*COLUMNS, LITE) if options.lite else COLUMNS)
    found, samples = [], set()
    for values in zip(*table.values(), strict=True):
        row = dict(zip(table, values, strict=True))
        if options.lite and not row[LITE]:
            continue
        name = f"{AUDIO}/{row['sample_id']:06}.flac"
        samples.add(name)
        if row["split"] not in ("train", "test"):
            faults.leave_out(name, f"its split is {row['split']!r}", "download the metadata again")
            continue
        reader, chapter, sequence = (row[column] for column in UTTERANCE)
        found.append(
            Recording(
                audio=name,
                source=f"librispeech:{reader}-{chapter}-{sequence:04}",
                split=row["split"],
                pieces=functools.partial(_pieces, row, f"{root / METADATA}, sample {row['sample_id']}"),
                room=f"spatial-librispeech:{row[ROOM]}",
            )
        )
    extra = sorted({f"{AUDIO}/{path.name}" for path in folder.glob("*.flac")} - samples)
    if options.lite and extra:
        faults.notes.append(f"{len(extra)} files are not in the lite version: {extra[0]}, …")
    for name in () if options.lite else extra:
        faults.leave_out(name, "it is not in the metadata", "download the metadata again, or take the file away")
    return FACTS, found


def _pieces(row: dict[str, Any], where: str) -> list[Piece]:
    for name, limit in ((AZIMUTH, _TURN), (ELEVATION, _QUARTER)):
        if not isinstance(row[name], int | float) or not abs(row[name]) <= limit:
            raise DataError(f"{where}: {name} is {row[name]!r}", f"radians within ±{limit:.3f} are expected: are these degrees?")
    distance = row[DISTANCE]
    if not isinstance(distance, int | float) or not 0 <= distance < math.inf:
        raise DataError(f"{where}: {DISTANCE} is {distance!r}", "metres are expected")
    return [Piece(0.0, math.inf, "talker", "speech", unit_vector(row[AZIMUTH], row[ELEVATION]), float(distance))]


def read_table(path: pathlib.Path, columns: tuple[str, ...]) -> dict[str, list[Any]]:
    """Columns of a parquet file.

    Raises:
        DataError: pyarrow is not installed, the file is missing or damaged, or it lacks a column.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path}: reading parquet needs pyarrow, which is not installed", "pip install pyarrow") from error
    if not path.is_file():
        raise DataError(f"{path} does not exist", "download it: its address is in README.md of apple/ml-spatial-librispeech")
    try:
        missing = [name for name in columns if name not in pyarrow.parquet.read_schema(path).names]
        if missing:
            raise DataError(f"{path} has no column {', '.join(missing)}", "download version 1 of the metadata again")
        return pyarrow.parquet.read_table(path, columns=list(columns)).to_pydict()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error})", "download it again") from error
