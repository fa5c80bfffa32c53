"""Fetch a corpus: what is there already is left, the rest comes, is checked, and is unpacked.

A journal in the corpus' folder (.elsa-download) keeps what was checked and what was unpacked, so that a later call need not read it again,
and an archive may be deleted once it is unpacked.
"""

from __future__ import annotations

import contextlib
import fnmatch
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import disk_space_check
from elsa_lightning.data.download.fetch import Line, Stopped, checksum_of, fetch, part_of, set_aside, size_of
from elsa_lightning.data.download.samples import samples
from elsa_lightning.data.download.types import RemoteFile, Source, mirrored
from elsa_lightning.data.download.unpack import is_archive, unpack
from elsa_lightning.data.download.watching import Watching
from elsa_lightning.data.download.zenodo import completed
from elsa_lightning.data.journal import Journal
from elsa_lightning.errors import ConfigError, ElsaError, RunError

JOURNAL = ".elsa-download"
SAMPLES = "spatial-librispeech"
"""The source whose files its first file names."""


@dataclass(frozen=True)
class Wishes:
    """How to fetch.

    Args:
        only: patterns of paths; none: every file.
        lite: of Spatial LibriSpeech the lite version.
        mirror: another server, with the same paths.
        jobs: files at a time.
        unpack: archives too.
        line: how to deal with the server.
    """

    only: Sequence[str] = ()
    lite: bool = False
    mirror: str = ""
    jobs: int = 3
    unpack: bool = True
    line: Line = field(default_factory=Line)


@dataclass(frozen=True)
class Standing:
    """How a file stands.

    Args:
        file: the file.
        have: bytes of it that have come.
        state: `whole`, `unpacked` (its archive may be gone), `part`, `missing`, or `wrong` (another file of this name is there).
    """

    file: RemoteFile
    have: int
    state: str


