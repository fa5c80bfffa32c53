"""An append-only file of finished work, so that a kill at any moment costs only what was under way. Imports neither torch nor numpy."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from elsa_lightning.errors import RunError


class Journal:
    """Key → value, one JSON line each; of two lines with one key, the later counts.

    A half-written last line (its writer was killed) is cut off. Use as a context manager; while open, no other process can open it.

    Args:
        path: the file; made if absent.

    Raises:
        RunError: another process holds it, or it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b")  # noqa: SIM115 — closed by __exit__
        except OSError as error:
            raise RunError(f"{path} cannot be written ({error.strerror})", "choose another place for the output") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise RunError(f"{path} is in use by another process", "wait for it, or stop it: its work is kept") from None
        except OSError:  # a file system without locks
            pass
        self._known = self._read()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *fault: object) -> None:
        self._file.close()

    def get(self, key: list[Any]) -> Any | None:
        """The value noted for a key, or None."""
        return self._known.get(json.dumps(key))

    def add(self, key: list[Any], value: Any) -> None:
        """Note a value; it outlives this process from here on.

        Raises:
            RunError: the disk is full.
        """
        try:
            self._file.write(json.dumps([key, value]).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written ({error.strerror})", "make room and run this again: work so far is kept"
            ) from error
        self._known[json.dumps(key)] = value

    def _read(self) -> dict[str, Any]:
        self._file.seek(0)
        known, whole = {}, 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                key, value = json.loads(line)
            except ValueError:  # damaged otherwise: that work is done again
                continue
            known[json.dumps(key)] = value
        if whole < os.fstat(self._file.fileno()).st_size:
            os.ftruncate(self._file.fileno(), whole)
        return known
