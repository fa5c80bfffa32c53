"""One item of a split as training (epoch 0) or evaluation hears it: the same parts in the same order as `SpatialAudioText`.

Each item is rendered as a batch of its own by one thread, so that its samples do not depend on its neighbours: transforms of several
rows at once differ from those of one in the last bits (some 10⁻⁶ of W's level).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from elsa_lightning.acoustics.measure import LABELS
from elsa_lightning.captions.attributes import ANGLES, SpatialWords, words_of
from elsa_lightning.data.captioning import Captioner
from elsa_lightning.data.datasets import ClipDataset, assemble
from elsa_lightning.data.export.rooms import Rooms
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.readers import Corpus
from elsa_lightning.data.spatialize import Spatializer
from elsa_lightning.data.turning import draw_turns, turn_labels
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import DataError, ElsaError
from elsa_lightning.schema import Experiment

LAYOUT = "foa_acn_sn3d"
"""Of every exported clip, in the manifest's words: W Y Z X, SN3D."""

DIGITS = 6
"""Decimals of labels in a manifest."""


@dataclass(frozen=True)
class Heard:
    """One item.

    Attributes:
        foa: `(4, T)` float32, ACN/SN3D, W of RMS 1.
        line: what the manifest says of it, but for its file.
    """

    foa: np.ndarray
    line: dict[str, Any]


class Items:
    """The items of one split.

    Args:
        cfg: the experiment.
        corpus: sounds.
        split: train, val or test.
        rooms: of the split.
    """

    def __init__(self, cfg: Experiment, corpus: Corpus, split: str, rooms: Rooms) -> None:
        self.cfg, self.corpus, self.split, self.rooms = cfg, corpus, split, rooms
        self.dataset = ClipDataset(cfg, corpus, split, rooms.elevation, distance=rooms.distance, azimuth=rooms.azimuth)
        self._spatializer = Spatializer(rooms.source, cfg)
        self._captioner = Captioner(cfg, lambda captions: {})

    def __len__(self) -> int:
        return len(self.dataset)

    @torch.no_grad()
    def batch(self, index: int) -> AudioTextBatch:
        """Item `index` as a batch of one, with its sound, labels and captions.

        Raises:
            DataError: the clip cannot be used, or its sound is not finite.
        """
        batch = assemble(self.split, [self.dataset[0, index]])
        if isinstance(batch, ElsaError):
            raise batch
        self._spatializer.place(batch)
        if self.split == "train":
            batch.yaw, batch.mirror = draw_turns(batch, self.cfg)
            batch.spatial = turn_labels(batch.spatial, batch.yaw, batch.mirror)
        self._captioner.write(batch)
        batch = self._spatializer(batch)
        if not batch.foa.isfinite().all():
            raise DataError(
                f"the sound of clip '{batch.clip_id[0]}' is not finite", "look at this clip and at the room bank (`elsa data check`)"
            )
        return batch

    def heard(self, index: int) -> Heard:
        """Item `index`: its sound and its line."""
        batch = self.batch(index)
        return Heard(batch.foa[0].numpy(), self._line(index, batch))

    def _line(self, index: int, batch: AudioTextBatch) -> dict[str, Any]:
        record, version, spatial = batch.records[0], int(batch.version[0]), bool(batch.is_spatial[0])
        labels = {name: values[0].item() for name, values in batch.spatial.items()}
        words = words_of(labels) if spatial else SpatialWords()
        rate = self.cfg.audio.sample_rate
        exported = ClipRecord(
            clip_id=f"{record.clip_id}/v{version}",
            split=self.split,
            label=record.label,
            captions=record.captions,
            source=record.source or f"{self.corpus.name}:{record.clip_id}",
            licence=record.licence,
            duration_s=round(batch.foa.shape[-1] / rate, DIGITS),
            sample_rate=rate,
            layout=LAYOUT,
            spatial_captions=tuple(self._captions(batch, words)) if spatial else (),
            **(_in_degrees({name: labels[name] for name in LABELS}) if spatial else {}),
        )
        line = exported.to_dict() | ({"heard_as": batch.captions[0]} if self.split == "train" else {})
        line |= {"is_spatial": spatial, "words": dict(words.items()), "of": record.clip_id, "item": index, "version": version}
        return line | self._provenance(batch, spatial)

    def _captions(self, batch: AudioTextBatch, words: SpatialWords) -> list[str]:
        """With every word: those of evaluation; for a training item, what evaluation would say of it."""
        if batch.caption_sets:
            return batch.caption_sets[0]
        return self._captioner.evaluation(batch.records[0], int(batch.version[0]), words)

    def _provenance(self, batch: AudioTextBatch, spatial: bool) -> dict[str, Any]:
        """What the item can be rendered from again; the room as it was simulated, before yaw and mirror."""
        known: dict[str, Any] = {"render_key": int(batch.render_key[0])}
        if batch.yaw is not None and (self.cfg.augmentation.yaw or self.cfg.augmentation.mirror):
            known |= {"yaw": round(math.degrees(batch.yaw[0].item()), DIGITS), "mirrored": bool(batch.mirror[0])}
        if spatial:
            room = int(batch.room[0])
            scene = self.rooms.scene(room)
            places = {name: [round(v, DIGITS) for v in getattr(scene, name)[0].tolist()] for name in ("size", "source", "microphone")}
            identity = {"bank": self.rooms.bank_hash, "index": room} if self.rooms.bank_hash else {"key": room}
            known["room"] = identity | {f"{name}_m": place for name, place in places.items()}
        return known


def _in_degrees(labels: dict[str, float]) -> dict[str, float]:
    """Labels in the manifest's units; one that could not be measured is left out."""
    known = {name: value for name, value in labels.items() if math.isfinite(value)}
    named = {f"{name}_deg" if name in ANGLES else name: _degrees(value) if name in ANGLES else value for name, value in known.items()}
    return {name: round(value, DIGITS) + 0.0 for name, value in named.items()}


def _degrees(angle: float) -> float:
    """Within ±180: π in float32 is a little more than π."""
    return max(-180.0, min(180.0, math.degrees(angle)))
