"""What Zenodo says about a record's files, for those of which this program's table lacks size or checksum."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from elsa_lightning.data.download.fetch import Line, Refused, read_url
from elsa_lightning.data.download.types import RemoteFile, mirrored
from elsa_lightning.errors import DataError

API = "https://zenodo.org/api/records/{record}"


def completed(files: Sequence[RemoteFile], record: int, line: Line, mirror: str = "") -> tuple[list[RemoteFile], list[str]]:
    """The files with what the record says about those that lack size or checksum, and notes for people.

    Args:
        files: of one record.
        record: its number.
        line: how to deal with the server.
        mirror: another server.

    Raises:
        RunError: the server does not answer at all.
        DataError: its answer cannot be understood, or contradicts the table.
    """
    lacking = [file.path for file in files if file.size is None or not file.checksum]
    if not lacking:
        return list(files), []
    url = mirrored(API.format(record=record), mirror)
    try:
        answer = read_url(url, line)
    except Refused as fault:
        return list(files), [f"of {len(lacking)} files size or checksum stay unknown: {fault.message}"]
    said = _files(answer, url)
    return [_with(file, said.get(file.path.rpartition("/")[2]), url) for file in files], []


def _files(answer: bytes, url: str) -> dict[str, tuple[int, str]]:
    try:
        files = json.loads(answer)["files"]
        entries = files if isinstance(files, list) else list(files["entries"].values())
        return {entry["key"]: (int(entry["size"]), str(entry["checksum"])) for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise DataError(
            f"{url} does not answer as expected ({type(fault).__name__}: {fault})", "has Zenodo changed its interface?"
        ) from fault


def _with(file: RemoteFile, said: tuple[int, str] | None, url: str) -> RemoteFile:
    if said is None:
        return file
    size, checksum = said
    if file.size not in (None, size) or file.checksum not in ("", checksum):
        known = f"{file.size} bytes, {file.checksum}"
        raise DataError(f"{url}: {file.path} has {size} bytes, {checksum}; known are {known}", "the record has changed: look at its page")
    return replace(file, size=size, checksum=checksum)
