"""ESC-50 (Piczak 2015): meta/esc50.csv and audio/, as `data.readers.esc50` reads it. src_file is the Freesound id."""

from __future__ import annotations

from pathlib import PurePosixPath

from elsa_lightning.data.layouts.listing import Entry, Layout, Listing
from elsa_lightning.data.layouts.tables import find_tables
from elsa_lightning.data.layouts.tree import Tree


def read(tree: Tree) -> Listing:
    """The clips with the reader's splits and captions.

    Raises:
        DataError: the table is missing, or a row of it is faulty.
    """
    from elsa_lightning.data.readers.esc50 import Esc50Corpus
    from elsa_lightning.schema import Esc50Config

    listing = Listing(notes=["fold 5 tests, a tenth of the other folds' sources validates; captions are written for each category"])
    table = find_tables(tree, listing, ("esc50.csv",), folders=("meta",))["esc50.csv"]
    corpus = Esc50Corpus(Esc50Config(root=str(table.parent.parent)))
    for split in ("train", "val", "test"):
        for clip in corpus.records(split):
            stem, source = PurePosixPath(clip.clip_id).stem, f"freesound:{clip.source}"
            listing.entries.append(Entry(clip.clip_id, split, tuple(clip.captions), (stem,), ("audio",), clip.label, source, clip.licence))
    return listing


ESC50 = Layout("esc50", "ESC-50 (or ESC-10): meta/esc50.csv, audio/", read)
