"""The lines of an export: in the shards' journals while it grows, in manifest.jsonl when it is whole. Imports no torch."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from elsa_lightning.data.export.writing import TEMPORARY, json_text, write_whole
from elsa_lightning.errors import DataError

MANIFEST, PARTS, TASKS = "manifest.jsonl", "parts", "rewrite-tasks.jsonl"


def known_lines(out: pathlib.Path, counts: dict[str, int]) -> dict[int, dict[str, Any]]:
    """Number → line of all items that any shard has finished. Another shard may be writing: its half line is not one yet."""
    before, starts = 0, {}
    for split, count in counts.items():
        starts[split], before = before, before + count
    found: dict[int, dict[str, Any]] = {}
    for path in [out / MANIFEST, *sorted((out / PARTS).glob("*.jsonl"))]:
        for entry in _entries(path):
            line = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry  # a journal's entry is [key, value]
            if isinstance(line, dict) and line.get("split") in starts and isinstance(line.get("item"), int):
                found[starts[line["split"]] + line["item"]] = line
    return found


def _entries(path: pathlib.Path) -> Iterator[Any]:
    """What a JSONL file holds that may be growing, or not be there."""
    try:
        with open(path, "rb") as file:
            for text in file:
                try:
                    yield json.loads(text)
                except ValueError:  # half written, or damaged: that item is rendered again
                    continue
    except FileNotFoundError:
        return


def whole(out: pathlib.Path, line: dict[str, Any] | None) -> bool:
    """Whether an item's line is there, and its file with the size that the line tells."""
    try:
        return line is not None and os.stat(out / line["audio"]).st_size == line["bytes"]
    except OSError:
        return False


def join(out: pathlib.Path, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Write manifest.jsonl from all shards' lines: the same bytes whatever the shards were.

    Args:
        out: folder of the export.
        counts: split → items.

    Returns:
        the lines, in order.

    Raises:
        DataError: items are missing.
        RunError: the disk is full or cannot be written to.
    """
    found = known_lines(out, counts)
    total = sum(counts.values())
    missing = [number for number in range(total) if not whole(out, found.get(number))]
    if missing:
        parts = ", ".join(sorted(path.stem for path in (out / PARTS).glob("*.jsonl"))[:8]) or "none"
        raise DataError(
            f"{out}: {len(missing)} of {total} items are not rendered yet, the first is number {missing[0]} (shards begun: {parts})",
            "run the shards that are missing, or render without --shard: that does all that is left",
        )
    lines = [found[number] for number in range(total)]
    write_whole(out / MANIFEST, "".join(json_text(line) + "\n" for line in lines).encode())
    return lines


def tidy(out: pathlib.Path) -> None:
    """Remove the journals, and what killed processes left half-written."""
    for path in sorted((out / PARTS).glob("*.jsonl")):
        path.unlink()
    if (out / PARTS).is_dir():
        (out / PARTS).rmdir()
    for folder, _, names in os.walk(out):
        for name in names:
            if name.startswith(".") and name.endswith(TEMPORARY):
                os.unlink(os.path.join(folder, name))


def rewrite_tasks(lines: list[dict[str, Any]], per_clip: int) -> Iterator[dict[str, Any]]:
    """Lines for `elsa data rewrite`: each different caption of each item that has words to say; the templates are the spatial captions.

    Args:
        lines: of the manifest.
        per_clip: `captions.per_clip`; spatial caption i says caption i, around and around.
    """
    for line in lines:
        if line["words"]:
            for number, caption in enumerate(line["captions"][:per_clip]):
                template = line["spatial_captions"][number]
                yield {"id": f"{line['clip_id']}#{number}", "caption": caption, "words": line["words"], "template": template}


def write_tasks(out: pathlib.Path, lines: list[dict[str, Any]], per_clip: int) -> int:
    """Write rewrite-tasks.jsonl.

    Returns:
        how many there are.
    """
    tasks = [json_text(task) + "\n" for task in rewrite_tasks(lines, per_clip)]
    write_whole(out / TASKS, "".join(tasks).encode())
    return len(tasks)
