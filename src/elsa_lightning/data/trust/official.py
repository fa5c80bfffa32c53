"""Sizes of corpora as their authors published them: what a complete copy has."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Published:
    """One corpus.

    Args:
        title: name and version.
        source: where the figures come from.
        splits: our split → (clips, captions of each clip).
    """

    title: str
    source: str
    splits: dict[str, tuple[int, int]]

    def only(self, split: str) -> Published:
        """One split of it."""
        return replace(self, splits={name: size for name, size in self.splits.items() if name == split})


OFFICIAL = {
    "audiocaps": Published(
        "AudioCaps 1.0",
        "Kim et al. 2019 (ACL N19-1011); rows of its train, val and test csv: 49,838, 2,475 and 4,875, five a clip in val and test",
        {"train": (49838, 1), "val": (495, 5), "test": (975, 5)},
    ),
    "clotho": Published(
        "Clotho 2.1",
        "Drossos et al. 2020; files in the archives of Zenodo record 4783391, development, validation and evaluation (its text says 3,840 "
        "and 1,046 for the first two)",
        {"train": (3839, 5), "val": (1045, 5), "test": (1045, 5)},
    ),
}
"""Name → sizes. As downloads of today go, AudioCaps is never complete: the figure to print is the share, the ids to print the missing."""
