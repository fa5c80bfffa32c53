"""UrbanSound8K (Salamon et al. 2014): metadata/UrbanSound8K.csv and audio/fold1/ to audio/fold10/.

Columns: slice_file_name, fsID (the Freesound id), start, end, salience, fold, classID, class. Slices of one recording lie in one fold.
Rate, depth and channels are those of the uploaded recording, so that many files are stereo: they need mixing down.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing
from elsa_lightning.data.layouts.rules import LABELS_ONLY, captions_of
from elsa_lightning.data.layouts.tables import find_tables, read_rows
from elsa_lightning.data.layouts.tree import Tree

TABLE = "UrbanSound8K.csv"
SPLITS = {"9": "val", "10": "test"}
LICENCE = "CC BY-NC 3.0"


def read(tree: Tree) -> Listing:
    """The slices: folds 1 to 8 train, fold 9 validates, fold 10 tests (the corpus itself is meant for cross-validation).

    Raises:
        DataError: the table is missing or lacks a column.
    """
    listing = Listing(notes=["folds 1 to 8 train, fold 9 validates, fold 10 tests", LABELS_ONLY])
    table = find_tables(tree, listing, (TABLE,), folders=("metadata",))[TABLE]
    for where, row in read_rows(table, ("slice_file_name", "fsID", "fold", "class")):
        name, source, fold, label = (row[column] for column in ("slice_file_name", "fsID", "fold", "class"))
        if not (name and source and label and fold.isdigit()):
            listing.faults.append(Fault(name, f"{where} lacks a value, or its fold is no number", "mend the row"))
            continue
        words = label.replace("_", " ")
        stem = PurePosixPath(name).stem
        split = SPLITS.get(fold, "train")
        listing.entries.append(Entry(name, split, captions_of([words]), (stem,), (f"fold{fold}",), words, f"freesound:{source}", LICENCE))
    return listing


URBANSOUND8K = Layout("urbansound8k", "UrbanSound8K: metadata/UrbanSound8K.csv, audio/fold1…10/; captions from labels", read)
