"""Files of an export: whole or absent, and faults of the disk in one message. Imports no torch."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from elsa_lightning.errors import RunError

TEMPORARY = ".tmp"
"""How files end that a killed process may leave behind."""


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Turn a fault of the disk into a message that names the place.

    Raises:
        RunError: the disk is full, or the place cannot be written to.
    """
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error.strerror})", "make room, or name another folder with --out: work so far is kept"
        ) from error


def write_whole(path: pathlib.Path, content: bytes) -> None:
    """Replace a file by a whole new one; a kill leaves the old one or the new one, and perhaps a `.….tmp` beside it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON as every file of an export has it."""
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
