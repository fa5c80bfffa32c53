"""Files that are either whole or absent: written beside their place, flushed to the disk, then renamed. Imports no torch."""

from __future__ import annotations

import contextlib
import errno
import glob
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsa_lightning.errors import RunError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers that mean: no room left, for this file, this user or anybody."""

NEARLY_FULL_GB = 0.001
"""Below this a disk counts as the reason of what could not even leave a message there."""


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn "no space", "read-only" and "not allowed" into one clear message that names the folder.

    Raises:
        RunError: such a fault happened inside the block.
    """
    try:
        yield
    except OSError as fault:
        if fault.errno in FULL:
            raise RunError(
                f"no space left on the disk of {path} ({free_gb(path):.2f} GB free)",
                "make room, or put runs elsewhere with --runs FOLDER; finished work is kept",
            ) from None
        if fault.errno in (errno.EEXIST, errno.ENOTDIR) and (file := _file_among(fault.filename)):
            raise RunError(
                f"{path} cannot be a folder: {file} is a file", "move it away, or choose another folder with --runs FOLDER"
            ) from None
        if fault.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunError(f"{path} cannot be written to: {fault.strerror}", "choose another folder with --runs FOLDER") from None
        raise


def _file_among(path: str | None) -> Path | None:
    """The path or that of its parents which is a file; None where none is."""
    return next((one for one in (Path(path), *Path(path).parents) if one.is_file()), None) if path else None


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """`write_bytes` of a text as UTF-8."""
    write_bytes(path, text.encode("utf-8"), durable)


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Replace a file by a whole new one; a kill at any moment leaves the old one or the new one.

    Args:
        path: the file.
        content: of the file.
        durable: wait until the disk has it (a crash of the machine then keeps it too).

    Raises:
        RunError: no disk space, or a folder that cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_faults(path.parent):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


def keep_damaged(path: Path, content: bytes) -> Path:
    """Leave the content of a damaged file beside it before it is replaced.

    Args:
        path: where to: with the suffix `.damaged`, and a number where earlier damage lies there.
        content: of the file.

    Returns:
        The new file.
    """
    places = (path.with_name(f"{path.name}.damaged{number}") for number in itertools.chain([""], itertools.count(2)))
    place = next(place for place in places if not place.exists())
    write_bytes(place, content)
    return place


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a crash, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """`write_text` of a value as indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", durable)


def read_json(path: Path) -> Any | None:
    """The file's value, or None where it is absent or not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def free_gb(path: Path) -> float:
    """Free space where a path lies or will lie, GB."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free / 1e9


def disk_space_check(path: Path, size: float, remedy: str = "make room, or put runs elsewhere with --runs FOLDER") -> None:
    """Refuse work whose result would not fit.

    Args:
        path: folder that will be written to.
        size: bytes that will be written.
        remedy: what the user can do about it.

    Raises:
        RunError: less than `size` bytes are free.
    """
    free = free_gb(path)
    if size / 1e9 > free:
        raise RunError(f"{size / 1e9:.2f} GB are needed in {path}, {free:.2f} GB are free", remedy)


def partial_folder(folder: Path) -> Path:
    """A new folder beside `folder`, to be filled and then renamed to it. Those that a killed process left there are removed first.

    Only for whoever holds the lock of what lies around `folder`: two processes would remove each other's.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}-*"):
        shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
