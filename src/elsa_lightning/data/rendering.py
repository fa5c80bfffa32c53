"""Rendering a cache's items: what one process does. Chunks of a few items with one thread are twice as fast per core as large batches."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import threading
from dataclasses import dataclass

import numpy as np

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.measure import LABELS
from elsa_lightning.acoustics.room_source import BankRooms
from elsa_lightning.data.cache_files import ARRAYS
from elsa_lightning.data.datasets import ClipDataset, assemble
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.processes import single_thread
from elsa_lightning.data.readers import Corpus
from elsa_lightning.data.spatialize import Spatializer
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import DataError, ElsaError
from elsa_lightning.features import FrontEnd
from elsa_lightning.schema import Experiment


@dataclass(frozen=True)
class Job:
    """What a rendering process needs to know; small enough to be pickled.

    Args:
        cfg: the experiment.
        corpus: sounds.
        bank: folder of the split's rooms.
        split: train, val or test.
        folder: of the arrays that are written in place.
    """

    cfg: Experiment
    corpus: Corpus
    bank: pathlib.Path
    split: str
    folder: pathlib.Path


class Renderer:
    """Renders items of one split.

    Args:
        job: what to render, from what.
        bank: the rooms; None: read from the job's folder.
    """

    def __init__(self, job: Job, bank: RoomBank | None = None) -> None:
        bank = RoomBank.load(job.bank, verify=False) if bank is None else bank
        self.folder, self.split = job.folder, job.split
        elevation, *others = (bank.labels[name].numpy() for name in ("elevation", "distance_m", "azimuth"))
        self.dataset = ClipDataset(job.cfg, job.corpus, job.split, elevation, bank.simulated, *others)
        self.spatializer = Spatializer(BankRooms(bank), job.cfg, FrontEnd(job.cfg.features, job.cfg.audio.sample_rate))

    def batch(self, start: int, stop: int) -> AudioTextBatch:
        """Items start … stop − 1 of epoch 0 as they are rendered: no yaw, no captions.

        Raises:
            DataError: a clip cannot be used, or its features are not finite.
        """
        batch = assemble(self.split, [self.dataset[0, index] for index in range(start, stop)])
        if isinstance(batch, ElsaError):
            raise batch
        batch = self.spatializer(batch)
        for name in ARRAYS:
            finite = getattr(batch.features, name).isfinite().flatten(1).all(1)
            if not finite.all():
                clip_id = batch.clip_id[int((~finite).nonzero()[0, 0])]
                raise DataError(
                    f"the {name} of clip '{clip_id}' is not finite", "look at this clip and at the room bank (`elsa data check`)"
                )
        return batch

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one item's arrays."""
        features = self.batch(0, 1).features
        return {name: tuple(getattr(features, name).shape[1:]) for name in ARRAYS}

    def render(self, start: int, stop: int) -> tuple[dict[str, np.ndarray], dict[int, ClipRecord]]:
        """Write the items' features into the arrays.

        Returns:
            the items' columns, and the clips they come from, by row.
        """
        batch = self.batch(start, stop)
        for name in ARRAYS:
            array = np.load(self.folder / f"{name}.npy", mmap_mode="r+")
            array[start:stop] = getattr(batch.features, name).half().numpy()
        columns = {
            "clip": batch.clip,
            "version": batch.version,
            "room": batch.room,
            "is_spatial": batch.is_spatial,
            "render_key": batch.render_key,
        }
        columns |= {name: batch.spatial[name] for name in LABELS}
        records = dict(zip(batch.clip.tolist(), batch.records, strict=True))
        return {name: values.numpy() for name, values in columns.items()}, records


_renderer: Renderer | None = None


def start(job: Job) -> None:
    """Make this process a rendering worker."""
    global _renderer
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True, name="parent-watch").start()
    single_thread()
    _renderer = Renderer(job)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """End this process when its parent is gone, however it went: a pool's worker would wait for work for ever."""
    parent.join()
    os._exit(1)


def render(span: tuple[int, int]) -> tuple[dict[str, np.ndarray], dict[int, ClipRecord]]:
    """`Renderer.render` in a worker."""
    return _renderer.render(*span)
