"""Labels in frames of 100 ms, as the SELD sets of DCASE 2020 to 2023 have them: one CSV a recording, without a header.

    frame, class index, source or track index, azimuth, elevation[, distance in cm]

Enumeration begins at 0; angles are whole degrees, azimuth from −180 to 180 counter-clockwise (90 is left), elevation from −90 to 90. Frames
without an event are left out, several events in a frame are several rows. (README of STARSS23, Zenodo 7880637; the five columns of earlier
sets: STARSS22, Zenodo 6600531, and soundata's loaders of TAU-NIGENS 2020 and 2021.)
"""

from __future__ import annotations

import csv
import math
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence

from elsa_lightning.data.recorded.checks import needs_folder, number, relative
from elsa_lightning.data.recorded.directions import unit_vector_deg
from elsa_lightning.data.recorded.single_source import Piece
from elsa_lightning.data.recorded.types import Faults
from elsa_lightning.errors import DataError

FRAMES_PER_S = 10
COLUMNS = ("frame", "class", "source", "azimuth", "elevation")
DISTANCE = "distance"
CM_PER_M = 100
LABELS, AUDIO, EVALUATION = "metadata_dev", "foa_dev", "metadata_eval"

MOST_FRAMES = 10_000_000


def read_frames(path: pathlib.Path, classes: Sequence[str], distances: bool) -> list[Piece]:
    """One recording's labels.

    Args:
        path: the CSV; an empty one is a recording without labelled sound.
        classes: names by class index.
        distances: a sixth column with the distance in cm may be there.

    Returns:
        a piece per row. Rows of one class and source in consecutive frames are one event; where a frame has several such rows (two
        loudspeakers share source 0), they are several.

    Raises:
        DataError: the file cannot be read, has other columns, an unknown class or an angle out of range.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [(index, row) for index, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", "unpack the labels again") from error
    widths = (len(COLUMNS), len(COLUMNS) + 1) if distances else (len(COLUMNS),)
    seen: Counter[tuple[int, int, int]] = Counter()
    pieces = []
    for index, row in rows:
        where = f"{path}, line {index}"
        if len(row) not in widths or len(row) != len(rows[0][1]):
            names = ", ".join(COLUMNS) + (f"[, {DISTANCE}]" if distances else "")
            raise DataError(f"{where} has {len(row)} columns", f"{names} are known; unpack this corpus' own labels")
        frame, kind, source = (_whole(row[column], COLUMNS[column], where) for column in range(3))
        if kind >= len(classes):
            raise DataError(f"{where}: class is {kind}", f"there are {len(classes)} classes: is this the labels of another corpus?")
        lane = seen[frame, kind, source]
        seen[frame, kind, source] += 1
        azimuth, elevation = number(row[3], "azimuth", -180, 180, where), number(row[4], "elevation", -90, 90, where)
        distance = number(row[5], DISTANCE, 0, 100_000, where) / CM_PER_M if len(row) > len(COLUMNS) else math.nan
        times = frame / FRAMES_PER_S, (frame + 1) / FRAMES_PER_S
        pieces.append(Piece(*times, f"{kind}/{source}/{lane}", classes[kind], unit_vector_deg(azimuth, elevation), distance))
    return pieces


def _whole(text: str, name: str, where: str) -> int:
    value = number(text, name, 0, MOST_FRAMES, where)
    if value != int(value):
        raise DataError(f"{where}: {name} is '{text}', no whole number", "unpack this corpus' own labels")
    return int(value)


def label_files(root: pathlib.Path, faults: Faults) -> Iterator[tuple[pathlib.Path, str]]:
    """The label files of a development set, by name, and the audio of each, relative to the folder.

    Audio without labels is left out by name here; labels without audio fail when the audio is opened. Hidden files (a `._name` beside each
    of its label files, written by macOS, is in copies of TAU-NIGENS 2020) and the evaluation set are noted.

    Raises:
        DataError: a folder of the layout is missing, or holds no labels.
    """
    remedy = f"--root must be the folder that holds {LABELS}/ and {AUDIO}/, unpacked from {LABELS}.zip and {AUDIO}.zip"
    labels, audio = needs_folder(root, LABELS, remedy), needs_folder(root, AUDIO, remedy)
    found = sorted(labels.rglob("*.csv"))
    hidden = [path for path in found if path.name.startswith(".")]
    if hidden:
        faults.notes.append(f"{len(hidden)} hidden files in {LABELS} are not labels: {hidden[0].name}, …")
    if (root / EVALUATION).is_dir():
        faults.notes.append(f"{EVALUATION} is not read: the evaluation set has no split of the development set")
    found = [path for path in found if path not in set(hidden)]
    if not found:
        raise DataError(f"{labels} holds no label files (*.csv)", remedy)
    expected = {(audio / path.relative_to(labels)).with_suffix(".wav") for path in found}
    for extra in sorted(set(audio.rglob("*.wav")) - expected):
        if not extra.name.startswith("."):
            faults.leave_out(relative(extra, root), "it has no label file", f"unpack {LABELS}.zip whole")
    for path in found:
        yield path, relative((audio / path.relative_to(labels)).with_suffix(".wav"), root)