class Download:
    """The fetching of one corpus into one folder. Use as a context manager; while open, no other process works on the folder.

    Args:
        source: the corpus.
        root: its folder.
        wishes: how.
        watching: told what goes on.

    Raises:
        RunError: another process works on the folder, or it cannot be written.
    """

    def __init__(self, source: Source, root: Path, wishes: Wishes, watching: Watching | None = None) -> None:
        self.source, self.root, self.wishes, self.watching = source, root, wishes, watching or Watching()
        self._journal = Journal(root / JOURNAL)
        self._lock = threading.Lock()

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *fault: object) -> None:
        self._journal.__exit__(*fault)
        if not size_of(self.root / JOURNAL):  # nothing was done: leave nothing
            (self.root / JOURNAL).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.root.rmdir()

    def standing(self) -> list[Standing]:
        """The wanted files and how they stand. Asks the server for sizes and checksums that are not known, and for the list of samples.

        Raises:
            RunError: the server does not answer.
            DataError: what it says contradicts what is known.
            ConfigError: no file is wanted.
        """
        files = self._files()
        patterns = self.wishes.only
        wanted = [file for file in files if not patterns or any(fnmatch.fnmatch(file.path, pattern) for pattern in patterns)]
        if not wanted:
            what = f"no file of {self.source.name} matches {' '.join(patterns)}"
            raise ConfigError(what, f"there are {files[0].path}, … {files[-1].path}: --dry-run lists all")
        if self.source.record:
            wanted, notes = completed(wanted, self.source.record, self.wishes.line, self.wishes.mirror)
            for note in notes:
                self.watching.note(note)
        return [self._standing(replace(file, url=mirrored(file.url, self.wishes.mirror))) for file in wanted]

    def bring(self, standing: Sequence[Standing]) -> None:
        """Fetch what is missing and unpack it.

        Raises:
            RunError, DataError: of the first file that fails, once the others have come; nothing that has come is lost.
        """
        missing = [one for one in standing if one.state in ("part", "missing", "wrong")]
        left = sum((one.file.size or one.have) - one.have for one in missing)
        unknown = any(one.file.size is None for one in missing)
        archives = sum(one.file.size or 0 for one in missing if self.wishes.unpack and is_archive(one.file.path))
        disk_space_check(self.root, left + archives, "make room, choose another --root, or fetch less with --only")
        for one in missing:
            if one.state == "wrong":
                aside = set_aside(self.root / one.file.path)
                self.watching.note(f"{one.file.path} is not what it should be: kept as {aside}, fetched anew")
        self.watching.expect(None if unknown else left)
        self._fetch_all([one.file for one in missing])
        if self.wishes.unpack:
            for one in standing:
                if is_archive(one.file.path) and one.state != "unpacked":
                    self._unpack(one.file, standing)

    # parts

    def _files(self) -> list[RemoteFile]:
        files = list(self.source.files)
        if self.source.name == SAMPLES:
            first = replace(files[0], url=mirrored(files[0].url, self.wishes.mirror))
            if self._standing(first).state != "whole":
                self._fetch_all([first])  # also where files are only listed: it is the list
            files += samples(self.root / first.path, self.source.files[0].url, self.wishes.lite)
        return files

    def _standing(self, file: RemoteFile) -> Standing:
        if self._is_unpacked(file):
            return Standing(file, file.size or 0, "unpacked")
        target = self.root / file.path
        if target.is_file():
            return Standing(file, size_of(target), "whole") if self._is_whole(file, target) else Standing(file, 0, "wrong")
        have = size_of(part_of(target))
        return Standing(file, have, "part" if have else "missing")

    def _is_whole(self, file: RemoteFile, target: Path) -> bool:
        facts = target.stat()
        if file.size not in (None, facts.st_size):
            return False
        if self._journal.get(["whole", file.path]) == [facts.st_size, facts.st_mtime_ns, file.checksum]:
            return True
        if file.checksum and checksum_of(target, file.checksum.partition(":")[0]) != file.checksum:
            return False
        self._keep_whole(file, target)
        return True

    def _keep_whole(self, file: RemoteFile, target: Path) -> None:
        facts = target.stat()
        with self._lock:
            self._journal.add(["whole", file.path], [facts.st_size, facts.st_mtime_ns, file.checksum])

    def _is_unpacked(self, file: RemoteFile) -> bool:
        """Whether all that an archive held is in place; for a further part of a zip, its archive."""
        owner = file.path if is_archive(file.path) else _owner(file.path)
        members = self._journal.get(["unpacked", owner]) if owner else None
        folder = (self.root / owner).parent if owner else self.root
        return bool(members) and all(size_of(folder / name) == size for name, size in members)

    def _fetch_all(self, files: Sequence[RemoteFile]) -> None:
        stop, faults = self.wishes.line.stop, []
        with ThreadPoolExecutor(max(1, self.wishes.jobs)) as pool:
            waiting, running = iter(files), set[Future[Any]]()
            try:
                while True:
                    running.update(pool.submit(self._fetch, file) for file in islice(waiting, self.wishes.jobs - len(running)))
                    if not running:
                        break
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    faults += [fault for future in ended if (fault := future.exception()) is not None]
                    if any(not isinstance(fault, ElsaError) for fault in faults):
                        stop.set()
                        break
            except BaseException:  # Ctrl-C: what has come is kept
                stop.set()
                raise
        for fault in sorted(faults, key=lambda fault: isinstance(fault, ElsaError)):
            if len(faults) > 1 and isinstance(fault, ElsaError):
                raise RunError(f"{len(faults)} of {len(files)} files did not come; the first: {fault.message}", fault.remedy) from fault
            raise fault

    def _fetch(self, file: RemoteFile) -> None:
        target = self.root / file.path
        self.watching.came(file.path, size_of(part_of(target)), file.size)
        try:
            fetch(file, target, self.wishes.line, lambda size: self.watching.came(file.path, size, file.size))
        except Stopped:
            return
        self._keep_whole(file, target)
        self.watching.done(file.path)

    def _unpack(self, file: RemoteFile, standing: Sequence[Standing]) -> None:
        archive = self.root / file.path
        parts = {one.path for one in self.source.files if _owner(one.path) == file.path}
        absent = sorted(path for path in parts if not (self.root / path).is_file())
        if absent:
            self.watching.note(f"{archive} is not unpacked: its parts {', '.join(absent)} were not asked for (--only)")
            return
        members = unpack(archive, archive.parent, lambda done, total: self.watching.unpacking(file.path, done, total))
        self._journal.add(["unpacked", file.path], [list(member) for member in members])


def _owner(path: str) -> str:
    """The .zip that a further part (.z01 …) belongs to; empty for other files."""
    stem, dot, end = path.rpartition(".")
    return f"{stem}.zip" if dot and len(end) == 3 and end[0] == "z" and end[1:].isdigit() else ""
