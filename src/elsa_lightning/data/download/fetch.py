"""One file over HTTP: resumed after a cut or a kill, tried again with growing pauses, checked, and in place only when whole.

    NAME.part        what has come so far; later calls ask for the rest (Range)
    NAME.part.tag    the server's mark of that version (ETag or Last-Modified): another version is begun anew (If-Range)
    NAME.bad         came whole, but is not what was expected

Of the libraries at hand none does all of it (pooch does not resume), so this is urllib.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from elsa_lightning.data.download.types import RemoteFile
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.version import __version__

CHUNK = 1 << 18
"""Bytes read at once, and lost at most by a kill."""

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may be others later."""

NETWORK = "is the network there? behind a proxy set https_proxy; --mirror takes another server; what has come is kept"


@dataclass(frozen=True)
class Line:
    """How to deal with a server.

    Args:
        timeout_s: of silence, seconds.
        tries: without a new byte in between, before a file is given up.
        pause_s: after the first failure, seconds; doubled with each further one.
        longest_s: of a pause.
        sleep: waits so many seconds; None: until `stop` is set at most.
        stop: when set, transfers end.
    """

    timeout_s: float = 60.0
    tries: int = 6
    pause_s: float = 1.0
    longest_s: float = 120.0
    sleep: Callable[[float], object] | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def pause(self, failures: int, asked_s: float = 0.0) -> None:
        """Wait after so many failures, at least as long as the server asks.

        Raises:
            Stopped: `stop` was set.
        """
        (self.sleep or self.stop.wait)(min(self.longest_s, max(asked_s, self.pause_s * 2 ** (failures - 1))))
        if self.stop.is_set():
            raise Stopped


class Stopped(Exception):
    """The line was told to stop; what has come is kept."""


class Refused(RunError):
    """The server answers that it does not give the file."""


class _Passing(Exception):
    """A failure that another try may not meet.

    Args:
        text: what happened.
        wait_s: what the server asks to wait, seconds.
    """

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


