"""STARSS22 and STARSS23: real scenes in real rooms, 24 kHz.

    metadata_dev/{dev-train-sony,dev-train-tau,dev-test-sony,dev-test-tau}/fold4_room2_mix001.csv
    foa_dev/{…}/fold4_room2_mix001.wav

Layout, classes, ACN order with the gains 1, sin φ cos θ, sin θ, cos φ cos θ (SN3D), distances in cm (2023 only) and the MIT licence are
stated in the README of STARSS23 (Zenodo 7880637); STARSS22 (Zenodo 6600531) is the same without distances. The split is that of the folder,
or, where all files were put into one, of the fold (3 training, 4 test); there is no validation set.
"""

from __future__ import annotations

import functools
import pathlib
import re

from elsa_lightning.data.recorded.checks import relative
from elsa_lightning.data.recorded.frame_labels import LABELS, label_files, read_frames
from elsa_lightning.data.recorded.types import Facts, Faults, Options, Recording

CLASSES = (
    "female speech",
    "male speech",
    "clapping",
    "telephone",
    "laughter",
    "domestic sounds",
    "footsteps",
    "door",
    "music",
    "musical instrument",
    "water tap",
    "bell",
    "knock",
)
"""By class index; shortened from the README."""

FACTS = Facts(
    name="starss",
    licence="MIT",
    order="acn",
    normalisation="sn3d",
    rate=24000,
    caution="sounds outside the 13 classes are not labelled and may be heard in a segment",
)

_SPLITS = {"dev-train": "train", "dev-test": "test", "fold3_": "train", "fold4_": "test"}
_ROOM = re.compile(r"_(room\d+)_")


def recordings(root: pathlib.Path, options: Options, faults: Faults) -> tuple[Facts, list[Recording]]:
    """The development set's recordings.

    Args:
        root: holds metadata_dev/ and foa_dev/.
        options: none of them concerns the layout.
        faults: where files that cannot be used are named.

    Raises:
        DataError: a folder is missing, or (in strict mode) a file cannot be used.
    """
    found = []
    for path, audio in label_files(root, faults):
        top = path.relative_to(root / LABELS).parts[0]
        split = next((split for start, split in _SPLITS.items() if top.startswith(start)), None)
        if split is None:
            faults.leave_out(relative(path, root), "neither its folder nor its fold is a split", "put it into dev-train-… or dev-test-…")
            continue
        room = _ROOM.search(path.stem)
        found.append(
            Recording(
                audio=audio,
                source=f"starss:{path.stem}",
                split=split,
                pieces=functools.partial(read_frames, path, CLASSES, True),
                room=f"starss:{room[1]}" if room else "",
            )
        )
    return FACTS, found
