"""The paper's protocol at desk scale: each clip's spatial versions are rendered once, to features, by several processes, for all runs."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.atomic import disk_space_check, partial_folder
from elsa_lightning.data import rendering
from elsa_lightning.data.cache_files import ARRAYS, COLUMNS, FORMAT, MANIFEST, RECORDS, FeatureCache, file_hash
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.processes import worker_context
from elsa_lightning.data.readers import Corpus
from elsa_lightning.data.rendering import Job, Renderer
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.provenance import cores
from elsa_lightning.schema import Experiment

__all__ = ["FeatureCache", "render_cache"]

CHUNK = 8
"""Items rendered at once by one process."""
LEAST_PER_WORKER = 64
"""Fewer items than this are not worth another process."""


def render_cache(
    cfg: Experiment,
    corpus: Corpus,
    bank: RoomBank | str | pathlib.Path,
    split: str,
    folder: str | pathlib.Path,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> FeatureCache:
    """Render a split. The folder appears complete or not at all; one that is there already is opened as it is.

    Args:
        cfg: the experiment.
        corpus: sounds.
        bank: the split's rooms, or the folder where they lie.
        split: train, val or test.
        folder: to create.
        progress: called with (items done, items in all).
        workers: processes; None: one per core, 0: this process.

    Raises:
        DataError: no clips, a faulty clip, or a bank of another sample rate.
        RunError: a worker died, or the disk is too small.
    """
    folder = pathlib.Path(folder)
    if folder.exists():
        return FeatureCache.load(folder)
    partial = partial_folder(folder)
    try:
        rooms, bank_folder = (bank, partial / "bank") if isinstance(bank, RoomBank) else (RoomBank.load(bank), pathlib.Path(bank))
        _check(cfg, corpus, rooms, split)
        renderer = Renderer(job := Job(cfg, corpus, bank_folder, split, partial), rooms)
        total = len(renderer.dataset)
        shapes = {name: (total, *shape) for name, shape in renderer.shapes().items()}
        _allocate(partial, shapes)
        workers = min(cores() if workers is None else workers, total // LEAST_PER_WORKER)
        if workers > 0 and isinstance(bank, RoomBank):
            rooms.save(bank_folder)
        spans = [(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK)]
        results = _in_processes(job, spans, workers) if workers > 0 else itertools.starmap(renderer.render, spans)
        columns, records = _collect(results, spans, progress)
        shutil.rmtree(partial / "bank", ignore_errors=True)
        _finish(
            partial,
            columns,
            records,
            shapes,
            {"split": split, "corpus": corpus.name, "synthetic": corpus.synthetic, "corpus_hash": corpus.content_hash},
        )
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return FeatureCache.load(folder)


def _check(cfg: Experiment, corpus: Corpus, bank: RoomBank, split: str) -> None:
    if not corpus.records(split):
        raise DataError(f"corpus '{corpus.name}' has no {split} clips", "check its folds or splits")
    if bank.sample_rate != cfg.audio.sample_rate:
        raise DataError(
            f"the room bank was built at {bank.sample_rate} Hz, audio.sample_rate is {cfg.audio.sample_rate}", "build a bank for this rate"
        )


def _allocate(folder: pathlib.Path, shapes: dict[str, tuple[int, ...]]) -> None:
    needed = sum(2 * int(np.prod(shape)) for shape in shapes.values())
    disk_space_check(folder, needed / 0.95, "free some, or lower data.versions")
    for name, shape in shapes.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape).flush()


def _in_processes(job: Job, spans: list[tuple[int, int]], workers: int) -> Iterator[tuple[dict[str, np.ndarray], dict[int, ClipRecord]]]:
    pool = ProcessPoolExecutor(workers, mp_context=worker_context(), initializer=rendering.start, initargs=(job,))
    try:
        yield from pool.map(rendering.render, spans)
    except BrokenProcessPool as error:
        raise RunError(
            f"a process that rendered {job.split} clips died", "it may have run out of memory: free some, then start again"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _collect(
    results, spans: list[tuple[int, int]], progress: Callable[[int, int], None] | None
) -> tuple[dict[str, np.ndarray], list[ClipRecord]]:
    parts: list[dict[str, np.ndarray]] = []
    records: dict[int, ClipRecord] = {}
    for (_, stop), (columns, clips) in zip(spans, results, strict=True):
        parts.append(columns)
        records |= clips
        if progress is not None:
            progress(stop, spans[-1][1])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, [records[clip] for clip in sorted(records)]


def _finish(
    folder: pathlib.Path, columns: dict[str, np.ndarray], records: list[ClipRecord], shapes: dict[str, tuple[int, ...]], about: dict
) -> None:
    np.savez(folder / COLUMNS, **columns)
    write_manifest(folder / RECORDS, records)
    sizes = {"format": FORMAT, "items": len(columns["clip"]), "shapes": {name: list(shapes[name]) for name in ARRAYS}}
    hashes = {name: file_hash(folder / name) for name in (COLUMNS, RECORDS)}
    (folder / MANIFEST).write_text(json.dumps({**sizes, **about, "hashes": hashes}, indent=2) + "\n")