def fetch(file: RemoteFile, target: Path, line: Line, came: Callable[[int], None] = lambda size: None) -> None:
    """Bring a file into place.

    Args:
        file: where from, and what is known about it.
        target: its place.
        line: how to deal with the server.
        came: told after each piece how many bytes are there.

    Raises:
        RunError: the server refuses, does not answer, or the disk fails.
        DataError: what came has another size or checksum than is known, or is no zip though it is called so.
        Stopped: `line.stop` was set.
    """
    part = part_of(target)
    with disk(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    if file.size is not None and size_of(part) > file.size:
        part.unlink()
    failures, most = 0, size_of(part)
    while not file.size or size_of(part) < file.size:
        try:
            _receive(file, part, line, came)
            break
        except _Passing as fault:
            failures = 1 if size_of(part) > most else failures + 1
            most = max(most, size_of(part))
            if failures >= line.tries:
                raise RunError(f"{file.url}: {fault} ({failures} tries)", NETWORK) from None
            line.pause(failures, fault.wait_s)
    _accept(file, part, target)


def part_of(target: Path) -> Path:
    """Where a file grows before it is whole."""
    return target.with_name(target.name + ".part")


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def checksum_of(path: Path, kind: str) -> str:
    """`md5:…` or `sha256:…` of a file."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return f"{kind}:{digest.hexdigest()}"


def set_aside(path: Path) -> Path:
    """Rename a file that is not what it should be; the new place."""
    aside = path.with_name(path.name.removesuffix(".part") + ".bad")
    os.replace(path, aside)
    return aside


def open_url(url: str, line: Line, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    """The server's answer.

    Raises:
        Refused: it does not give it.
        _Passing: it does not answer, or not now.
    """
    request = urllib.request.Request(url, headers={"User-Agent": f"elsa-lightning/{__version__}"} | (headers or {}))
    try:
        return urllib.request.urlopen(request, timeout=line.timeout_s)
    except urllib.error.HTTPError as fault:
        fault.close()
        if fault.code in (*PASSING, 416):
            raise _Passing(f"the server answers {fault.code} {fault.reason}", _seconds(fault.headers.get("Retry-After"))) from fault
        remedy = "has the corpus moved? look at its page" if fault.code in (404, 410) else "the server does not give it to this program"
        raise Refused(f"{url}: the server answers {fault.code} {fault.reason}", f"{remedy}; --mirror takes another server") from None
    except (OSError, http.client.HTTPException) as fault:
        raise _Passing(str(getattr(fault, "reason", "") or fault or type(fault).__name__)) from fault


def read_url(url: str, line: Line) -> bytes:
    """A small answer whole.

    Raises:
        RunError: as in `fetch`.
    """
    for failures in range(1, line.tries + 1):
        try:
            with open_url(url, line) as answer:
                return answer.read()
        except (_Passing, OSError, http.client.HTTPException) as fault:
            last = fault
            line.pause(failures, getattr(fault, "wait_s", 0.0))
    raise RunError(f"{url}: {last} ({line.tries} tries)", NETWORK)


def _receive(file: RemoteFile, part: Path, line: Line, came: Callable[[int], None]) -> None:
    """Ask for what is missing and add it to the part."""
    tag_file, have = part.with_name(part.name + ".tag"), size_of(part)
    tag = tag_file.read_text() if tag_file.exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if have and (tag or file.checksum):
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": tag} if tag else {})
    try:
        answer = open_url(file.url, line, headers)
    except _Passing as fault:
        if getattr(fault.__cause__, "code", None) == 416:  # there is no rest: another version, or one whose length was not known
            part.unlink(missing_ok=True)
        raise
    with answer:
        start, total = _extent(answer, have)
        if file.size is not None and total not in (None, file.size):
            raise DataError(
                f"{file.url} has {total} bytes there, not {file.size}", "the corpus has changed, or this is not it: look at its page"
            )
        if start == 0:
            with disk(part):
                tag_file.write_text(_tag(answer))
        got = _copy(answer, part, start, line, came)
    whole = file.size if total is None else total
    if whole is not None and got < whole:
        raise _Passing(f"the connection was cut at {got} of {whole} bytes")


def _extent(answer: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the answer's bytes begin, and how long the whole file is, if the server says so."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        unit, _, rest = (answer.headers.get("Content-Range") or "").partition(" ")
        first, _, total = rest.partition("/")
        if unit != "bytes" or first.partition("-")[0] != str(have):
            raise _Passing(f"the server answers with bytes {rest!r} instead of those from {have}")
        return have, int(total) if total.isdigit() else None
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length else None


def _tag(answer: http.client.HTTPResponse) -> str:
    tag = answer.headers.get("ETag") or ""
    return "" if tag.startswith("W/") else tag or answer.headers.get("Last-Modified") or ""


def _copy(answer: http.client.HTTPResponse, part: Path, start: int, line: Line, came: Callable[[int], None]) -> int:
    """Write the answer from `start` on; how many bytes the part has then."""
    with disk(part), open(part, "r+b" if start else "wb", buffering=0) as out:
        out.seek(start)
        got = start
        while True:
            if line.stop.is_set():
                raise Stopped
            try:
                block = answer.read(CHUNK)
            except (OSError, http.client.HTTPException) as fault:
                raise _Passing(f"the connection was cut at {got} bytes ({str(fault) or type(fault).__name__})") from fault
            if not block:
                return got
            out.write(block)
            got += len(block)
            came(got)


@contextlib.contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn faults of the disk inside the block into one clear message.

    Raises:
        RunError: the disk is full, or does not take the file.
    """
    try:
        yield
    except OSError as fault:
        text = "no space left on the disk" if fault.errno in (errno.ENOSPC, errno.EDQUOT) else fault.strerror or str(fault)
        raise RunError(f"{path} cannot be written: {text}", "make room and run this again: what has come is kept") from None


def _accept(file: RemoteFile, part: Path, target: Path) -> None:
    """Check a whole part and put it into place."""
    remedy = "run this again: it is fetched anew; if it stays so, the corpus has changed, look at its page"
    if file.size is not None and size_of(part) != file.size:
        size, aside = size_of(part), set_aside(part)
        raise DataError(f"{file.url} gave {size} bytes, not {file.size} (kept as {aside})", remedy)
    if file.checksum:
        found = checksum_of(part, file.checksum.partition(":")[0])
        if found != file.checksum:
            raise DataError(f"{file.url} gave {found}, not {file.checksum} (kept as {set_aside(part)})", remedy)
    elif target.suffix == ".zip" and not zipfile.is_zipfile(part):
        raise DataError(f"{file.url} gave something that is no zip (kept as {set_aside(part)})", "is it a page of a proxy? " + remedy)
    with open(part, "rb") as stream:
        os.fsync(stream.fileno())
    os.replace(part, target)
    part.with_name(part.name + ".tag").unlink(missing_ok=True)


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0
