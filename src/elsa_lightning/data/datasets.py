"""Examples by (epoch, index), and how they become a batch. A streamed example has no room yet, and none its captions: they need
the room's measured labels. A recording needs no room; its labels are its record's.

A faulty clip comes out of a worker process as a value, not as an exception: so its message reaches the user as it was written, without the
worker's traceback. `SpatialAudioText` raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.data.cache_files import FeatureCache
from elsa_lightning.data.clips import prepare, prepare_foa
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.pairing import Item, Pairing, example_key, turn_key
from elsa_lightning.data.pcm import sounds_of
from elsa_lightning.data.readers import Corpus
from elsa_lightning.data.recordings import counted_labels
from elsa_lightning.data.stacking import MEMORY, Packed, is_worker, stacked
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import DataError, ElsaError
from elsa_lightning.features import Features
from elsa_lightning.schema import Experiment


@dataclass
class Example:
    """One item with its sound, or with its cached features."""

    item: Item
    key: int
    record: ClipRecord
    label: int
    mono: np.ndarray | None = None
    """`(P + T,)` float32: P samples before the clip begins."""
    foa: np.ndarray | None = None
    """`(4, T)` float32, of a recording."""
    log_mel: np.ndarray | None = None
    """`(1, F, M)` float16."""
    intensity: np.ndarray | None = None
    """`(6, F, K)` float16."""
    spatial: dict[str, float] | None = None
    turn_key: int | None = None
    """Of yaw and mirror; None: `key`."""


class ClipDataset:
    """Streamed examples: prepared mono clips with the keys of their rooms, and recordings as they are.

    Args:
        cfg: the experiment.
        corpus: sounds.
        split: train, val or test.
        elevation, simulated, distance, azimuth: of the bank's rooms, see `Pairing`.
    """

    def __init__(
        self,
        cfg: Experiment,
        corpus: Corpus,
        split: str,
        elevation: np.ndarray | None,
        simulated: int | None = None,
        distance: np.ndarray | None = None,
        azimuth: np.ndarray | None = None,
    ) -> None:
        self.cfg, self.corpus, self.split = cfg, corpus, split
        self.sounds = sounds_of(cfg, corpus)
        self.records = corpus.records(split)
        self.labels = {label: i for i, label in enumerate(corpus.labels)}
        self.pairing = Pairing(cfg, self.records, split, elevation, simulated, distance, azimuth)
        self._last: tuple[int, np.ndarray | None] = (-1, None)
        self.lead = round(cfg.rooms.rir_s * cfg.audio.sample_rate) if cfg.audio.preroll else 0

    def __len__(self) -> int:
        return len(self.pairing)

    def __getitem__(self, at: tuple[int, int]) -> Example | ElsaError:
        epoch, index = at
        item = self.pairing.item(index, epoch)
        return self._example(at, item, self.records[item.clip])

    def __getitems__(self, ats: Sequence[tuple[int, int]]) -> list[Example | ElsaError]:
        """A batch's examples (asked for by the DataLoader), prepared where they will lie in it; or the first fault alone."""
        items = [self.pairing.item(index, epoch) for epoch, index in ats]
        records = [self.records[item.clip] for item in items]
        length, recordings = round(self.cfg.audio.clip_s * self.cfg.audio.sample_rate), sum(record.recorded for record in records)
        mono = MEMORY.take((len(ats) - recordings, self.lead + length)) if recordings < len(ats) else None
        foa = MEMORY.take((recordings, 4, length)) if recordings else None
        rows = {recorded: iter(whole.numpy() if whole is not None else ()) for recorded, whole in ((False, mono), (True, foa))}
        examples = Batched(mono, foa)
        for at, item, record in zip(ats, items, records, strict=True):
            example = self._example(at, item, record, next(rows[record.recorded]))
            if isinstance(example, ElsaError):
                return [example]
            examples.append(example)
        return examples

    def _example(self, at: tuple[int, int], item: Item, record: ClipRecord, out: np.ndarray | None = None) -> Example | ElsaError:
        """One example; its sound in `out`, if that is given."""
        epoch, index = at
        try:
            sound = self._prepared(item, record, out)
        except ElsaError as fault:
            return fault
        at = self.cfg.seed, self.split, epoch, index
        key, turn = example_key(*at), turn_key(self.cfg.data.negatives, *at)
        label = self.labels.get(record.label, -1)
        if record.recorded:
            counts = self.split == "train" or item.version == 0  # a recording's versions are the same outside training
            return Example(item, key, record.with_captions(), label if counts else -1, foa=sound, turn_key=turn)
        return Example(item, key, record.with_captions(), label, sound, turn_key=turn)

    def _prepared(self, item: Item, record: ClipRecord, out: np.ndarray | None) -> np.ndarray:
        rate = self.cfg.audio.sample_rate
        if self._last[0] != item.clip:  # versions of a clip are neighbours outside training and in a cache
            self._last = (-1, None)  # its memory can be had again
            self._last = (item.clip, self.sounds.load(record, rate))
        try:
            if not record.recorded:
                return prepare(self._last[1], rate, self.cfg.audio, item.crop, self.lead, out)
            sound = prepare_foa(self._last[1], rate, self.cfg.audio, item.crop)
        except DataError as fault:
            raise DataError(f"clip '{record.clip_id}' ({record.audio or self.corpus.name}): {fault.message}", fault.remedy) from fault
        if out is None:
            return sound
        out[:] = sound
        return out


