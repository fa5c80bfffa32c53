"""Captions of clips of which only embeddings and labels are at hand: what a captioner learns to say, and what it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from torch import Tensor

from elsa_lightning.captions.attributes import RULES, SpatialWords, words_of_all
from elsa_lightning.data.captioning import Captioner
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.errors import DataError
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of


class EmbeddedCaptions:
    """Item i is version i mod V of clip i div V (`pairing`), V being as many as the items are times the clips.

    Args:
        cfg: the experiment.
        records: the split's clips.
        labels: `(N,)` each, of all items: azimuth, elevation [rad], distance_m, floor_area_m2, t30_s; NaN where nobody knows.
        is_spatial: `(N,)` bool: the others have no place to tell of.

    Raises:
        DataError: items and clips do not go together.
    """

    def __init__(self, cfg: Experiment, records: Sequence[ClipRecord], labels: Mapping[str, Tensor], is_spatial: Tensor) -> None:
        if not records or not len(is_spatial) or len(is_spatial) % len(records):
            raise DataError(
                f"{len(is_spatial)} embeddings of {len(records)} clips: they were made of another corpus", "delete that embed run"
            )
        said = dataclasses.replace(cfg.captions, spatial_share=1.0, word_keep=cfg.captioner.word_keep)
        self.seed, self.records = cfg.seed, records
        self.versions = len(is_spatial) // len(records)
        self.writer = Captioner(dataclasses.replace(cfg, captions=said), lambda captions: {})
        columns = {key: labels[key].numpy() for key, _ in RULES.values()}
        words = words_of_all(columns)
        self.words = [word if heard else SpatialWords() for word, heard in zip(words, is_spatial.tolist(), strict=True)]
        self.is_spatial = is_spatial
        missing = {name: labels[key].isnan() for name, (key, _) in RULES.items()}
        self.unknown = [[name for name in RULES if missing[name][i]] for i in range(len(is_spatial))]
        self._plain: dict[int, ClipRecord] = {}

    def record(self, index: int) -> ClipRecord:
        """The clip of an item; a synthesised corpus writes its captions once."""
        clip = index // self.versions
        if clip not in self._plain:
            self._plain[clip] = self.records[clip].with_captions()
        return self._plain[clip]

    def training(self, index: int, epoch: int = 0) -> str:
        """One caption of a training item, another one each epoch: a function of (seed, epoch, index)."""
        key = seed_of("captioner caption", self.seed, epoch, index)
        text, _ = self.writer.training(self.record(index), key, self.words[index], bool(self.is_spatial[index]))
        return text

    def references(self, index: int) -> list[str]:
        """`captions.per_clip` captions of a test item with every word: those that its retrieval is tested with."""
        return self.writer.evaluation(self.record(index), index % self.versions, self.words[index])
