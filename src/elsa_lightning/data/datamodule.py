"""`SpatialAudioText`: from clips, rooms and captions to batches on the device.

    worker            clip → mono or recording (or cached features), keys of room and rendering
    before transfer   room source → labels, responses → yaw and mirror → captions → tokens    (main process; captions need the measured T30)
    after transfer    Spatializer → foa → features, or cached features turned; log-mel masks  (device, float32, no gradients)

The whole training is one Lightning epoch of `total_steps` batches; passes over the clips are the sampler's business. Evaluation uses the
banks' rooms, draws nothing anew and augments nothing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

import lightning
import torch
from torch.utils.data import DataLoader, Sampler

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.room_source import BankRooms, RoomSource, build_room_source
from elsa_lightning.captions.attributes import SpatialWords, words_of_all
from elsa_lightning.captions.templates import Drawn
from elsa_lightning.data.cache_files import FeatureCache
from elsa_lightning.data.captioning import Captioner, Tokenizer
from elsa_lightning.data.datasets import CachedDataset, ClipDataset, SilentDataset, assemble, collate
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.masking import vary_log_mel
from elsa_lightning.data.pairing import run_length
from elsa_lightning.data.processes import reading_worker, worker_context
from elsa_lightning.data.readers import Corpus
from elsa_lightning.data.recordings import internal_labels
from elsa_lightning.data.sampling import EvaluationBatchSampler, KeyedBatchSampler
from elsa_lightning.data.spatialize import Spatializer
from elsa_lightning.data.turning import draw_turns, turn_features, turn_labels
from elsa_lightning.data.types import PROBE, AudioTextBatch
from elsa_lightning.errors import ConfigError, DataError, ElsaError
from elsa_lightning.features import Features, FrontEnd
from elsa_lightning.schema import Experiment, TrainerConfig


class SpatialAudioText(lightning.LightningDataModule):
    """Batches of an experiment.

    Args:
        cfg: the experiment.
        corpus: sounds.
        banks: rooms by split.
        tokenizer: captions → tensors `(B, L)`.
        feature_cache: rendered features by split; splits without one are streamed.
        train_tokenizer: what turns training captions into tensors; None: `tokenizer`.

    Attributes:
        start_step: steps already done, set before `fit` to resume exactly there.
    """

    def __init__(
        self,
        cfg: Experiment,
        corpus: Corpus,
        banks: Mapping[str, RoomBank],
        tokenizer: Tokenizer,
        feature_cache: Mapping[str, FeatureCache] | None = None,
        train_tokenizer: Tokenizer | None = None,
    ) -> None:
        super().__init__()
        self.cfg, self.corpus, self.banks, self.tokenizer = cfg, corpus, banks, tokenizer
        self.caches = dict(feature_cache or {})
        self.start_step = 0
        self._step = 0
        self._datasets: dict[str, ClipDataset | CachedDataset] = {}
        self._spatializers: dict[str, Spatializer] = {}
        self._captioner = Captioner(cfg, tokenizer, train_tokenizer)
        self._front_end = FrontEnd(cfg.features, cfg.audio.sample_rate)

    # what there is

    def dataset(self, split: str) -> ClipDataset | CachedDataset:
        """The split's examples by (epoch, index)."""
        if split not in self._datasets:
            if split in self.caches:
                self._datasets[split] = CachedDataset(self.cfg, self.corpus, self.caches[split])
            else:
                keyed = split == "train" and self.cfg.rooms.mode != "bank"
                bank = None if keyed else self._bank(split)
                if bank is None:
                    self._datasets[split] = ClipDataset(self.cfg, self.corpus, split, None)
                else:
                    elevation, *others = (bank.labels[name].cpu().numpy() for name in ("elevation", "distance_m", "azimuth"))
                    self._datasets[split] = ClipDataset(self.cfg, self.corpus, split, elevation, bank.simulated, *others)
        return self._datasets[split]

    @property
    def train_items(self) -> int:
        """Examples of one epoch."""
        return len(self.dataset("train"))

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return total_steps(self.cfg.trainer, self.train_items)

    @property
    def test_clip_ids(self) -> list[str]:
        """The test gallery, in order."""
        return [record.clip_id for record in self.test_records]

    @property
    def test_records(self) -> Sequence[ClipRecord]:
        """The clips of the test gallery, in order."""
        return self.dataset("test").records

    def test_words(self) -> list[SpatialWords]:
        """The words of each test clip's first version."""
        dataset = self.dataset("test")
        if isinstance(dataset, CachedDataset):
            first = dataset.cache.columns["version"] == 0
            heard = dataset.cache.columns["is_spatial"][first]
            labels = {name: dataset.cache.columns[name][first] for name in dataset.cache.label_names}
        else:
            items = [dataset.pairing.item(clip * dataset.pairing.versions) for clip in range(len(dataset.records))]
            rooms, heard = torch.tensor([item.room for item in items]), [item.is_spatial for item in items]
            labels = {name: values.cpu().numpy() for name, values in self._bank("test").label(rooms).items()}
            for row, record in enumerate(dataset.records):
                for name, value in internal_labels(record).items() if record.recorded else ():
                    labels[name][row] = value
        return [word if spatial else SpatialWords() for word, spatial in zip(words_of_all(labels), heard, strict=True)]

    def test_captions(self, words: Sequence[SpatialWords] | None = None) -> list[list[str]]:
        """`captions.per_clip` spatial captions of each test clip's first version, in order, with its own words or these."""
        said = zip(self.test_records, words or self.test_words(), strict=True)
        return [self._captioner.evaluation(record, 0, word) for record, word in said]

    def training_captions(self) -> Iterator[list[str]]:
        """The captions (and other texts) of each step of a cached training, over all ranks, from its rooms' labels alone.

        Raises:
            ConfigError: a stream renders at each step: there is nothing to foresee for.
        """
        if self.cfg.data.rendering != "cached":
            raise ConfigError("captions are foreseen for cached rendering only", "set data.rendering: cached")
        for batch in self._silent_batches():
            self._captioner.write(batch)
            yield [*batch.captions, *itertools.chain(*batch.texts.values())]

    def training_templates(self) -> Iterator[list[tuple[str, Drawn]]]:
        """Of each training step, over all ranks: the clips' captions and the templates that say them with words (`Captioner.templates`).

        Raises:
            ConfigError: the rooms are rendered during training, so that their words are not known before.
        """
        if self.cfg.rooms.mode != "bank":
            remedy = "set rooms.mode: bank"
            raise ConfigError(f"`rooms.mode` is {self.cfg.rooms.mode}: the words of its rooms are known only while training", remedy)
        for batch in self._silent_batches():
            yield list(self._captioner.templates(batch))

    def _silent_batches(self) -> Iterator[AudioTextBatch]:
        dataset = SilentDataset(self.cfg, self.corpus, self._bank("train"))
        steps = total_steps(self.cfg.trainer, len(dataset))
        for items in self._train_sampler(len(dataset), 0, 1, steps, 0):
            batch = assemble("train", [dataset[at] for at in items])
            self._turn(batch)
            yield batch

    @property
    def captions_drawn(self) -> dict[str, int]:
        """How many training captions of each kind (`plain`, `template`, `rewrite`) this process has written."""
        return dict(sorted(self._captioner.drawn.items()))

    def in_measured_room(self, batch: AudioTextBatch) -> torch.Tensor | None:
        """`(B,)` bool, of a test batch; None where all test rooms are of one kind."""
        bank = self._bank("test")
        return batch.room >= bank.simulated if batch.split == "test" and 0 < bank.simulated < len(bank) else None

    # loaders

    def train_dataloader(self) -> DataLoader:
        """Batches of the remaining steps."""
        self._step = self.start_step
        sampler = self._train_sampler(self.train_items, *self._rank_and_world(), self._trained_steps(), self.start_step)
        return self._loader("train", sampler)

    def _train_sampler(self, items: int, rank: int, world: int, steps: int, start: int) -> KeyedBatchSampler:
        cfg = self.cfg
        return KeyedBatchSampler(items, cfg.trainer.batch_size, cfg.seed, rank, world, steps, start, run_length(cfg.data))

    def val_dataloader(self) -> DataLoader:
        """Every validation item once."""
        return self._evaluation("val")

    def test_dataloader(self) -> DataLoader:
        """Every test item once, versions of a clip together."""
        return self._evaluation("test")

    def probe_dataloader(self) -> DataLoader:
        """What probes of frozen embeddings are trained on: the training items of epoch 0, roughened as in training (so are
        cached ones), without yaw, masks or captions."""
        return self._loader("train", self._every_item("train"), PROBE)

    def _evaluation(self, split: str) -> DataLoader:
        return self._loader(split, self._every_item(split))

    def _every_item(self, split: str) -> Sampler:
        items, (rank, world) = len(self.dataset(split)), self._rank_and_world()
        if not items:
            remedy = f'give some of its clips "split": "{split}"; a tenth of the training clips will do'
            raise DataError(f"corpus '{self.corpus.name}' has no {split} clips", remedy)
        if items < world:  # a rank without any would skip the evaluation in which the others wait for it
            raise ConfigError(f"{items} {split} examples cannot be shared among {world} devices", f"use at most {items} devices")
        return EvaluationBatchSampler(items, self.cfg.evaluation.batch_size, rank, world)

    def _loader(self, split: str, sampler: Sampler, use: str = "") -> DataLoader:
        workers = self.cfg.data.workers
        return DataLoader(
            self.dataset(split),
            batch_sampler=sampler,
            collate_fn=functools.partial(collate, use or split),
            num_workers=workers,
            worker_init_fn=reading_worker if workers else None,
            multiprocessing_context=worker_context() if workers else None,
            pin_memory=torch.cuda.is_available(),
        )

    # hooks

    def on_before_batch_transfer(self, batch: AudioTextBatch | ElsaError, dataloader_idx: int = 0) -> AudioTextBatch:
        """Rooms' labels, yaw and mirror, captions and tokens.

        Raises:
            DataError: a clip of the batch cannot be used.
        """
        if isinstance(batch, ElsaError):
            raise batch
        train = batch.split == "train"
        if batch.features is None:
            self._spatializer(batch.split).place(batch, self._step)
        if train:
            self._step += 1
            self._turn(batch)
        return batch if batch.split == PROBE else self._captioner(batch)

    def _turn(self, batch: AudioTextBatch) -> None:
        batch.yaw, batch.mirror = draw_turns(batch, self.cfg)
        batch.spatial = turn_labels(batch.spatial, batch.yaw, batch.mirror)

    def transfer_batch_to_device(self, batch: AudioTextBatch, device: torch.device, dataloader_idx: int = 0) -> AudioTextBatch:
        """The batch on the device."""
        return batch.to(device)

    @torch.no_grad()
    def on_after_batch_transfer(self, batch: AudioTextBatch | ElsaError, dataloader_idx: int = 0) -> AudioTextBatch:
        """Sound and features on the batch's device; a batch that comes straight from a loader is placed and captioned first."""
        if isinstance(batch, ElsaError) or not batch.spatial or (not batch.captions and batch.split != PROBE):
            batch = self.on_before_batch_transfer(batch, dataloader_idx)
        device = batch.key.device
        with torch.autocast(device.type, enabled=False):
            if batch.features is None:
                batch = self._rendered(batch.to(device))
            elif batch.yaw is not None:
                batch.features = turn_features(batch.features, batch.yaw, batch.mirror)
            if batch.split == "train":
                batch.features.log_mel = vary_log_mel(batch.features.log_mel, batch.key, self.cfg.augmentation)
        return batch

    # parts

    def _rendered(self, batch: AudioTextBatch) -> AudioTextBatch:
        """The batch with sound and features. One that is computed in chunks is rendered in chunks and keeps the features alone."""
        spatializer, chunks = self._spatializer(batch.split), self.cfg.trainer.chunks
        if batch.split != "train" or chunks == 1:
            return spatializer(batch)
        features = [spatializer(part).features for part in batch.chunks(chunks)]
        batch.features = Features(torch.cat([one.log_mel for one in features]), torch.cat([one.intensity for one in features]))
        batch.mono = batch.rir = None
        return batch

    def _spatializer(self, split: str) -> Spatializer:
        split = "train" if split == PROBE else split
        if split not in self._spatializers:
            self._spatializers[split] = Spatializer(self._room_source(split), self.cfg, self._front_end)
        return self._spatializers[split]

    def _room_source(self, split: str) -> RoomSource:
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        rate = self.cfg.audio.sample_rate
        if split == "train" and self.cfg.rooms.mode != "bank":
            return build_room_source(self.cfg.rooms, rate, self.banks.get(split), device)
        bank = self._bank(split)
        if bank.sample_rate != rate:
            raise ConfigError(
                f"the bank of {split} rooms was built at {bank.sample_rate} Hz, audio.sample_rate is {rate}", "build a bank for this rate"
            )
        return BankRooms(bank, device)

    def _bank(self, split: str) -> RoomBank:
        if split not in self.banks:
            raise ConfigError(f"there is no bank of {split} rooms", "simulate it first (stage rooms)")
        return self.banks[split]

    def _rank_and_world(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _trained_steps(self) -> int:
        limit = self.trainer.max_steps if self.trainer is not None else -1
        return limit if limit > 0 else self.total_steps


def total_steps(cfg: TrainerConfig, items: int) -> int:
    """Steps of a training whose epochs hold this many items."""
    return cfg.steps or cfg.epochs * max(1, items // cfg.batch_size)