class Batched(list):
    """Examples whose sounds lie in a batch's memory already.

    Args:
        mono: `(S, P + T)`, of those that have one, in order; None if none has.
        recordings: `(R, 4, T)`, likewise.
    """

    def __init__(self, mono: torch.Tensor | None, recordings: torch.Tensor | None) -> None:
        super().__init__()
        self.mono, self.recordings = mono, recordings


class CachedDataset:
    """Examples whose features were rendered before (`feature_cache`).

    Args:
        cfg: the experiment.
        corpus: that the cache was rendered from.
        cache: of the split.

    Raises:
        DataError: the cache was rendered from other clips.
    """

    def __init__(self, cfg: Experiment, corpus: Corpus, cache: FeatureCache) -> None:
        self.seed, self.cache, self.split, self.negatives = cfg.seed, cache, cache.split, cfg.data.negatives
        self.records = cache.records
        names = {label: i for i, label in enumerate(corpus.labels)}
        self.labels = [names.get(record.label, -1) for record in self.records]
        if [record.clip_id for record in corpus.records(cache.split)] != [record.clip_id for record in cache.records]:
            raise DataError(f"{cache.folder} holds other clips than the corpus '{corpus.name}'", "delete the folder: it is rendered again")

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, at: tuple[int, int]) -> Example:
        epoch, index = at
        row = self.cache.row(index)
        clip = int(row["clip"])
        item = Item(clip, int(row["version"]), int(row["room"]), bool(row["is_spatial"]), int(row["render_key"]), None)
        spatial = {name: float(row[name]) for name in self.cache.label_names}
        log_mel, intensity = self.cache.log_mel[index], self.cache.intensity[index]
        at = self.seed, self.split, epoch, index
        key, turn = example_key(*at), turn_key(self.negatives, *at)
        counts = self.split == "train" or item.version == 0 or not self.records[clip].recorded
        label = self.labels[clip] if counts else -1
        return Example(item, key, self.records[clip], label, None, None, log_mel, intensity, spatial, turn)


class SilentDataset:
    """The examples of a training split without sound or features: what their captions need, before anything is rendered.

    Args:
        cfg: the experiment.
        corpus: sounds.
        bank: rooms of the split.
    """

    def __init__(self, cfg: Experiment, corpus: Corpus, bank: RoomBank) -> None:
        self.seed, self.streamed, self.negatives = cfg.seed, cfg.data.rendering == "stream", cfg.data.negatives
        self.records = [record.with_captions() for record in corpus.records("train")]
        self.spatial = {name: values.cpu().numpy() for name, values in bank.labels.items()}
        elevation, distance, azimuth = (self.spatial[name] for name in ("elevation", "distance_m", "azimuth"))
        self.pairing = Pairing(cfg, self.records, "train", elevation, bank.simulated, distance, azimuth)

    def __len__(self) -> int:
        return len(self.pairing)

    def __getitem__(self, at: tuple[int, int]) -> Example:
        epoch, index = at
        item = self.pairing.item(index, epoch if self.streamed else 0)  # a cache renders epoch 0
        record = self.records[item.clip]
        if record.recorded:
            spatial = counted_labels(record, item.version, train=True)
        else:
            spatial = {name: float(values[item.room]) for name, values in self.spatial.items()}
        at = self.seed, "train", epoch, index
        return Example(item, example_key(*at), record, -1, spatial=spatial, turn_key=turn_key(self.negatives, *at))


def collate(split: str, examples: Sequence[Example | ElsaError]) -> AudioTextBatch | Packed | ElsaError:
    """The DataLoader's `collate_fn`: `assemble`, and packed in a worker process (what arrives is the batch)."""
    batch = assemble(split, examples)
    return Packed(batch) if is_worker() and not isinstance(batch, ElsaError) else batch


def assemble(split: str, examples: Sequence[Example | ElsaError]) -> AudioTextBatch | ElsaError:
    """A batch from examples. The first fault, if there is one, takes the batch's place."""
    for example in examples:
        if isinstance(example, ElsaError):
            return example
    items = [example.item for example in examples]
    batch = AudioTextBatch(
        split=split,
        key=_integers(example.key for example in examples),
        turn_key=_integers(example.key if example.turn_key is None else example.turn_key for example in examples),
        render_key=_integers(item.render_key for item in items),
        clip=_integers(item.clip for item in items),
        version=_integers(item.version for item in items),
        records=[example.record for example in examples],
        label=_integers(example.label for example in examples),
        room=_integers(item.room for item in items),
        is_spatial=torch.tensor([item.is_spatial for item in items]),
    )
    if isinstance(examples, Batched):
        batch.mono, batch.recordings = examples.mono, examples.recordings
        return batch
    mono = [example.mono for example in examples if example.mono is not None]
    recordings = [example.foa for example in examples if example.foa is not None]
    if mono:
        batch.mono = stacked(mono)  # (S, P + T)
    if recordings:
        batch.recordings = stacked(recordings)  # (R, 4, T)
    if mono or recordings:
        return batch
    batch.spatial = {name: torch.tensor([example.spatial[name] for example in examples]) for name in examples[0].spatial}
    if examples[0].log_mel is not None:
        log_mel = stacked([example.log_mel for example in examples])  # (B, 1, F, M)
        intensity = stacked([example.intensity for example in examples])  # (B, 6, F, K)
        batch.features = Features(log_mel, intensity)
    return batch


def _integers(values) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.int64)
