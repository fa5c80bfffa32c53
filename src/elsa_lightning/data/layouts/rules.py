"""Rules for what corpora leave open: splits where none are given, captions where there are labels only. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

ONE_IN = 100
"""One source in this many validates, and another one tests, where a corpus has no such split."""
NO_VALIDATION = f"no validation split on disk: one training source in {ONE_IN} validates, by a hash of its id"
NO_SPLITS = f"no splits: one source in {ONE_IN} validates, another one in {ONE_IN} tests, by a hash of its id"
LABELS_ONLY = "labels only: captions follow from them by rule"

WORDINGS = ("{}", "the sound of {}", "a recording of {}", "{} can be heard", "{}, clearly audible")


def split_of(source: str, given: str = "") -> str:
    """The split of a source that none, or only "train", is given for. One recording falls into the same split in every corpus.

    Args:
        source: with whose id it is, such as freesound:1234.
        given: empty, or train where only the validation split is open.
    """
    from elsa_lightning.seeding import seed_of  # brings numpy, which the list of layouts in the help need not wait for

    place = seed_of("split of a source", source) % ONE_IN
    if place == 0 and not given:
        return "test"
    return "val" if place == 1 else "train"


def captions_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Captions in five wordings that name the classes: "the sound of rain and wind"."""
    *others, last = labels
    named = f"{', '.join(others)} and {last}" if others else last
    return tuple(wording.format(named) for wording in WORDINGS)
