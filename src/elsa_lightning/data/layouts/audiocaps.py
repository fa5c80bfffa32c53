"""AudioCaps 1.0 and 2.0 (Kim et al. 2019): train.csv, val.csv and test.csv with audiocap_id, youtube_id, start_time, caption.

Rows of one (youtube_id, start_time) are captions of one clip: five in validation and test, one or more in training (2.0). The repository
cdjkim/audiocaps holds 1.0 in dataset/ (49,838, 2,475 and 4,875 rows; its README counts the two headers) and 2.0 in dataset2.0/ (91,256,
2,475 and 4,875 rows); aac-datasets uses csv_files_v1/ and csv_files_v2/. The audio is YouTube's; names of its files by downloader:

    <youtube_id>_<start>           aac-datasets (.flac)
    <youtube_id>_<ms>_<ms>         xieh97/audiocaps-dl: start and end, ten seconds later, in milliseconds
    <youtube_id>, Y<youtube_id>    LAION's and WavCaps' preprocessing
    <audiocap_id>                  audiocaps-download: a file for each caption, of which one is taken

Not covered: names of xieh97/audiocaps-dl for clips at a video's end, where it shortens the end time.
"""

from __future__ import annotations

from collections import defaultdict

from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing, clean
from elsa_lightning.data.layouts.tables import find_tables, read_rows
from elsa_lightning.data.layouts.tree import Tree

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
TABLES = {"train": "train.csv", "val": "val.csv", "test": "test.csv"}
AUDIO = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
VERSIONS = {1: ("dataset", "csv_files_v1"), 2: ("dataset2.0", "csv_files_v2")}
LENGTH_S = 10
LICENCE = "AudioCaps captions: academic use only; audio: as its YouTube video"


def read(tree: Tree, version: int) -> Listing:
    """The clips of AudioCaps.

    Args:
        tree: index of the folder.
        version: 1 or 2; the other version's tables are never taken where they lie in its folder.

    Raises:
        DataError: no table is there, or one lacks a column.
    """
    listing = Listing()
    tables = find_tables(tree, listing, tuple(TABLES.values()), folders=VERSIONS[version], never=VERSIONS[3 - version])
    clips: dict[tuple[str, str, int], tuple[list[str], list[str]]] = {}
    starts = defaultdict(set)
    for split, table in TABLES.items():
        for where, row in read_rows(tables[table], COLUMNS) if table in tables else ():
            captions = clean([row["caption"]])
            if not (row["audiocap_id"] and row["youtube_id"] and row["start_time"].isdigit() and captions):
                fault = Fault(row["audiocap_id"], f"{where}: a value is missing, or start_time is no whole number", "mend the row")
                listing.faults.append(fault)
                continue
            starts[row["youtube_id"]].add(int(row["start_time"]))
            texts, ids = clips.setdefault((split, row["youtube_id"], int(row["start_time"])), ([], []))
            texts += captions
            ids.append(row["audiocap_id"])
    for (split, video, start), (texts, ids) in clips.items():
        names = [f"{video}_{start}", f"{video}_{1000 * start}_{1000 * (start + LENGTH_S)}"]
        if len(starts[video]) == 1:  # else the name would not say which clip it is
            names += [video, f"Y{video}"]
        entry = Entry(f"{video}_{start}", split, tuple(texts), (*names, *ids), AUDIO[split], "", f"youtube:{video}", LICENCE)
        listing.entries.append(entry)
    return listing


AUDIOCAPS = Layout("audiocaps", "AudioCaps 1.0: train/val/test.csv, audio by any common downloader", lambda tree: read(tree, 1))
AUDIOCAPS2 = Layout("audiocaps2", "AudioCaps 2.0: the same tables, more training clips", lambda tree: read(tree, 2))
