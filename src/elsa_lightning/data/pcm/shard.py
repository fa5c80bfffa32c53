"""One shard of a PCM cache: what a worker process makes, whole or not at all."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import disk_faults, read_json, write_json
from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.data.clips import strip_silence
from elsa_lightning.data.pcm.layout import ALIGN, SHARDS, Recipe, content_hash, encode
from elsa_lightning.errors import DataError

REMEDY = "make room, or make the cache elsewhere (--out): whole shards are kept"
PART = ".part"
"""Ending of a file that is being written."""
STATE = ("size", "mtime_ns")


@dataclass(frozen=True)
class Task:
    """A shard to make.

    Args:
        folder: of the cache.
        number: of the shard.
        root: of the corpus.
        names: of its files, sorted, relative to the corpus.
        recipe: how.
    """

    folder: Path
    number: int
    root: Path
    names: tuple[str, ...]
    recipe: Recipe

    def path(self, suffix: str) -> Path:
        """The shard's file with this suffix."""
        return self.folder / SHARDS / f"{self.number:05d}.{suffix}"

    def __str__(self) -> str:
        return f"shard {self.number:05d}"


def made(task: Task) -> dict[str, Any] | None:
    """What the shard's json says, if the shard is there and none of its files has changed; else None.

    A file of another time or size is read again: its content decides.
    """
    known = read_json(task.path("json"))
    try:
        if known["recipe"] != task.recipe.to_dict() or set(known["sounds"]) | set(known["faults"]) != set(task.names):
            return None
        if task.path("pcm").stat().st_size != known["bytes"]:
            return None
        files = known["sounds"] | known["faults"]
        if all(_state(task.root / name) == {key: file[key] for key in STATE} for name, file in files.items()):
            return known
    except (OSError, KeyError, TypeError, ValueError):
        pass
    return None


def _state(path: Path) -> dict[str, int]:
    """What tells without reading a file that it may have changed; a file that is not there has a state too."""
    try:
        status = path.stat()
    except OSError:
        return dict.fromkeys(STATE, -1)
    return dict(zip(STATE, (status.st_size, status.st_mtime_ns), strict=True))


def make(task: Task) -> None:
    """Make a shard; its json is written last and says: bytes, sounds by name, faults by name.

    Raises:
        RunError: the disk is full or cannot be written to.
    """
    task.path("json").unlink(missing_ok=True)  # from here on the samples are not what it said
    sounds: dict[str, dict[str, Any]] = {}
    faults: dict[str, dict[str, Any]] = {}
    partial = task.path(f"{os.getpid()}{PART}")  # the worker of a killed call may live for a moment longer
    with disk_faults(task.folder), open(partial, "wb") as file:
        for name in task.names:
            try:
                sounds[name] = _append(file, task.root / name, task.recipe)
            except DataError as fault:
                faults[name] = {"fault": [fault.message, fault.remedy], **_state(task.root / name)}
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
        os.replace(partial, task.path("pcm"))
    write_json(task.path("json"), {"recipe": task.recipe.to_dict(), "bytes": size, "sounds": sounds, "faults": faults})


def _append(file: Any, path: Path, recipe: Recipe) -> dict[str, Any]:
    """Write one sound; returns where it lies and what it was made from."""
    state = _state(path)
    sound = strip_silence(read_audio(path, recipe.rate), recipe.strip_db)
    stored, scale = encode(sound, recipe.precision)
    file.write(b"\0" * (-file.tell() % ALIGN))
    offset = file.tell()
    file.write(memoryview(stored))
    return {
        "offset": offset,
        "samples": len(stored),
        "scale": scale,
        "crc": zlib.crc32(stored),
        "content": content_hash(path),
        **state,
    }
