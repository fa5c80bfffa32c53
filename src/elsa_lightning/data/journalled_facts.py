"""`audio_facts.inspect` over many files, in worker processes, with a journal. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from elsa_lightning.data.audio_facts import inspect
from elsa_lightning.data.journal import Journal
from elsa_lightning.data.parallel import each


def journalled_facts(
    files: Sequence[tuple[Path, str]], journal: Journal, workers: int, progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """What `inspect` says of each file; taken from the journal where the file has not changed since.

    Args:
        files: each with the place of its mono copy, or with an empty text.
        journal: open; each result is added as soon as it is there.
        workers: processes; 0: this one.
        progress: called with files done and files in all.

    Raises:
        RunError: a worker died, or the journal or a copy cannot be written.
    """
    keys = [_key(path, copy) for path, copy in files]
    facts = [journal.get(key) for key in keys]
    todo = [index for index, fact in enumerate(facts) if fact is None or not _copy_is_there(fact)]
    done = len(files) - len(todo)
    progress(done, len(files))
    for position, fact in each(inspect, [(str(files[index][0]), files[index][1]) for index in todo], workers):
        facts[todo[position]] = fact
        journal.add(keys[todo[position]], fact)
        done += 1
        progress(done, len(files))
    return facts


def _key(path: Path, copy: str) -> list[Any]:
    """What a result holds for: it changes with the file."""
    try:
        status = path.stat()
    except OSError:  # gone since the folder was indexed: `inspect` says so
        return [str(path), -1, -1, copy]
    return [str(path), status.st_size, status.st_mtime_ns, copy]


def _copy_is_there(fact: dict[str, Any]) -> bool:
    try:
        return "mono" not in fact or os.stat(fact["mono"]).st_size == fact["bytes"]
    except OSError:
        return False
