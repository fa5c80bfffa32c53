"""Named arrays in one file, mapped when read: a small container that says itself whether it is whole. Imports no torch.

8 bytes MAGIC · 8 bytes length of the header · header (JSON: `about`, and of each array its name, type, place and count; checksum)
arrays, each at a multiple of 64 bytes
"""

from __future__ import annotations

import json
import os
import pathlib
import zlib
from typing import Any

import numpy as np

MAGIC = b"ELSAIDX1"
ALIGN = 64


def write_arrays(path: pathlib.Path, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a file, whole or not at all.

    Raises:
        OSError: no room, or not allowed.
    """
    places, offset, checksum = [], 0, 0
    for name, array in arrays.items():
        offset += -offset % ALIGN
        places.append([name, array.dtype.str, offset, len(array)])
        checksum = zlib.crc32(np.ascontiguousarray(array), checksum)
        offset += array.nbytes
    header = json.dumps({"about": about, "arrays": places, "size": offset, "checksum": checksum}).encode()
    header += b" " * (-(len(header) + 16) % ALIGN)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(MAGIC + len(header).to_bytes(8, "little") + header)
            start = file.tell()
            for (_, _, place, _), array in zip(places, arrays.values(), strict=True):
                file.write(b"\0" * (start + place - file.tell()))
                file.write(memoryview(np.ascontiguousarray(array)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_arrays(path: pathlib.Path, about: dict[str, Any], verify: bool = True) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The header's `about` and the arrays, mapped; None where the file is absent, damaged, or about something else.

    Args:
        path: the file.
        about: what its `about` must at least hold.
        verify: compare the checksum (which reads all of it).
    """
    try:
        with open(path, "rb") as file:
            if file.read(8) != MAGIC:
                return None
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        found, start = header["about"], 16 + length
        if any(found.get(key) != value for key, value in about.items()) or path.stat().st_size != start + header["size"]:
            return None
        mapped = np.asarray(np.memmap(path, np.uint8, "r"))
        arrays, checksum = {}, 0
        for name, dtype, offset, count in header["arrays"]:
            part = mapped[start + offset : start + offset + count * np.dtype(dtype).itemsize]
            checksum = zlib.crc32(part, checksum) if verify else header["checksum"]
            arrays[name] = part.view(dtype)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return None
    return (found, arrays) if checksum == header["checksum"] else None
