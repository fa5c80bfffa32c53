"""Answers of a language model, kept line by line as they come: a kill loses at most the batch in the making.

    {"key": "5f…", "try": 0, "text": "On the left, a dog barks."}

The file only grows. A kill may leave half a line at its end; that is not read, and is cut off before the next line is written.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from elsa_lightning.errors import DataError, RunError

Answer = tuple[str, int]
"""A request's key and the number of the try, from 0."""


class AnswerCache:
    """Answers of one file to write to and of others to read from; what comes first holds.

    Args:
        path: the file that new answers are added to; need not exist.
        others: files of other processes, read only.

    Raises:
        DataError: a whole line is damaged.
    """

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        self.path = path
        self._texts: dict[Answer, str] = {}
        self._file: IO[bytes] | None = None
        for source in [path, *others]:
            for answer, text in _read(source):
                self._texts.setdefault(answer, text)

    def __contains__(self, answer: Answer) -> bool:
        return answer in self._texts

    def __getitem__(self, answer: Answer) -> str:
        return self._texts[answer]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the file for the length of the block.

        Raises:
            RunError: another process writes to it, or it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b")  # noqa: SIM115 - closed below; `add` writes to it
        except OSError as error:
            raise RunError(f"{self.path} cannot be written ({error.strerror})", "choose another --cache FILE") from error
        try:
            _hold(self._file, self.path)
            _cut_half_line(self._file)
            yield
        finally:
            self._file.close()
            self._file = None

    def add(self, answers: dict[Answer, str]) -> None:
        """Keep new answers: one write for all of them, handed to the system before this returns.

        Raises:
            RunError: the disk is full or fails.
        """
        assert self._file is not None, "add inside `writing`"
        lines = (json.dumps({"key": key, "try": number, "text": text}) + "\n" for (key, number), text in answers.items())
        try:
            self._file.write("".join(lines).encode())
            self._file.flush()
        except OSError as error:
            raise RunError(f"{self.path} cannot be written ({error.strerror})", "make room; what it holds is kept") from error
        self._texts.update(answers)


def _read(path: Path) -> Iterator[tuple[Answer, str]]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - a generator closes it
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                row = json.loads(line)
                yield (str(row["key"]), int(row["try"])), str(row["text"])
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(f"{path}, line {number} is damaged", "delete that line; its answer is asked for again") from error


def _hold(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"another process writes to {path}", "wait for it, or give each process its own --shard or --cache") from None
    except OSError:  # a file system without locks
        return


def _cut_half_line(file: IO[bytes]) -> None:
    end = file.seek(0, os.SEEK_END)
    start = end
    while start:
        step = min(4096, start)
        start -= step
        file.seek(start)
        newline = file.read(step).rfind(b"\n")
        if newline >= 0:
            start += newline + 1
            break
    if start < end:
        file.truncate(start)
        file.seek(0, os.SEEK_END)
