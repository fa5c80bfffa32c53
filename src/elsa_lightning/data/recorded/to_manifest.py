"""Segments of recordings → the clips of a manifest, which training reads. Imports no torch."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Sequence

from elsa_lightning.data.layouts.rules import captions_of
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.recorded.segments import FoaSegment
from elsa_lightning.errors import DataError

LAYOUT_OF = {("acn", "sn3d"): "foa_acn_sn3d", ("acn", "n3d"): "foa_acn_n3d", ("fuma", "fuma"): "foa_fuma"}
"""Order and normalisation → the manifest's layout."""

VAL_PERCENT = 10
"""Share of the training recordings that validate, where a corpus has no validation split."""

NAMELESS = ("a sound",)
"""Captions of a segment without a class."""


def clips_of(segments: Sequence[FoaSegment], root: pathlib.Path, manifest: pathlib.Path) -> tuple[list[ClipRecord], list[str]]:
    """The clips, and notes on what was decided for them.

    Captions follow from the class by rule. Where there are training clips but none that validate, one training recording in ten validates,
    by a hash of its id, the same ones every time.

    Args:
        segments: of a corpus.
        root: its folder.
        manifest: where the clips will be listed; files below its folder are named relative to it.

    Raises:
        DataError: channels in a layout that a manifest cannot say.
    """
    validating = _validating(segments)
    clips = [_clip(one, _audio(root / one.audio, manifest), "val" if one.source in validating else one.split) for one in segments]
    splits = {clip.split for clip in clips}
    notes = [f"no validation split: of the training recordings {len(validating)} validate(s), by a hash of the id"] if validating else []
    if "train" not in splits:
        notes.append(f"all clips are {' or '.join(sorted(splits))}: nothing to train on")
    elif missing := {"val", "test"} - splits:
        notes.append(f"no {' or '.join(sorted(missing))} clips: a table needs all three splits")
    return clips, notes


def write_clips(path: pathlib.Path, clips: Sequence[ClipRecord]) -> None:
    """Write the manifest, whole or not at all; its folder is made.

    Raises:
        DataError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(path, clips)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})", "name a file in a folder that can be written to") from error


def _clip(one: FoaSegment, audio: str, split: str) -> ClipRecord:
    row = one.to_dict()
    layout = LAYOUT_OF.get((one.order, one.normalisation))
    if layout is None:
        raise DataError(
            f"{one.audio}: order {one.order} with normalisation {one.normalisation} is no layout of a manifest",
            "leave --out away and write --csv, let `elsa data doctor` find the convention, then say --order and --normalisation "
            f"({', '.join(f'{order} {gains}' for order, gains in LAYOUT_OF)})",
        )
    return ClipRecord(
        clip_id=f"{one.audio}@{row['start_s']:.4f}".rstrip("0").rstrip("."),
        split=split,
        label=one.label,
        captions=captions_of([one.label.replace("_", " ")]) if one.label else NAMELESS,
        source=one.source,
        licence=one.licence,
        audio=audio,
        duration_s=round(row["end_s"] - row["start_s"], 4),
        layout=layout,
        start_s=row["start_s"],
        azimuth_deg=row["azimuth_deg"],
        elevation_deg=row["elevation_deg"],
        distance_m=row["distance_m"] or None,  # a source cannot be in the microphone: 0 says that nobody measured
    )


def _audio(path: pathlib.Path, manifest: pathlib.Path) -> str:
    file, folder = pathlib.Path(os.path.abspath(path)), pathlib.Path(os.path.abspath(manifest)).parent
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _validating(segments: Sequence[FoaSegment]) -> set[str]:
    """Ids of the training recordings that validate; the one whose hash comes first if the share has none."""
    from elsa_lightning.seeding import seed_of  # brings numpy, which the command's help need not wait for

    places = {one.source: seed_of("split of a source", one.source) for one in segments if one.split == "train"}
    if any(one.split == "val" for one in segments) or len(places) < 2:
        return set()
    count = max(1, math.floor(len(places) * VAL_PERCENT / 100))
    return set(sorted(places, key=lambda source: (places[source], source))[:count])
