"""Archives into files: zip in one part or several, tar, 7z. Nothing is ever written outside the folder.

Every name is looked at before the first file is written. A file appears whole or not at all; those of a zip that are there already are
compared by their CRC and left, so that a killed unpacking goes on.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from elsa_lightning.atomic import disk_space_check
from elsa_lightning.data.download.fetch import disk
from elsa_lightning.data.download.split_zip import open_zip, parts_of
from elsa_lightning.errors import DataError

BLOCK = 1 << 20
KINDS = (".zip", ".tar", ".tar.gz", ".tgz", ".7z")
"""Ends of the names of archives."""

SEVEN_ZIP_REMEDY = "pip install 'elsa-lightning[archives]' and run this again, or unpack it by hand (7z x FILE): the download is kept"
AGAIN = "delete it and run this again: it is fetched anew"

Progress = Callable[[int, int], None]
"""Called with the bytes written, and how many there are."""


def is_archive(path: str) -> bool:
    """Whether a file is one to unpack (further parts of a zip are not)."""
    return path.endswith(KINDS)


def unpack(archive: Path, folder: Path, progress: Progress = lambda done, total: None) -> list[tuple[str, int]]:
    """Unpack an archive.

    Args:
        archive: the file; of a zip in parts the .zip, the others beside it.
        folder: where to.
        progress: told after each file.

    Returns:
        Path below the folder, with `/`, and bytes of every file of the archive.

    Raises:
        DataError: it is damaged, a name in it leads out of the folder, or its kind cannot be read here.
        RunError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.suffix == ".7z":
            return _seven_zip(archive, folder, progress)
        return (_zip if archive.suffix == ".zip" else _tar)(archive, folder, progress)
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as fault:
        raise DataError(f"{archive} is damaged ({fault})", AGAIN) from fault


def safe(folder: Path, name: str, archive: Path) -> Path:
    """Where a name of an archive goes.

    Raises:
        DataError: it is absolute, climbs, or goes through a link that leads out of the folder.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    target = folder.joinpath(*pure.parts)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name or not pure.parts or not _below(target.parent, folder):
        raise DataError(f"{archive} holds {name!r}, which leads out of {folder}", "nothing was unpacked: do not trust this archive")
    return target


def _below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _zip(archive: Path, folder: Path, progress: Progress) -> list[tuple[str, int]]:
    with open_zip(parts_of(archive)) as opened:
        members = [info for info in opened.infolist() if not info.is_dir()]
        for info in members:
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{archive} holds {info.filename!r}, a link", "nothing was unpacked: do not trust this archive")
        targets = [safe(folder, info.filename, archive) for info in members]
        total = sum(info.file_size for info in members)
        disk_space_check(folder, total - _there(zip(targets, (info.file_size for info in members), strict=True)), "make room")
        done = 0
        for info, target in zip(members, targets, strict=True):
            if not (target.is_file() and target.stat().st_size == info.file_size and _crc(target) == info.CRC):
                with opened.open(info) as stream:
                    _write(stream, target)
            done += info.file_size
            progress(done, total)
    return [(target.relative_to(folder).as_posix(), info.file_size) for info, target in zip(members, targets, strict=True)]


def _tar(archive: Path, folder: Path, progress: Progress) -> list[tuple[str, int]]:
    with tarfile.open(archive) as opened:
        members = [info for info in opened if not info.isdir()]
        while opened.fileobj.read(BLOCK):  # to the end, where gzip keeps its checksum
            pass
        for info in members:
            if not info.isfile():
                raise DataError(f"{archive} holds {info.name!r}, which is no plain file", "nothing was unpacked: do not trust this archive")
        targets = [safe(folder, info.name, archive) for info in members]
        total = sum(info.size for info in members)
        disk_space_check(folder, total - _there(zip(targets, (info.size for info in members), strict=True)), "make room")
        done = 0
        for info, target in zip(members, targets, strict=True):
            _write(opened.extractfile(info), target)
            done += info.size
            progress(done, total)
    return [(target.relative_to(folder).as_posix(), info.size) for info, target in zip(members, targets, strict=True)]


def _seven_zip(archive: Path, folder: Path, progress: Progress) -> list[tuple[str, int]]:
    try:
        import py7zr
    except ImportError as error:
        raise DataError(f"{archive}: unpacking 7z needs py7zr, which is not installed", SEVEN_ZIP_REMEDY) from error
    aside = folder / f".{archive.name}.unpacking"  # py7zr writes whole folders: they are moved into place afterwards
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with py7zr.SevenZipFile(archive) as opened:
            entries = opened.list()
            targets = {info.filename: safe(folder, info.filename, archive) for info in entries if not info.is_directory}
            total = sum(info.uncompressed for info in entries)
            disk_space_check(folder, total, "make room")
            with disk(folder):
                opened.extractall(aside)
    except (py7zr.exceptions.ArchiveError, py7zr.exceptions.DecompressionError, ValueError) as fault:
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(f"{archive} is damaged ({fault or type(fault).__name__})", AGAIN) from fault
    found = []
    for name, target in targets.items():
        came = aside / name
        if came.is_symlink() or not came.is_file() or not _below(came, aside):
            raise DataError(f"{archive} holds {name!r}, which is no plain file", "do not trust this archive")
        found.append((target.relative_to(folder).as_posix(), came.stat().st_size))
    for name, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside / name, target)
    shutil.rmtree(aside)
    progress(total, total)
    return found


def _there(files: Iterable[tuple[Path, int]]) -> int:
    """Bytes of the files that are there already in their full size."""
    return sum(size for path, size in files if path.is_file() and path.stat().st_size == size)


def _crc(path: Path) -> int:
    value = 0
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK):
            value = zlib.crc32(block, value)
    return value


def _write(stream: IO[bytes], target: Path) -> None:
    temporary = target.with_name(f".{target.name[:200]}.part")
    try:
        with disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as out:
                shutil.copyfileobj(stream, out, BLOCK)
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
