"""What travels from the data to the model: one batch of sounds, rooms and captions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import direction_from_angles
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.features import Features

PROBE = "probe"
"""Split of the batches that probes of frozen embeddings are trained on: training items, see `SpatialAudioText.probe_dataloader`."""


@dataclass
class AudioTextBatch:
    """B examples. It leaves the workers with the fields up to `mono`; the datamodule fills the rest in.

    The labels of a non-spatial example (`is_spatial` false) are those of a room that nobody hears: not for training or scoring. A label
    that nobody knows of a recording is NaN.
    """

    split: str
    """train, val, test or probe (training items, rendered as in epoch 0)."""
    key: Tensor
    """`(B,)` int64: unique per draw of an example, the key of everything random about it (captions, yaw, masks)."""
    render_key: Tensor
    """`(B,)` int64: the key of its rendering (noise); without the training seed and, in a cache, without the epoch."""
    clip: Tensor
    """`(B,)` int64: row of the clip in the split's records."""
    version: Tensor
    """`(B,)` int64: spatial version of the clip."""
    records: list[ClipRecord]
    """The clips, with their own captions."""
    label: Tensor
    """`(B,)` int64 sound class, −1 for none."""
    room: Tensor
    """`(B,)` int64: what the room source draws by."""
    is_spatial: Tensor
    """`(B,)` bool."""
    turn_key: Tensor | None = None
    """`(B,)` int64: the key of yaw and mirror: `key`, or what the two versions of a pair share (`data.negatives: hard_spatial`)."""
    mono: Tensor | None = None
    """`(S, P + T)`: the clips that are placed in rooms (all, or those not `is_recorded`, in order), of RMS 1, after P samples of what the
    sound did before (`audio.preroll`); None if there are none, or features were cached."""
    recordings: Tensor | None = None
    """`(R, 4, T)` ACN/SN3D: the clips that are recordings, in order, W of RMS 1; None likewise."""
    features: Features | None = None
    """Log-mel and intensity, after yaw and mirror."""
    rir: Tensor | None = None
    """`(S, 4, R)` until the batch is rendered."""
    foa: Tensor | None = None
    """`(B, 4, T)` ACN/SN3D, W of RMS 1, after yaw and mirror; None if features were cached."""
    spatial: dict[str, Tensor] = field(default_factory=dict)
    """`(B,)` labels after yaw and mirror: azimuth, elevation [rad], distance_m, floor_area_m2, volume_m3, t30_s, c50_db, drr_db; NaN where
    a recording's is unknown."""
    yaw: Tensor | None = None
    """`(B,)` radians, counter-clockwise."""
    mirror: Tensor | None = None
    """`(B,)` bool; mirrored before the yaw."""
    captions: list[str] = field(default_factory=list)
    """B; in evaluation the first of `caption_sets`."""
    caption_sets: list[list[str]] = field(default_factory=list)
    """Evaluation: `captions.per_clip` captions of each example. Training: empty."""
    plain: Tensor | None = None
    """Training: `(B,)` bool, captions without spatial words."""
    tokens: dict[str, Tensor] = field(default_factory=dict)
    """Of `captions`: `attention_mask (B, L)` with `input_ids (B, L)`, or with `states (B, L, H)` where these were computed before."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    """Training with `model.what_where`: `what` and `where`, B texts each; else empty."""
    text_tokens: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Tokens of `texts`, as `tokens`."""
    said: Tensor | None = None
    """`(B, A)` int64 beside `texts`: the word of each attribute that the text of *where* says, as a code (`captions.what_where`)."""
    heard: Tensor | None = None
    """`(B, A)` int64 beside `texts`: the word that holds."""

    def __len__(self) -> int:
        return len(self.records)

    @property
    def clip_id(self) -> list[str]:
        """Names of the clips."""
        return [record.clip_id for record in self.records]

    @property
    def is_recorded(self) -> Tensor:
        """`(B,)` bool: clips that are ambisonics already."""
        return torch.tensor([record.recorded for record in self.records], device=self.key.device)

    @property
    def direction(self) -> Tensor:
        """`(B, 3)` unit vectors towards the source; NaN where azimuth or elevation is unknown."""
        return direction_from_angles(self.spatial["azimuth"], self.spatial["elevation"])

    def chunks(self, count: int) -> list[AudioTextBatch]:
        """The batch in that many parts of equal size, in order.

        Args:
            count: a divisor of B.
        """
        size = len(self) // count
        return [self._part(slice(first, first + size)) for first in range(0, len(self), size)]

    def _part(self, rows: slice) -> AudioTextBatch:
        """Some of the examples. (Every tensor has B rows, and so has every list but `caption_sets`, which training leaves empty.)"""
        part = self._map(lambda tensor: tensor[rows])
        for name in ("records", "captions", "caption_sets"):
            setattr(part, name, getattr(part, name)[rows])
        part.texts = {name: texts[rows] for name, texts in self.texts.items()}
        return part

    def to(self, device: torch.device | str, non_blocking: bool = True) -> AudioTextBatch:
        """The batch on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> AudioTextBatch:
        """The batch in page-locked memory (called by the DataLoader)."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> AudioTextBatch:
        return AudioTextBatch(**{f.name: _map_value(getattr(self, f.name), function) for f in fields(self)})


def _map_value(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Features):
        return Features(function(value.log_mel), function(value.intensity))
    if isinstance(value, dict):
        return {name: _map_value(item, function) for name, item in value.items()}
    return value
