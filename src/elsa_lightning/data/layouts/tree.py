"""An index of a corpus' folder, however deep its files lie: downloaders and archives nest and name audio differently.

Files and folders whose name begins with a dot are passed over (rests of copying, such as ._x.wav). Imports neither torch nor numpy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from elsa_lightning.errors import DataError

AUDIO = (".wav", ".flac", ".ogg", ".opus", ".aif", ".aiff", ".mp3", ".m4a")
"""Extensions of audio files; the first is preferred where one clip has several. (.m4a is not decodable, but it is found and named.)"""
TABLES = (".csv", ".json")


class Tree:
    """Audio files and tables below one or several folders.

    Args:
        roots: folders; one that lies below another is not walked twice. Paths are known by their place below their root.
        skip: folders to leave out.

    Raises:
        DataError: a folder cannot be opened.

    Attributes:
        nameless: files and folders whose names are not UTF-8, escaped; they are left out.
    """

    def __init__(self, roots: Sequence[Path], skip: Iterable[Path] = ()) -> None:
        self.roots = [Path(os.path.abspath(root)) for root in roots]
        self._audio: dict[str, list[str]] = {}
        self._tables: dict[str, list[tuple[str, str]]] = {}
        self._stems: dict[str, list[str]] = {}
        self._folders: set[str] = set()
        self._claimed: set[str] = set()
        self.nameless: list[str] = []
        passed = {identity_of(Path(folder)) for folder in skip if Path(folder).is_dir()}
        for root in self.roots:
            for relative, path in self._walk(root, passed):
                self._add(relative, path)
        for place in self._audio:
            self._stems.setdefault(place.rpartition("/")[2], []).append(place)
            self._folders.update(part.casefold() for part in place.split("/")[:-1])

    def _walk(self, root: Path, passed: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
        """(path below the root, whole path) of every file. Links to folders are followed; a folder met before is not entered."""
        stack = [(str(root), "")]
        while stack:
            folder, place = stack.pop()
            identity = identity_of(folder)
            if identity in passed:
                continue
            passed.add(identity)
            for item in _items(folder):
                if item.name.startswith("."):
                    continue
                if not _is_utf_8(item.name):
                    self.nameless.append(ascii(item.path).strip("'"))
                elif item.is_dir():
                    stack.append((item.path, f"{place}{item.name}/"))
                elif item.is_file():
                    yield place + item.name, item.path

    def _add(self, relative: str, path: str) -> None:
        place, dot, extension = relative.rpartition(".")
        kind = (dot + extension).lower()
        if kind in AUDIO:
            self._audio.setdefault(place, []).append(path)
        elif kind in TABLES:
            self._tables.setdefault(relative.rpartition("/")[2], []).append((relative, path))

    def table(self, name: str, folders: Sequence[str] = (), never: Sequence[str] = ()) -> Path | None:
        """A table by its file name: the one in one of `folders`, else the one that lies least deep; None if there is none.

        Args:
            name: file name with extension.
            folders: where it is sought first.
            never: folders whose tables are others.

        Raises:
            DataError: two lie equally deep.
        """
        ranked = []
        for relative, path in self._tables.get(name, []):
            parts = relative.split("/")[:-1]
            if not set(parts) & set(never):
                ranked.append((not set(parts) & set(folders), len(parts), path))
        ranked.sort()
        if len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]:
            raise DataError(f"{name} is there twice: {ranked[0][2]} and {ranked[1][2]}", "give --root the folder of one of them")
        return Path(ranked[0][2]) if ranked else None

    def texts(self) -> Iterator[tuple[str, Path]]:
        """Every .json file, by its place below its root without extension, in a fixed order."""
        found = {}
        for name, files in self._tables.items():
            if name.lower().endswith(".json"):
                for relative, path in files:
                    found.setdefault(relative.rpartition(".")[0], path)
        for place in sorted(found):
            yield place, Path(found[place])

    def has(self, folders: Sequence[str]) -> bool:
        """Whether audio lies below a folder that fits one of these names (see `audio`)."""
        return any(_fit([part], folders) < 2 for part in self._folders)

    def audio(self, names: Sequence[str], folders: Sequence[str] = (), needed: bool = False) -> list[Path]:
        """The files that a clip may be, best first; all are equally good.

        A folder's name fits `folders` exactly or, less well, followed by `_`, `-` or `.` and more (train fits train_1, FreeSound fits
        FreeSound_flac).

        Args:
            names: without extension, most likely first; the first that is there is taken. One that begins with a slash is the file's whole
                place below a root.
            folders: files below the one that fits best are taken.
            needed: files below none of them are not taken.
        """
        best: list[Path] = []
        for name in names:
            place = name.removeprefix("/")
            places = self._stems.get(name, []) if place == name else [place] if place in self._audio else []
            ranked = []
            for place in places:
                rank = _fit(place.split("/")[:-1], folders)
                for path in self._audio[place] if rank < 2 or not needed else []:
                    ranked.append((rank, AUDIO.index(os.path.splitext(path)[1].lower()), path))
            self._claimed.update(path for _, _, path in ranked)
            if ranked and not best:
                first = min(ranked)[0]
                best = [Path(path) for rank, _, path in sorted(ranked) if rank == first]
        return best

    @property
    def unclaimed(self) -> list[str]:
        """Audio files that no call of `audio` has named so far."""
        return sorted(path for paths in self._audio.values() for path in paths if path not in self._claimed)


def _fit(parts: Iterable[str], folders: Sequence[str]) -> int:
    """0 where a part is one of the folders, 1 where it begins with one, 2 otherwise."""
    best = 2
    for part in parts:
        for folder in folders:
            text, wanted = part.casefold(), folder.casefold()
            if text == wanted:
                return 0
            if text.startswith(wanted) and text[len(wanted)] in "_-.":
                best = 1
    return best


def _items(folder: str) -> list[os.DirEntry]:
    """A folder's items by name: the order in which a disk returns them says nothing."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda item: item.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be opened ({error.strerror})", "check its permissions") from error


def _is_utf_8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # the bytes that are not are kept as surrogates
        return False
    return True


def identity_of(folder: str | Path) -> tuple[int, int]:
    """Device and number of a folder, whatever path leads to it."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino
