"""FSD50K (Fonseca et al. 2022; Zenodo record 4060432): FSD50K.ground_truth/dev.csv and eval.csv, FSD50K.dev_audio/ and FSD50K.eval_audio/.

Columns: fname (the Freesound id; the file is <fname>.wav, mono, 44.1 kHz), labels and mids (comma-separated), and in dev.csv split (train
or val). The labels are smeared: every ancestor of a class in the ontology stands beside it. Licences are in
FSD50K.metadata/{dev,eval}_clips_info_FSD50K.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing
from elsa_lightning.data.layouts.rules import LABELS_ONLY, captions_of
from elsa_lightning.data.layouts.tables import find_tables, read_json, read_rows
from elsa_lightning.data.layouts.tree import Tree

NAMED = 3
"""Classes that a caption names at most."""
SPLITS = {"train": "train", "val": "val", "eval": "test"}


def read(tree: Tree) -> Listing:
    """The clips. A clip's label is its first class that none of its others implies.

    Raises:
        DataError: no table is there, or one lacks a column.
    """
    listing = Listing(notes=[f"{LABELS_ONLY}; classes that others of the clip imply are not named, nor more than {NAMED}"])
    tables = find_tables(tree, listing, ("dev.csv", "eval.csv"), folders=("FSD50K.ground_truth",))
    rows = []
    for name, table in tables.items():
        part = name.removesuffix(".csv")
        licences = _licences(tree, listing, part)
        for where, row in read_rows(table, ("fname", "labels") + (("split",) if part == "dev" else ())):
            labels = [label.strip() for label in row["labels"].split(",") if label.strip()]
            split = SPLITS.get(row.get("split", "") if part == "dev" else "eval")
            if not (row["fname"] and labels and split):
                listing.faults.append(Fault(row["fname"], f"{where} has no fname, no label or no known split", "mend the row"))
                continue
            rows.append((row["fname"], split, labels, part, licences.get(row["fname"], "")))
    ancestors = _ancestors(labels for _, _, labels, _, _ in rows)
    for fname, split, labels, part, licence in rows:
        implied = set().union(*(ancestors[label] for label in labels))
        heard = [label for label in labels if label not in implied] or labels[:1]
        captions = captions_of([_words(label) for label in heard[:NAMED]])
        folders, label = (f"FSD50K.{part}_audio",), heard[0].replace("_", " ").lower()
        listing.entries.append(Entry(fname, split, captions, (fname,), folders, label, f"freesound:{fname}", licence))
    return listing


def _ancestors(rows: Iterable[list[str]]) -> dict[str, set[str]]:
    """Class → the classes that stand in every row where it stands, and in others too: smearing puts ancestors there."""
    count: Counter[str] = Counter()
    always: dict[str, set[str]] = {}
    for labels in rows:
        count.update(set(labels))
        for label in labels:
            always[label] = always[label] & set(labels) if label in always else set(labels)
    return {label: {other for other in others if count[other] > count[label]} for label, others in always.items()}


def _words(label: str) -> str:
    """Keyboard_(musical) → keyboard."""
    return label.partition("_(")[0].replace("_", " ").lower()


def _licences(tree: Tree, listing: Listing, part: str) -> dict[str, str]:
    name = f"{part}_clips_info_FSD50K.json"
    table = tree.table(name)
    if table is None:
        listing.missing_tables.append(name)
        return {}
    content = read_json(table)
    return {fname: facts.get("license", "") for fname, facts in content.items() if isinstance(facts, dict)}


FSD50K = Layout("fsd50k", "FSD50K: FSD50K.ground_truth/, FSD50K.dev_audio/, FSD50K.eval_audio/; captions from labels", read)
