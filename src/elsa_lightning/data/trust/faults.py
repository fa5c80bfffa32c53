"""What can be wrong with a clip, and how bad it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Args:
        unusable: training stops at such a file; otherwise it only lessens what is learnt or measured.
        text: what it means.
    """

    unusable: bool
    text: str


KINDS = {
    "missing": Kind(True, "the table names a file that is not there (renamed, or never copied)"),
    "empty": Kind(True, "no bytes, or a header without samples"),
    "unreadable": Kind(True, "cannot be decoded"),
    "truncated": Kind(True, "the end of the file is missing"),
    "not finite": Kind(True, "samples that are NaN or infinite"),
    "silent": Kind(True, "no sample above -100 dB re full scale"),
    "channels": Kind(True, "another number of channels than wanted"),
    "rate": Kind(False, "another sample rate than most files or than the table says, or one below --min-rate"),
    "length": Kind(False, "another length than the table says"),
    "clipped": Kind(False, "flat-topped crests: recorded or converted at too high a level"),
    "duplicate": Kind(False, "the same samples under two names, or one file under two clips"),
    "unlisted": Kind(False, "an audio file beside those of the table that no clip names"),
    "no caption": Kind(False, "no caption, or one without any word"),
    "repeated caption": Kind(False, "one clip has the same caption twice"),
}
"""Name → meaning, in the order of reports."""


@dataclass(frozen=True)
class Fault:
    """One fault of one clip or file.

    Args:
        kind: key of `KINDS`.
        name: the file as its table names it, or the clip's id where it has no file or the fault lies in its captions.
        split: of the clip; empty for a file that no clip names.
        detail: what was found, for people.
    """

    kind: str
    name: str
    split: str
    detail: str

    @property
    def unusable(self) -> bool:
        """Training would stop at it."""
        return KINDS[self.kind].unusable

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"unusable": self.unusable}
