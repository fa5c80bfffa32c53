"""From recordings and their labels to segments."""

from __future__ import annotations

import fnmatch
import math
import pathlib
from collections.abc import Sequence
from dataclasses import replace

from elsa_lightning.data.recorded.checks import foa_duration
from elsa_lightning.data.recorded.directions import angles
from elsa_lightning.data.recorded.segments import FoaSegment
from elsa_lightning.data.recorded.single_source import Piece, Tally, single_source
from elsa_lightning.data.recorded.types import Facts, Faults, Options, Reading, Recording
from elsa_lightning.errors import DataError

OVERRUN_S = 0.1
"""Labels may end this much after the audio (a frame that is not full) without a note."""


def read(root: pathlib.Path, facts: Facts, recordings: Sequence[Recording], faults: Faults, options: Options) -> Reading:
    """Check every recording's header, read its labels and cut its segments.

    Args:
        root: the corpus' folder.
        facts: of the corpus, with the user's order and normalisation.
        recordings: to be read.
        faults: what was found so far.
        options: the user's.

    Raises:
        DataError: no recording is left, or one cannot be used in strict mode.
    """
    chosen = [one for one in recordings if not options.only or fnmatch.fnmatchcase(one.source, options.only)]
    if options.only:
        faults.notes.append(f"{len(chosen)} of {len(recordings)} recordings match --only {options.only}")
    segments: list[FoaSegment] = []
    tally, count = Tally(), 0
    for one in chosen:
        try:
            duration = foa_duration(root / one.audio, facts.rate if options.rate is None else options.rate)
            pieces = one.pieces()
        except DataError as fault:
            faults.leave_out(one.audio, _without_path(fault.message, root / one.audio), fault.remedy)
            continue
        parts, its = single_source(_until(pieces, duration, one.audio, faults), options.rule)
        segments += [_segment(part, one, facts) for part in parts]
        tally, count = tally + its, count + 1
    if not count:
        raise DataError(
            f"no recording of {root} can be used" + "".join(f"; {one.path}: {one.reason}" for one in faults.left_out[:3]),
            "check --root and --only, and that audio and labels were unpacked side by side",
        )
    return Reading(facts, options.rule, tuple(segments), count, tally, tuple(faults.left_out), tuple(faults.notes))


def _without_path(message: str, path: pathlib.Path) -> str:
    return message.removeprefix(f"{path}: ")


def _until(pieces: Sequence[Piece], end_s: float, audio: str, faults: Faults) -> list[Piece]:
    """The pieces up to the end of the audio; what lies beyond is noted."""
    overrun = max((piece.end_s for piece in pieces if piece.end_s < math.inf), default=0.0) - end_s
    if overrun > OVERRUN_S:
        faults.notes.append(f"{audio}: its labels run {overrun:.1f} s past the end of the audio and are cut there (is it truncated?)")
    return [replace(piece, end_s=min(piece.end_s, end_s)) for piece in pieces if piece.start_s < end_s]


def _segment(part: Piece, one: Recording, facts: Facts) -> FoaSegment:
    azimuth, elevation = angles(part.direction)
    return FoaSegment(
        audio=one.audio,
        start_s=part.start_s,
        end_s=part.end_s,
        label=part.label,
        azimuth=azimuth,
        elevation=elevation,
        distance_m=part.distance_m,
        split=one.split,
        source=one.source,
        room=one.room,
        licence=one.licence or facts.licence,
        order=one.order or facts.order,
        normalisation=one.normalisation or facts.normalisation,
    )
