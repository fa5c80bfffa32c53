"""What every corpus of labelled recordings has in common: the user's options, facts, recordings, and faults that are named."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from elsa_lightning.data.recorded.segments import FoaSegment
from elsa_lightning.data.recorded.single_source import Piece, Rule, Tally
from elsa_lightning.errors import DataError


@dataclass(frozen=True)
class Options:
    """What the user may say about reading a corpus.

    Args:
        rule: by which segments are cut.
        strict: the first file that cannot be used stops the reading.
        rate: sample rate that the files must have, Hz; None for the corpus' own.
        order: channel order; empty for the corpus' own.
        normalisation: of the channels; empty for the corpus' own.
        only: a pattern (`*` for anything) that a recording's source id must match; empty for all.
        labels: the table of directions of a plain folder; None for its labels.csv.
        clockwise: azimuths of a plain folder's table count clockwise (+90° is right).
        lite: only the lite version of Spatial LibriSpeech.
    """

    rule: Rule = field(default_factory=Rule)
    strict: bool = False
    rate: int | None = None
    order: str = ""
    normalisation: str = ""
    only: str = ""
    labels: pathlib.Path | None = None
    clockwise: bool = False
    lite: bool = False


@dataclass(frozen=True)
class Facts:
    """What is known of a corpus.

    Args:
        name: as on the command line.
        licence: of its recordings.
        order: channel order.
        normalisation: of the channels, `unknown` where it is not stated.
        rate: sample rate, Hz; 0 for any.
        caution: what its segments do not promise, and which parts of its layout are assumed.
    """

    name: str
    licence: str = ""
    order: str = ""
    normalisation: str = ""
    rate: int = 0
    caution: str = ""


@dataclass(frozen=True)
class Recording:
    """One file and its labels.

    Args:
        audio: relative to the corpus' folder, with forward slashes.
        source: id.
        split: train, val or test.
        pieces: reads its labels, an end of ∞ meaning the end of the audio; raises `DataError` where they are faulty.
        room: id, or empty.
        licence: if it differs from the corpus'; likewise `order` and `normalisation`.
    """

    audio: str
    source: str
    split: str
    pieces: Callable[[], Sequence[Piece]]
    room: str = ""
    licence: str = ""
    order: str = ""
    normalisation: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A file that was not used: its path in the corpus, and why."""

    path: str
    reason: str


@dataclass
class Faults:
    """Collects what is left out, or stops at the first.

    Args:
        strict: stop.
    """

    strict: bool = False
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, path: str, reason: str, remedy: str) -> None:
        """Name a file that cannot be used.

        Raises:
            DataError: in strict mode.
        """
        if self.strict:
            raise DataError(f"{path}: {reason}", remedy)
        self.left_out.append(LeftOut(path, reason))


@dataclass(frozen=True)
class Reading:
    """The result.

    Args:
        facts: of the corpus.
        rule: that was applied.
        segments: in the order of the recordings, then of time.
        recordings: how many were read.
        tally: where their labelled time went.
        left_out: files that could not be used.
        notes: what else should be known.
    """

    facts: Facts
    rule: Rule
    segments: tuple[FoaSegment, ...]
    recordings: int
    tally: Tally
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
