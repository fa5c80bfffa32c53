"""Zip archives in parts (NAME.z01, NAME.z02, …, NAME.zip), read as one: Python's zipfile does not read them.

The parts joined are the archive, except that each entry of the directory says where it begins by the number of its part and the place there
(APPNOTE.TXT of PKWARE, 4.4.11 and 4.4.16); those places are put right here.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_END = b"PK\5\6"
_LONGEST_END = 22 + 65535
_IS_UTF_8 = 1 << 11
_UNIX = 3


class Joined(io.RawIOBase):
    """Files read as one.

    Args:
        paths: in order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self.starts, self._files, self._at = [], [open(path, "rb") for path in paths], 0  # noqa: SIM115 - closed by close()
        self._end = 0
        for path in paths:
            self.starts.append(self._end)
            self._end += path.stat().st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence])
        return self._at

    def readinto(self, buffer) -> int:
        if self._at >= self._end:
            return 0
        number = max(i for i, start in enumerate(self.starts) if start <= self._at)
        file = self._files[number]
        file.seek(self._at - self.starts[number])
        got = file.readinto(memoryview(buffer))
        self._at += got
        return got

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def parts_of(archive: Path) -> list[Path]:
    """The parts of a zip, the .zip itself last: only this one where it is whole."""
    found = []
    while (part := archive.with_suffix(f".z{len(found) + 1:02}")).exists():
        found.append(part)
    return [*found, archive]


@contextlib.contextmanager
def open_zip(paths: Sequence[Path]) -> Iterator[zipfile.ZipFile]:
    """An archive in one part or several, for the length of the block.

    Raises:
        zipfile.BadZipFile: it is damaged, or a part is missing.
    """
    with Joined(paths) as joined, zipfile.ZipFile(io.BufferedReader(joined, 1 << 20)) as archive:
        added = archive.start_dir - _stated_place(joined) if len(paths) > 1 else 0  # zipfile's, taking the parts for one
        for info in archive.infolist():
            if info.volume >= len(paths):
                raise zipfile.BadZipFile(f"{info.filename} begins in part {info.volume + 1}, which is missing")
            info.header_offset += joined.starts[info.volume] - added
            info.filename = _unicode_name(info) or info.filename
            if len(paths) > 1 and hasattr(info, "_end_offset"):  # newer Pythons' guard against overlaps, reckoned from the wrong places
                info._end_offset = None
        yield archive


def _unicode_name(info: zipfile.ZipInfo) -> str:
    """The name, where Unix wrote it in UTF-8 without saying so and zipfile takes it for an old code page."""
    if not info.flag_bits & _IS_UTF_8 and info.create_system == _UNIX:
        with contextlib.suppress(UnicodeError):
            return info.orig_filename.encode("cp437").decode("utf-8")
    return ""


def _stated_place(joined: Joined) -> int:
    """Where the directory begins in its part, as the archive's end says."""
    joined.seek(-min(joined.seek(0, io.SEEK_END), _LONGEST_END), io.SEEK_END)
    tail = joined.readall()
    return struct.unpack_from("<L", tail, tail.rindex(_END) + 16)[0]
