"""One recording, one split: where official splits share a recording. Imports neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Sequence

from elsa_lightning.data.layouts.listing import Entry
from elsa_lightning.data.manifest import SPLITS


def shared_recordings(entries: Sequence[Entry], files: Sequence[str]) -> list[dict[str, str]]:
    """Entries to leave out so that each recording is in one split: test keeps it before val, val before train.

    Clips without a file count as well: what the official test holds is not trained on, wherever it is tested.

    Args:
        entries: all that the tables promise.
        files: of each, or empty.

    Returns:
        clip_id, split, kept_in and by (the source, or the file) of each.
    """
    owned = [
        [(kind, name) for kind, name in (("source", entry.source), ("file", file)) if name]
        for entry, file in zip(entries, files, strict=True)
    ]
    home: dict[tuple[str, str], int] = {}
    for entry, names in zip(entries, owned, strict=True):
        for name in names:
            home[name] = max(home.get(name, 0), SPLITS.index(entry.split))
    left_out = []
    for entry, names in zip(entries, owned, strict=True):
        held = [name for name in names if home[name] > SPLITS.index(entry.split)]
        if held:
            kept_in = SPLITS[home[held[0]]]
            left_out.append({"clip_id": entry.clip_id, "split": entry.split, "kept_in": kept_in, "by": held[0][1]})
    return left_out
