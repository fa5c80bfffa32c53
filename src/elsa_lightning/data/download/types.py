"""What is known about a corpus before it is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit


@dataclass(frozen=True)
class RemoteFile:
    """One file of a corpus.

    Args:
        path: below the corpus' folder, with `/`.
        url: where it lies.
        size: bytes; None: not known before it is fetched.
        checksum: `md5:…` or `sha256:…`, hexadecimal; empty: none is known.
    """

    path: str
    url: str
    size: int | None = None
    checksum: str = ""


@dataclass(frozen=True)
class Source:
    """A corpus that may be fetched.

    Args:
        name: of the corpus, as the command line has it.
        about: a few words.
        licence: what it allows and asks, for people.
        restricted: it forbids some use, commerce for instance, and is to be accepted expressly.
        files: all of them, or those that tell which others there are.
        record: of Zenodo, where sizes and checksums may be asked for; 0: none.
        then: commands that go on from here; {root} is the corpus' folder.
    """

    name: str
    about: str
    licence: str
    restricted: bool
    files: tuple[RemoteFile, ...]
    record: int = 0
    then: tuple[str, ...] = ()


def zenodo(record: int, path: str, size: int | None = None, md5: str = "") -> RemoteFile:
    """A file of a Zenodo record, whose name there is the last part of `path`."""
    name = quote(path.rpartition("/")[2])
    return RemoteFile(path, f"https://zenodo.org/records/{record}/files/{name}?download=1", size, f"md5:{md5}" if md5 else "")


def mirrored(url: str, mirror: str) -> str:
    """The same path on another server; the address itself without a mirror."""
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}{parts.path}{'?' if parts.query else ''}{parts.query}" if mirror else url
