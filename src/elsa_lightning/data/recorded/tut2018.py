"""TUT Sound Events 2018, Ambisonic: ANSYN (Zenodo 1237703), RESYN (1237707) and REAL (1237793), 44.1 kHz, sources that do not move.

    desc_ov1_split1/train_0_desc_30_100.csv          wav_ov1_split1_30db/train_0_desc_30_100.wav

for one to three overlapping events (ov) and three cross-validation splits, anywhere under the root; a description has the columns

    sound_event_recording, start_time, end_time, ele, azi, dist

in seconds, degrees and metres. Sources: README.md and cls_feature_class.py of sharathadavanne/seld-net (folders, names, order of the
columns, sample rate, how a class follows from the event's file name); the header's wording is that of the same authors' TAU Spatial Sound
Events 2019, of which soundata keeps a file, and columns are found by their first letters.

Assumed, since no source at hand states it: channels in ACN order, azimuth counter-clockwise (the authors' loader computes y = sin azimuth,
and their later sets state it), distances in metres; the normalisation is left `unknown`. `elsa data doctor` checks all but the distance.
"""

from __future__ import annotations

import csv
import functools
import math
import pathlib
import re

from elsa_lightning.data.recorded.checks import number, relative
from elsa_lightning.data.recorded.directions import unit_vector_deg
from elsa_lightning.data.recorded.single_source import Piece
from elsa_lightning.data.recorded.types import Facts, Faults, Options, Recording
from elsa_lightning.errors import DataError

COLUMNS = {"sound_event": "sound_event_recording", "start": "start_time", "end": "end_time", "ele": "ele", "azi": "azi", "dist": "dist"}
"""First letters by which a column is known → its name in the header."""

CLASSES = {
    "clearthroat": "clearing throat",
    "cough": "cough",
    "doorslam": "door slam",
    "drawer": "drawer",
    "keyboard": "keyboard",
    "keysDrop": "keys dropped",
    "knock": "knock",
    "laughter": "laughter",
    "pageturn": "page turning",
    "phone": "phone",
    "speech": "speech",
}
"""ANSYN and RESYN: the sounds of DCASE 2016 task 2, whose files are class plus three digits."""

URBAN = (
    "air conditioner",
    "car horn",
    "children playing",
    "dog bark",
    "drilling",
    "engine idling",
    "gun shot",
    "jackhammer",
    "siren",
    "street music",
)
"""REAL: the sounds of UrbanSound8K by class id, the second number of their file names (0 and 2 are not used)."""

FACTS = Facts(
    name="tut2018",
    licence="see the terms of Zenodo 1237703, 1237707 and 1237793",
    order="acn",
    normalisation="unknown",
    rate=44100,
    caution="channel order and counter-clockwise azimuths are assumed: check them with `elsa data doctor`; "
    "the three splits are folds of a cross-validation: take one at a time (--only '*_split1/*')",
)

_FOLDER = re.compile(r"desc_(ov\d+_split\d+)(.*)")
_URBAN_NAME = re.compile(r"\d+-(\d)-\d+-\d+")
_OFFICE_NAME = re.compile(r"([A-Za-z]+)(\d{3})?")


def recordings(root: pathlib.Path, options: Options, faults: Faults) -> tuple[Facts, list[Recording]]:
    """Every described recording under a folder.

    Args:
        root: holds desc_ov…_split… beside wav_ov…_split…_…db, itself or in folders.
        options: none of them concerns the layout.
        faults: where files that cannot be used are named.

    Raises:
        DataError: no descriptions, no audio beside them or several versions of it, or (in strict mode) a file that cannot be used.
    """
    folders = sorted(path for path in root.rglob("desc_ov*_split*") if path.is_dir() and _FOLDER.fullmatch(path.name))
    if not folders:
        raise DataError(f"{root} holds no folder desc_ov…_split…", "--root must hold the unpacked ov…_split….zip of ANSYN, RESYN or REAL")
    found = []
    for folder in folders:
        audio = _audio_folder(folder)
        described = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
        for extra in sorted({path.stem for path in audio.glob("*.wav")} - {path.stem for path in described}):
            faults.leave_out(relative(audio / f"{extra}.wav", root), "it has no description", f"unpack {folder.name} whole")
        for path in described:
            split = path.stem.split("_")[0]
            if split not in ("train", "test"):
                faults.leave_out(relative(path, root), "its name begins with neither train nor test", "keep the corpus' own names")
                continue
            found.append(
                Recording(
                    audio=relative(audio / f"{path.stem}.wav", root),
                    source=f"tut2018:{relative(folder, root)}/{path.stem}",
                    split=split,
                    pieces=functools.partial(read_description, path),
                )
            )
    return FACTS, found


def _audio_folder(folder: pathlib.Path) -> pathlib.Path:
    which = _FOLDER.fullmatch(folder.name)[1]
    audio = sorted(path for path in folder.parent.glob(f"wav_{which}_*db*") if path.is_dir())
    if len(audio) != 1:
        names = ", ".join(path.name for path in audio) or "none"
        raise DataError(
            f"beside {folder}: one folder wav_{which}_…db is needed, found {names}", f"unpack {which}.zip, and keep one noise level"
        )
    return audio[0]


def read_description(path: pathlib.Path) -> list[Piece]:
    """The events of one recording, each with one direction.

    Raises:
        DataError: the file cannot be read, lacks a column, or a row has an unknown class, an impossible time or an angle out of range.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", "unpack the corpus again") from error
    header = rows[0] if rows else []
    places = {key: [i for i, name in enumerate(header) if name.lower().startswith(key)] for key in COLUMNS}
    if len(header) != len(COLUMNS) or any(len(place) != 1 for place in places.values()):
        raise DataError(f"{path}: its columns are {', '.join(header) or 'none'}", f"{', '.join(COLUMNS.values())} are known")
    short = next((line for line, row in enumerate(rows, 1) if len(row) != len(header)), None)
    if short:
        raise DataError(f"{path}, line {short} has {len(rows[short - 1])} columns, not {len(header)}", "unpack the corpus again")
    return [
        _event({key: row[place[0]] for key, place in places.items()}, line, f"{path}, line {line}") for line, row in enumerate(rows[1:], 2)
    ]


def _event(row: dict[str, str], line: int, where: str) -> Piece:
    start, end = (number(row[name], COLUMNS[name], 0, 1e6, where) for name in ("start", "end"))
    if not start < end:
        raise DataError(f"{where}: it ends at {end:g} s, but starts at {start:g} s", "unpack the corpus again")
    azimuth, elevation = number(row["azi"], "azi", -180, 180, where), number(row["ele"], "ele", -90, 90, where)
    distance = number(row["dist"], "dist", 0, 1000, where) if row["dist"] else math.nan
    return Piece(start, end, str(line), _class(row["sound_event"], where), unit_vector_deg(azimuth, elevation), distance)


def _class(recording: str, where: str) -> str:
    stem = recording.split(".")[0]
    urban, office = _URBAN_NAME.fullmatch(stem), _OFFICE_NAME.fullmatch(stem)
    if urban:
        return URBAN[int(urban[1])]
    if office and office[1] in CLASSES:
        return CLASSES[office[1]]
    raise DataError(f"{where}: no class follows from '{recording}'", "names such as speech012.wav and 102305-6-0-0.wav are known")
