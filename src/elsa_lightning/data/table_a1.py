"""The paper's table A1, data summary: samples, hours and captions of each split, beside the paper's figures. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from elsa_lightning.data.manifest import SPLITS, ClipRecord

PAPER: dict[str, dict[str, tuple[float, str]]] = {
    "Spatial-AudioCaps": {"samples": (98459, "C"), "hours": (258.12, "U")},
    "Spatial-Clotho": {"samples": (8546, "C"), "hours": (55.0, "U")},
    "Spatial-Freesound": {"samples": (783033, "C"), "hours": (4425.53, "U")},
    "all three": {"samples": (890038, "P"), "hours": (4738.55, "P")},
}
"""What the paper says of its training splits, each figure with its standing: P printed, C consistent with a printed sum, U unconfirmed.
Captions per split and the sizes of validation and test are not known."""
NAMES = {"audiocaps": "Spatial-AudioCaps", "clotho": "Spatial-Clotho", "freesound": "Spatial-Freesound", "all": "all three"}
"""What `--paper` takes, and a corpus' name may hold → the paper's corpus."""
UNCONFIRMED = "U"
COLUMNS = ("split", "samples", "hours", "captions", "different", "plain", "spatial")


def sizes_of(records: Iterable[ClipRecord]) -> dict[str, Any]:
    """One split: a single pass, nothing kept but counts and hashes.

    Returns:
        clips; hours, of the clips whose duration is known; unknown_hours, the number of the others; captions, those without spatial
        words of their own (plain) and those with (spatial); different_captions of both; labels: clips of each.
    """
    counts, labels, different, seconds = Counter(), Counter(), set(), 0.0
    for record in records:
        counts["clips"] += 1
        counts["unknown_hours"] += not record.duration_s
        counts["plain"] += len(record.captions)
        counts["spatial"] += len(record.spatial_captions)
        seconds += record.duration_s
        labels[record.label] += 1
        different.update(map(hash, (*record.captions, *record.spatial_captions)))
    captions = {"captions": counts["plain"] + counts["spatial"], "different_captions": len(different)}
    kinds = {"plain_captions": counts["plain"], "spatial_captions": counts["spatial"]}
    hours = {"hours": round(seconds / 3600, 4), "unknown_hours": counts["unknown_hours"]}
    return {"clips": counts["clips"], **captions, **kinds, **hours, "labels": dict(sorted(labels.items()))}


def paper_name(corpus: str, asked: str | None) -> str:
    """The paper's corpus that a corpus is: the one asked for, else the one that its name holds; empty if it is none."""
    found = [name for key, name in NAMES.items() if key != "all" and key in corpus.lower()]
    return NAMES[asked] if asked else found[0] if len(found) == 1 else ""


def paper_figures(name: str) -> dict[str, Any] | None:
    """The paper's figures for JSON."""
    if not name:
        return None
    return {"corpus": name, "split": "train"} | {key: {"value": value, "standing": mark} for key, (value, mark) in PAPER[name].items()}


def table_text(splits: dict[str, dict[str, Any]], name: str) -> Iterator[str]:
    """The table's lines, the paper's figures last."""
    rows = [COLUMNS, *(_row(split, splits[split]) for split in SPLITS), _row("all", _sum(splits.values()))]
    if name:
        paper = {key: f"{value:,}{'†' if mark == UNCONFIRMED else ''}" for key, (value, mark) in PAPER[name].items()}
        rows.append(("paper: train", paper["samples"], paper["hours"], *"————"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    for row in rows:
        yield "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
    unknown = sum(split["unknown_hours"] for split in splits.values())
    if unknown:
        yield f"hours: {unknown} clips say no duration and are not counted"
    if name:
        yield f"paper: {name}, which holds at least two spatial versions of each clip; † unconfirmed, — not known"


def _row(split: str, sizes: dict[str, Any]) -> tuple[str, ...]:
    hours = "—" if sizes["unknown_hours"] == sizes["clips"] else f"{sizes['hours']:,.2f}"
    counts = [sizes[key] for key in ("captions", "different_captions", "plain_captions", "spatial_captions")]
    return split, f"{sizes['clips']:,}", hours, *("—" if count is None else f"{count:,}" for count in counts)


def _sum(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All splits together. Different captions do not add up, since splits may share some."""
    parts = list(parts)
    names = ("clips", "captions", "plain_captions", "spatial_captions", "hours", "unknown_hours")
    return {name: sum(part[name] for part in parts) for name in names} | {"different_captions": None}
