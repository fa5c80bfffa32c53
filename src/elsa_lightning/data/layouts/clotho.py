"""Clotho 2.1 (Drossos et al. 2020; Zenodo record 4783391): clotho_captions_<split>.csv and clotho_metadata_<split>.csv.

Columns: file_name, caption_1 to caption_5; file_name, keywords, sound_id, sound_link, start_end_samples, manufacturer, license. The
metadata is in ISO 8859-1; sound_id is the Freesound id, or "Not found". The archives unpack to development/, validation/ and evaluation/.
Two further splits, test (a challenge's) and analysis, have no captions and are of no use here.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing, clean
from elsa_lightning.data.layouts.tables import find_tables, read_rows
from elsa_lightning.data.layouts.tree import Tree

SPLITS = {"development": "train", "validation": "val", "evaluation": "test"}
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def read(tree: Tree) -> Listing:
    """The clips of Clotho's three captioned splits.

    Raises:
        DataError: no table is there, or one lacks a column.
    """
    listing = Listing(notes=["development trains, evaluation tests; the splits test and analysis have no captions"])
    tables = find_tables(tree, listing, [f"clotho_captions_{name}.csv" for name in SPLITS])
    for name, split in SPLITS.items():
        table = tables.get(f"clotho_captions_{name}.csv")
        facts = _metadata(tree, listing, name) if table is not None else {}
        for where, row in read_rows(table, ("file_name", *CAPTIONS)) if table is not None else ():
            file = row["file_name"]
            captions = clean([row[column] for column in CAPTIONS])
            if not file or not captions:
                listing.faults.append(Fault(f"{name}/{file}", f"{where} has no file_name or no caption", "mend the row"))
                continue
            source, licence = facts.get(file, ("", ""))
            stem = PurePosixPath(file).stem
            names = (stem, stem.strip()) if stem != stem.strip() else (stem,)  # some unpackers drop the blanks around a name
            folders = (name, f"clotho_audio_{name}")
            listing.entries.append(Entry(f"{name}/{file}", split, captions, names, folders, "", source, licence))
    return listing


def _metadata(tree: Tree, listing: Listing, name: str) -> dict[str, tuple[str, str]]:
    """File name → (source, licence)."""
    table = tree.table(f"clotho_metadata_{name}.csv")
    if table is None:
        listing.missing_tables.append(f"clotho_metadata_{name}.csv")
        return {}
    found = {}
    for _, row in read_rows(table, ("file_name", "sound_id", "license")):
        found[row["file_name"]] = (f"freesound:{row['sound_id']}" if row["sound_id"].isdigit() else "", row["license"])
    return found


CLOTHO = Layout("clotho", "Clotho 2.1: clotho_captions_*.csv, clotho_metadata_*.csv, development/ validation/ evaluation/", read)
