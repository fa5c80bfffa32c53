"""The Freesound part of LAION-Audio-630K (Wu et al. 2023): pairs N.flac and N.json, in folders or in webdataset tars.

The .json holds "text" (the title, then the description's first sentence where that is plain text), "tag" and "original_data", whose "id" is
the Freesound id (data card of LAION-AI/audio-dataset). Splits are folders; the release Meranti/CLAP_freesound has train_1/, train_2/ and
test/, each of tars of 512 pairs, LAION's pipeline train/, valid/ and test/. FLAC of 48 kHz, mono, at most three minutes.

Not verified on the files themselves: that "original_data" has the key "license" (the data card's examples do not); it is taken if present.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing, clean
from elsa_lightning.data.layouts.rules import NO_SPLITS, NO_VALIDATION, split_of
from elsa_lightning.data.layouts.tables import read_json
from elsa_lightning.data.layouts.tree import Tree
from elsa_lightning.errors import DataError

FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def read(tree: Tree) -> Listing:
    """The clips: one for each .json.

    Raises:
        DataError: there is no .json file.
    """
    listing = Listing()
    for place, path in tree.texts():
        if path.name == "sizes.json":  # how many pairs each tar holds
            continue
        try:
            listing.entries.append(_entry(place, path))
        except DataError as fault:
            listing.faults.append(Fault(place, fault.message, fault.remedy))
    if not listing.entries:
        raise DataError(f"{tree.roots[0]} holds no pair of .flac and .json", "give --root the folder of the pairs, or of the tars")
    given = {entry.split for entry in listing.entries}
    if given <= {"", "train", "test"}:
        listing.notes.append(NO_SPLITS if "" in given else NO_VALIDATION)
        listing.entries = [_with_split(entry) for entry in listing.entries]
    elif "" in given:
        raise DataError(
            f"{tree.roots[0]} holds pairs within train/, valid/ or test/ and pairs outside them", "move the latter into one of them"
        )
    return listing


def _entry(place: str, path: Path) -> Entry:
    row = read_json(path)
    text = row.get("text") if isinstance(row, dict) else None
    texts = [text] if isinstance(text, str) else text
    captions = clean([one for one in texts if isinstance(one, str)]) if isinstance(texts, list) else ()
    if not captions:
        raise DataError(f"{path} has no caption in 'text'", "take the pair out, or write a caption")
    original: dict[str, Any] = row["original_data"] if isinstance(row.get("original_data"), dict) else {}
    source = f"freesound:{original['id']}" if original.get("id") else ""
    licence = original.get("license")
    return Entry(place, _split(place), captions, (f"/{place}",), (), "", source, licence if isinstance(licence, str) else "")


def _split(place: str) -> str:
    """The split that a folder names, the innermost first; empty if none does."""
    for part in reversed(place.split("/")[:-1]):
        split = FOLDERS.get(part.casefold().partition("_")[0])
        if split:
            return split
    return ""


def _with_split(entry: Entry) -> Entry:
    if entry.split == "test":
        return entry
    return replace(entry, split=split_of(entry.source or entry.clip_id, entry.split))


FREESOUND = Layout(
    "freesound", "Freesound part of LAION-Audio-630K: pairs of .flac and .json, in folders or webdataset tars", read, tars=True
)
