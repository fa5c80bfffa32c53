"""WavCaps (Mei et al. 2023): json_files/<part>/<table>.json and <id>.flac, mono, 32 kHz, for four parts.

A table is {"num_captions_per_audio": 1, "data": [{"id": …, "caption": …, "duration": …, …}]}; SoundBible's first version was the bare list.
Ids of AudioSet_SL are Y<youtube_id>.wav, those of FreeSound Freesound's; all files are <id without .wav>.flac. The archives unpack to
…/waveforms/<part>_flac/, below a long path of the authors' machine. There are no splits: the corpus was made for training. Its lists of
clips that other corpora test on (json_files/blacklist) are not applied; compare the manifests instead.
"""

from __future__ import annotations

from typing import Any

from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing, clean
from elsa_lightning.data.layouts.rules import NO_SPLITS, split_of
from elsa_lightning.data.layouts.tables import read_json
from elsa_lightning.data.layouts.tree import Tree
from elsa_lightning.errors import DataError

PARTS = {
    "AudioSet_SL": ("as_final.json", "youtube"),
    "BBC_Sound_Effects": ("bbc_final.json", "bbc"),
    "FreeSound": ("fsd_final.json", "freesound"),
    "SoundBible": ("sb_final.json", "soundbible"),
}
"""Part → its table, and whose ids it has."""
LICENCE = "WavCaps: academic use only"


def read(tree: Tree) -> Listing:
    """The clips of the parts whose table is there.

    Raises:
        DataError: no table is there, or one has another form.
    """
    listing = Listing(notes=[NO_SPLITS])
    for part, (name, owner) in PARTS.items():
        table = tree.table(name)
        if table is None:
            listing.missing_tables.append(name)
            continue
        content = read_json(table)
        rows = content.get("data") if isinstance(content, dict) else content
        if not isinstance(rows, list):
            raise DataError(f"{table} has no list 'data'", "fetch it again")
        count = content.get("num_captions_per_audio", 1) if isinstance(content, dict) else 1
        columns = ["caption"] if count == 1 else [f"caption_{number + 1}" for number in range(count)]
        for number, row in enumerate(rows, 1):
            _add(listing, part, owner, columns, row if isinstance(row, dict) else {}, f"{table}, entry {number}")
    if not listing.entries:
        tables = ", ".join(name for name, _ in PARTS.values())
        raise DataError(f"{tree.roots[0]} holds none of {tables}, or nothing in them", "give --root WavCaps' folder")
    return listing


def _add(listing: Listing, part: str, owner: str, columns: list[str], row: dict[str, Any], where: str) -> None:
    stem = str(row.get("id", "")).removesuffix(".wav").removesuffix(".flac")
    captions = clean([str(row.get(column) or "") for column in columns])
    if not stem or not captions:
        listing.faults.append(Fault(f"{part}/{stem}", f"{where} has no id or no caption", "mend the entry"))
        return
    source = f"{owner}:{stem.removeprefix('Y') if owner == 'youtube' else stem}"
    listing.entries.append(Entry(f"{part}/{stem}", split_of(source), captions, (stem,), (part,), "", source, LICENCE))


WAVCAPS = Layout("wavcaps", "WavCaps: json_files/*/*_final.json and the unpacked .flac of its four parts", read)
