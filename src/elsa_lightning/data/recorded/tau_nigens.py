"""TAU-NIGENS Spatial Sound Events 2020 and 2021: NIGENS sounds through measured room responses, 24 kHz, many of them moving.

    2020:  metadata_dev/fold1_room1_mix001_ov1.csv            foa_dev/fold1_room1_mix001_ov1.wav
    2021:  metadata_dev/dev-train/fold1_room1_mix001.csv      foa_dev/dev-train/fold1_room1_mix001.wav

The year is told from `_ov1`, which only 2020 has. Columns, counter-clockwise azimuths and CC BY-NC 4.0: soundata's loaders of Zenodo
4064792 (2020) and 5476980 (2021); class indices: parameter.py of the baselines sharathadavanne/seld-dcase2020 and seld-dcase2021; splits by
fold: their READMEs. Copies of 2020 sorted into dev-train, dev-val and dev-test are read too. Order and gains (ACN, SN3D) are those that the
README of the TAU-SRIR database (Zenodo 6408611) states for the room responses, which were used for both; the sets' own READMEs were not at
hand.
"""

from __future__ import annotations

import functools
import pathlib
import re

from elsa_lightning.data.recorded.checks import relative
from elsa_lightning.data.recorded.frame_labels import LABELS, label_files, read_frames
from elsa_lightning.data.recorded.types import Facts, Faults, Options, Recording

CLASSES = {
    "2020": (
        "alarm",
        "baby",
        "crash",
        "dog",
        "engine",
        "female scream",
        "female speech",
        "fire",
        "footsteps",
        "knock",
        "male scream",
        "male speech",
        "phone",
        "piano",
    ),
    "2021": (
        "alarm",
        "baby",
        "crash",
        "dog",
        "female scream",
        "female speech",
        "footsteps",
        "knock",
        "male scream",
        "male speech",
        "phone",
        "piano",
    ),
}
"""Year → names by class index: 2021 has neither engine nor fire, and so other indices."""

FACTS = Facts(
    name="tau-nigens",
    licence="CC BY-NC 4.0",
    order="acn",
    normalisation="sn3d",
    rate=24000,
    caution="2021 holds directional interferers without labels, which may be heard in a segment; "
    "SN3D is taken from the README of the room responses",
)

_NAME = re.compile(r"fold(\d+)_(room\d+)_mix\d+(_ov\d+)?")
_FOLDERS = {"dev-train": "train", "dev-val": "val", "dev-test": "test"}
_FOLDS = {
    "2020": {1: "test", 2: "val", 3: "train", 4: "train", 5: "train", 6: "train"},
    "2021": {1: "train", 2: "train", 3: "train", 4: "train", 5: "val", 6: "test"},
}


def recordings(root: pathlib.Path, options: Options, faults: Faults) -> tuple[Facts, list[Recording]]:
    """The development set's recordings.

    Args:
        root: holds metadata_dev/ and foa_dev/; of one year or of both.
        options: none of them concerns the layout.
        faults: where files that cannot be used are named.

    Raises:
        DataError: a folder is missing, or (in strict mode) a file cannot be used.
    """
    found = []
    for path, audio in label_files(root, faults):
        name = _NAME.fullmatch(path.stem)
        if name is None:
            faults.leave_out(
                relative(path, root), "its name is not fold…_room…_mix…[_ov…]", "keep the corpus' own names: they tell year and split"
            )
            continue
        year, folder = "2020" if name[3] else "2021", path.relative_to(root / LABELS).parts[0]
        split = _FOLDERS.get(folder) or _FOLDS[year].get(int(name[1]))
        if split is None:
            faults.leave_out(
                relative(path, root),
                f"fold {name[1]} belongs to no split of the development set",
                "put it into dev-train, dev-val or dev-test",
            )
            continue
        found.append(
            Recording(
                audio=audio,
                source=f"tau-nigens-{year}:{path.stem}",
                split=split,
                pieces=functools.partial(read_frames, path, CLASSES[year], False),
                room=f"tau-nigens-{year}:{name[2]}",
            )
        )
    return FACTS, found
