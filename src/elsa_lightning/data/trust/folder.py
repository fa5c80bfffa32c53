"""What lies beside the files of a table: renamed ones, copies, leftovers."""

from __future__ import annotations

import filecmp
import os
import pathlib
from collections.abc import Iterable
from dataclasses import replace

from elsa_lightning.data.trust.faults import Fault
from elsa_lightning.errors import DataError

AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64", ".m4a"))
"""Of files that count as audio beside the table's."""
ENDS = 4096
"""Bytes at each end by which files of one size are told apart before they are compared whole."""


def beside(root: pathlib.Path, names: Iterable[str]) -> list[Fault]:
    """Audio files that no clip names, and which of them are copies of files that one does.

    Looks into the folders that the table's files lie in, not into those below them.

    Args:
        root: folder of the corpus.
        names: the table's files, relative to it.

    Raises:
        DataError: a folder or file there cannot be read.
    """
    known = {root / name: name for name in names}
    try:
        folders = sorted(folder for folder in {path.parent for path in known} if folder.is_dir())
        extra = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in AUDIO_SUFFIXES]
        extra = [path for path in extra if path not in known and path.is_file()]
        faults = [Fault("unlisted", _name(root, path), "", "named by no clip") for path in extra]
        sizes = {path.stat().st_size for path in extra} - {0}
        alike: dict[bytes, list[pathlib.Path]] = {}
        for path in known if sizes else ():
            if path.is_file() and path.stat().st_size in sizes:
                alike.setdefault(_ends(path), []).append(path)
        for path in extra:
            same = next((other for other in alike.get(_ends(path), ()) if filecmp.cmp(path, other, shallow=False)), None)
            if same:
                faults.append(Fault("duplicate", _name(root, path), "", f"same bytes as {known[same]}; named by no clip"))
    except OSError as error:
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror})", "check its permissions") from error
    return faults


def hinted(faults: list[Fault]) -> list[Fault]:
    """The faults; a missing file that is there with another suffix or in other case has that name in its detail."""
    stems = {_stem(fault.name): fault.name for fault in faults if fault.kind == "unlisted"}
    return [
        replace(fault, detail=f"{fault.detail}, but {other} does")
        if fault.kind == "missing" and (other := stems.get(_stem(fault.name)))
        else fault
        for fault in faults
    ]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].casefold()


def _name(root: pathlib.Path, path: pathlib.Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _ends(path: pathlib.Path) -> bytes:
    with open(path, "rb") as file:
        head = file.read(ENDS)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - ENDS))
        return size.to_bytes(8, "big") + head + file.read(ENDS)
