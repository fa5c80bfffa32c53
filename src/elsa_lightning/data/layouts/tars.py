"""Webdataset tars → folders: audio is read from files. An extraction that is stopped goes on where it was. Imports no torch."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from elsa_lightning.data.layouts.tree import AUDIO, identity_of
from elsa_lightning.errors import DataError, RunError

BEGUN, DONE = ".extracting.json", ".extracted.json"
"""In a tar's folder from the start, and once all of it is there; they hold the tar's size and time."""


def find_tars(root: Path) -> list[Path]:
    """All tars below a folder, sorted. Links to folders are followed; no folder is entered twice."""
    found, passed = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        identity = identity_of(folder)
        if identity in passed:
            folders.clear()
            continue
        passed.add(identity)
        found += [Path(folder, name) for name in files if name.endswith(".tar") and not name.startswith(".")]
    return sorted(found)


def extract(tar: Path, folder: Path) -> None:
    """Extract a tar's audio and .json files into a folder, without the folders that they have within the tar.

    Args:
        tar: of pairs N.flac and N.json.
        folder: to fill; what an earlier call got out of the same tar is kept.

    Raises:
        DataError: the tar is damaged, or holds two files of one name; whatever could be read is in the folder.
        RunError: the folder cannot be written to.
    """
    status = tar.stat()
    stamp = json.dumps([status.st_size, status.st_mtime_ns])
    begun, done = folder / BEGUN, folder / DONE
    if done.is_file() and done.read_text(encoding="utf-8") == stamp:
        return
    seen: set[str] = set()
    try:
        if begun.is_file() and begun.read_text(encoding="utf-8") != stamp:
            shutil.rmtree(folder)  # of another tar: what was packed anew need not differ in size
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / (BEGUN + ".part"), begun, stamp)
        with tarfile.open(tar) as members:
            for member in members:
                name = PurePosixPath(member.name).name
                if not member.isfile() or os.path.splitext(name)[1].lower() not in (*AUDIO, ".json"):
                    continue
                if name in seen:
                    raise DataError(f"{tar} holds two files called {name}", "pack it again with different names")
                seen.add(name)
                if not (folder / name).is_file() or (folder / name).stat().st_size != member.size:
                    _write(members, member, folder / name)
        if not seen:
            raise DataError(f"{tar} holds no audio", "download it again")
        _replace(folder / (DONE + ".part"), done, stamp)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{tar} is damaged ({error})", "download it again; run this again") from error
    except OSError as error:
        raise RunError(
            f"{folder} cannot be filled from {tar} ({error.strerror or error})", "make room, or choose another folder"
        ) from error


def extract_task(task: tuple[str, str]) -> list[str]:
    """`extract` of (tar, folder) with its fault as a value: message and remedy, or nothing. For worker processes.

    Raises:
        RunError: the folder cannot be written to.
    """
    try:
        extract(Path(task[0]), Path(task[1]))
    except DataError as fault:
        return [fault.message, fault.remedy]
    return []


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = members.extractfile(member)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            shutil.copyfileobj(content, file)  # raises ReadError where the tar ends within the file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path, text: str) -> None:
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
