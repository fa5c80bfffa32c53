"""Whether what a finished run left is still whole, and here: its done.json lists its files. Imports no torch.

A stage asks before it reads what its parents wrote: a file that was cut short, changed or removed is told by its name and not by what a
library makes of it; and on a cluster a file that another node has just written may not be seen here yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import read_json
from elsa_lightning.errors import RunError
from elsa_lightning.ranks import process_rank

HASHED_BYTES = 2**28
"""Files up to this size are compared by content, larger ones by size alone. (Banks and feature caches have hashes of their own, too.)"""

LEFT_OUT = ("tb", "checkpoints", "log.txt", "lock", "meta.json", "status.json", "failed.json", "requeues.json", "done.json")
"""What no later stage reads, but for the checkpoint that facts.json names."""

VIEW_S = 90.0
"""Seconds that a network file system may take, in a SLURM job, to show what another node wrote. (NFS keeps a folder's listing for 60.)"""

POLL_S = 1.0


def results_of(folder: Path) -> Iterator[Path]:
    """Files of a run that later stages may read."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside.parts[0] not in LEFT_OUT and not any(part.startswith(".") for part in inside.parts) and path.is_file():
            yield path
    facts = read_json(folder / "facts.json")
    if isinstance(facts, dict) and "checkpoint" in facts:
        yield folder / facts["checkpoint"]


def listing(folder: Path) -> dict[str, list[Any]]:
    """File → size and hash of its content (empty for large ones), once all of them are on the disk.

    Raises:
        OSError: the disk could not take one, which a write to a network or a nearly full disk may say only here.
    """
    found = {}
    for path in results_of(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        found[str(path.relative_to(folder))] = [path.stat().st_size, content_hash(path)]
    return found


def content_hash(path: Path) -> str:
    """Of a file up to `HASHED_BYTES`; empty for a larger one."""
    if path.stat().st_size > HASHED_BYTES:
        return ""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def incomplete(folder: Path) -> str:
    """What of a finished run's files is not here, or not in its length; empty where all are."""
    done = read_json(folder / "done.json")
    if not isinstance(done, dict):
        return f"{folder} is not finished"
    for name, (size, _) in done.get("files", {}).items():
        try:
            found = (folder / name).stat().st_size
        except OSError:
            return f"{folder / name} is missing"
        if found != size:
            return f"{folder / name} has {found} bytes instead of {size}"
    return ""


def changed(folder: Path) -> str:
    """The first of a finished run's files whose content is another one; empty where there is none."""
    for name, (_, wanted) in read_json(folder / "done.json").get("files", {}).items():
        if wanted and content_hash(folder / name) not in ("", wanted):
            return f"{folder / name} is not what it was when its run finished"
    return ""


def require_whole(folders: list[Path]) -> None:
    """To be called by a stage for its parents, in each of its processes. Contents are compared in the first alone: that suffices for all.

    Raises:
        RunError: one is not finished, or a file of it is missing or damaged; in a SLURM job only after `VIEW_S`.
    """
    until = time.monotonic() + (VIEW_S if "SLURM_JOB_ID" in os.environ else 0.0)
    told = False
    for folder in folders:
        while (fault := incomplete(folder)) and time.monotonic() < until:
            if not told:
                print(f"{fault}: waiting {VIEW_S:.0f} s at most, another node may have just written it", flush=True)
                told = True
            time.sleep(POLL_S)
            with contextlib.suppress(OSError):
                os.listdir(folder)  # makes a network file system look again
        fault = fault or (changed(folder) if process_rank() == 0 else "")
        if fault:
            raise RunError(fault, f"delete the folder {folder}: the same command computes it again, and what else is finished stays")
