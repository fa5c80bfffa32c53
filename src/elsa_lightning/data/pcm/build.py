"""Making a PCM cache: shard by shard in worker processes. Killed at any moment and called again, it ends with the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from elsa_lightning.atomic import disk_faults, disk_space_check, read_json, sync_folder, write_json
from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.parallel import default_workers, each
from elsa_lightning.data.pcm.layout import CACHE, CLIPS_PER_SHARD, INDEX, NAMES, RECIPE, SHARDS, Recipe, entries_of, is_cached, name_hash
from elsa_lightning.data.pcm.shard import PART, REMEDY, Task, made, make
from elsa_lightning.data.readers import Corpus
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.locks import hold

SHOWN = 10
"""Faulty files named on the screen; the JSON report names all."""
SPARE = 1.02
"""Of the estimated size: alignment, index."""


@dataclass
class Built:
    """What `build_cache` did.

    Attributes:
        folder: of the cache.
        files: different audio files of the corpus.
        sounds: those in the cache.
        hours: of sound, silence stripped.
        gigabytes: on disk.
        made: shards made by this call; the others were there.
        shards: in all.
        faults: file → message and remedy of those that cannot be used.
    """

    folder: Path
    files: int = 0
    sounds: int = 0
    hours: float = 0.0
    gigabytes: float = 0.0
    made: int = 0
    shards: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        return {**vars(self), "folder": str(self.folder)}

    def lines(self) -> list[str]:
        """For the screen."""
        size = f"{self.hours:.2f} h, {self.gigabytes:.3f} GB in {self.shards} shards ({self.made} made now)"
        found = [f"{self.folder}: {self.sounds} of {self.files} files, {size}"]
        if self.faults:
            found.append(f"faulty: {len(self.faults)}")
            found += [f"  {message}\n    → {remedy}" for message, remedy in list(self.faults.values())[:SHOWN]]
        return found + ([f"  … and {len(self.faults) - SHOWN} more"] if len(self.faults) > SHOWN else [])


def build_cache(
    corpus: Corpus,
    folder: str | Path,
    recipe: Recipe,
    workers: int | None = None,
    strict: bool = False,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Built:
    """Make, or bring up to date, the cache of a corpus' whole mono files (`is_cached`).

    Args:
        corpus: of files (it has a `root`).
        folder: of the cache.
        recipe: how sounds are prepared.
        workers: processes; None: as many as processors, 0: this one.
        strict: a file that cannot be used is an error; the shards made so far are kept, but the cache is not complete.
        progress: told of shards.

    Raises:
        ConfigError: a corpus without files.
        DataError: the folder holds a cache by another recipe; no file can be used; `strict` and a file cannot.
        RunError: another process works on it, a worker died, or the disk is full.
    """
    folder, root = Path(folder), getattr(corpus, "root", None)
    if root is None:
        raise ConfigError(f"the corpus '{corpus.name}' is synthesised", "only a corpus of files needs a PCM cache")
    workers = default_workers() if workers is None else workers
    lengths = _lengths(corpus, recipe.rate)
    if not lengths:
        raise DataError(f"the corpus '{corpus.name}' has no clips that are whole mono files", "others are read from their files")
    with hold(folder):
        tasks = _tasks(folder, Path(os.path.abspath(root)), sorted(lengths), recipe)
        there = [made(task) is not None for task in tasks]
        wanted = [task for task, done in zip(tasks, there, strict=True) if not done]
        if wanted:
            (folder / CACHE).unlink(missing_ok=True)
        _check_space(folder, wanted, lengths, recipe)
        progress("writing shards", sum(there), len(tasks))
        for done, _ in enumerate(each(make, wanted, workers, chunk=1, few=1), 1 + sum(there)):
            progress("writing shards", done, len(tasks))
        built = Built(folder, len(lengths), made=len(wanted), shards=len(tasks))
        _finish(tasks, recipe, built, strict)
    return built


def _lengths(corpus: Corpus, rate: int) -> dict[str, int]:
    """File → samples that it will have at most."""
    lengths: dict[str, int] = {}
    for split in SPLITS:
        for record in corpus.records(split):
            if record.audio not in lengths and is_cached(record):
                lengths[record.audio] = int((record.duration_s or _duration(corpus.root / record.audio)) * rate) + 1
    return lengths


def _duration(path: Path) -> float:
    """Of a file whose manifest does not say it, s; 0 where its header cannot be read (it will be named as faulty)."""
    try:
        return soundfile.info(path).duration
    except (OSError, soundfile.LibsndfileError):
        return 0.0


def _tasks(folder: Path, root: Path, names: Sequence[str], recipe: Recipe) -> list[Task]:
    """The shards. Their number stays what it was when the cache was begun, unless the corpus has become another."""
    known = read_json(folder / RECIPE)
    if known is not None:
        recipe.check(known, folder)
    count = known["shards"] if known else 0
    if not count / 4 <= len(names) / CLIPS_PER_SHARD <= 4 * count:
        count = -(-len(names) // CLIPS_PER_SHARD)
    with disk_faults(folder):
        (folder / SHARDS).mkdir(parents=True, exist_ok=True)
        for left in [*(folder / SHARDS).iterdir(), *folder.glob(".*.tmp")]:
            if left.suffix in (PART, ".tmp") or (left.stem.isdigit() and int(left.stem) >= count):
                left.unlink(missing_ok=True)
    write_json(folder / RECIPE, recipe.to_dict() | {"shards": count})
    shares: list[list[str]] = [[] for _ in range(count)]
    for name in names:
        shares[name_hash(name)[1] % count].append(name)
    return [Task(folder, number, root, tuple(share), recipe) for number, share in enumerate(shares)]


def _check_space(folder: Path, wanted: Sequence[Task], lengths: dict[str, int], recipe: Recipe) -> None:
    """All of the shards that are to be made must fit, before the first is begun."""
    samples = sum(lengths[name] for task in wanted for name in task.names)
    disk_space_check(folder, SPARE * samples * recipe.dtype.itemsize, REMEDY)


def _finish(tasks: Sequence[Task], recipe: Recipe, built: Built, strict: bool) -> None:
    parts, sizes = [], []
    for task in tasks:
        shard = read_json(task.path("json"))
        parts.append(entries_of(shard, task.number))
        sizes.append(shard["bytes"])
        built.faults |= {name: found["fault"] for name, found in shard["faults"].items()}
    index = np.concatenate(parts)
    index = index[np.argsort(index["name"][:, 0], kind="stable")]
    built.sounds, built.gigabytes = len(index), sum(sizes) / 1e9
    built.hours = round(float(index["samples"].sum()) / recipe.rate / 3600, 4)
    built.faults = dict(sorted(built.faults.items()))
    if built.faults and (strict or not len(index)):
        message, remedy = next(iter(built.faults.values()))
        raise DataError(f"{len(built.faults)} of {built.files} files cannot be used; the first: {message}", f"{remedy}, or leave it out")
    folder = tasks[0].folder
    with disk_faults(folder):
        for name, array in ((INDEX, index), (NAMES, np.ascontiguousarray(index["name"][:, 0]))):
            partial = folder / f".{name}.tmp"
            with open(partial, "wb") as file:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, folder / name)
        sync_folder(folder)
    write_json(folder / CACHE, recipe.to_dict() | {"sounds": len(index), "sizes": sizes, "faults": built.faults})
