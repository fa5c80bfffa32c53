"""An export as webdataset's tars: `<split>-000000.tar` with an audio file and its line (`.json`) per item; the same bytes each time.

Needs the extra `shards` (webdataset). Imports no torch.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any

from elsa_lightning.atomic import disk_space_check, read_json
from elsa_lightning.data.export.writing import TEMPORARY, json_text, write_whole, writing
from elsa_lightning.data.parallel import each
from elsa_lightning.errors import ConfigError

FOLDER, INDEX = "webdataset", "shards.json"
BLOCK = 512
"""A tar's members are padded to so many bytes, and begin with a header of as many."""


def write_tars(
    out: pathlib.Path,
    lines: list[dict[str, Any]],
    per_tar: int,
    workers: int,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> int:
    """Pack a whole export. Tars that are there are left alone: they appear complete or not at all.

    Args:
        out: folder of the export.
        lines: of its manifest.
        per_tar: items in each tar but the last of a split.
        workers: processes; 0: this one.
        progress: told of progress.

    Returns:
        how many tars there are.

    Raises:
        ConfigError: webdataset is not installed, or the folder holds tars of another size.
        RunError: the disk is full or cannot be written to.
    """
    check_installed()
    folder = out / FOLDER
    wanted = {"per_tar": per_tar, "tars": _plan(lines, per_tar)}
    there = read_json(folder / INDEX)
    if there is not None and there != wanted:
        raise ConfigError(f"{folder} holds tars of {there.get('per_tar')} items, not {per_tar}", f"delete {folder}, or keep that --per-tar")
    write_whole(folder / INDEX, (json_text(wanted, indent=1) + "\n").encode())
    tasks, start = [], 0
    for name, count in wanted["tars"].items():
        if not (folder / name).exists():
            tasks.append((name, lines[start : start + count]))
        start += count
    size = sum(4 * BLOCK + line["bytes"] + len(json_text(line).encode()) for _, part in tasks for line in part)
    disk_space_check(folder, size, "make room, or leave --webdataset out")
    done = len(wanted["tars"]) - len(tasks)
    for _ in each(functools.partial(pack, out), tasks, workers, chunk=1, few=1):
        done += 1
        progress("packing tars", done, len(wanted["tars"]))
    return len(wanted["tars"])


def check_installed() -> None:
    """Refuse tars where webdataset is not installed.

    Raises:
        ConfigError: it is not.
    """
    try:
        import webdataset  # noqa: F401
    except ImportError as error:
        raise ConfigError("--webdataset needs the package webdataset", "pip install 'elsa-lightning[shards]'") from error


def _plan(lines: list[dict[str, Any]], per_tar: int) -> dict[str, int]:
    """Name → items of each tar, in the order of the lines; splits do not share tars."""
    sizes: dict[str, int] = {}
    for line in lines:
        sizes[line["split"]] = sizes.get(line["split"], 0) + 1
    return {
        f"{split}-{number:06d}.tar": min(per_tar, size - number * per_tar)
        for split, size in sizes.items()
        for number in range(-(-size // per_tar))
    }


def pack(out: pathlib.Path, task: tuple[str, list[dict[str, Any]]]) -> None:
    """Write one tar: name, and its lines."""
    from webdataset import TarWriter

    name, lines = task
    path = out / FOLDER / name
    temporary = path.with_name(f".{name}.{os.getpid()}{TEMPORARY}")
    with writing(path):
        try:
            with open(temporary, "wb") as file, TarWriter(file, user="", group="", mtime=0, encoder=False) as tar:
                for line in lines:
                    audio = out / line["audio"]
                    sample = {"__key__": f"{line['split']}-{line['item']:08d}", audio.suffix[1:]: audio.read_bytes()}
                    tar.write(sample | {"json": json_text(line).encode()})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
