"""`torchmetrics.Metric`s around the pure functions: collect over batches, synchronise over ranks, drop what a sampler repeated.

Every item carries its key. A padded distributed sampler repeats items; at the end each key counts once, repeated items must agree, and
the number of keys must be the expected one, so that a metric does not depend on the number of devices. Call `update` and `compute`
(`forward` would compute on one batch). Keys of different items must differ: two spatial versions of a clip have two keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from elsa_lightning.errors import DataError, RunError
from elsa_lightning.metrics.localization import localization_metrics
from elsa_lightning.metrics.retrieval import caption_groups, retrieval_metrics
from elsa_lightning.metrics.zero_shot import zero_shot_from_scores, zero_shot_scores
from elsa_lightning.seeding import seed_of

REPEAT_TOLERANCE = 0.05
"""Largest relative difference of a repeated item's values: half precision in batches of other sizes stays below, another item does not."""


class KeyedMetric(Metric):
    """Columns of flat tensors. Each begins with an empty one of its dtype, so that a rank without data takes part in the synchronisation.

    Args:
        expected: number of distinct keys there must be at the end; None: any.
    """

    full_state_update = False
    is_differentiable = False
    columns: ClassVar[dict[str, torch.dtype]] = {}

    def __init__(self, expected: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.expected = expected
        for name in self.columns:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        super().reset()
        for name, dtype in self.columns.items():
            getattr(self, name).append(torch.empty(0, dtype=dtype, device=self.device))

    def _collect(self, **values: Tensor) -> None:
        for name, value in values.items():
            getattr(self, name).append(value.detach().to(self.device, self.columns[name]).flatten())

    def _column(self, name: str, count: int | None = None) -> Tensor:
        """All of a column: `(n,)`, or `(count, n / count)`."""
        flat = dim_zero_cat(getattr(self, name))
        return flat if count is None else flat.reshape(count, -1) if count else flat.reshape(0, 1)

    def _require_expected(self, found: int) -> None:
        if self.expected is not None and found != self.expected:
            raise RunError(
                f"{type(self).__name__} saw {found} items instead of {self.expected}",
                "evaluate the whole split, each item at least once and under its own key",
            )


def first_of_each(key: Tensor, *values: Tensor) -> Tensor:
    """Row of the first occurrence of each key, in ascending order of keys.

    Args:
        key: `(n,)` or `(n, k)` integers.
        values: `(n, …)`, which must agree wherever keys do.

    Raises:
        DataError: one key with different values.
    """
    unique, inverse = key.unique(dim=0, return_inverse=True)  # (u, …), (n,)
    rows = torch.arange(len(key), device=key.device)
    first = torch.full((len(unique),), len(key), device=key.device).scatter_reduce(0, inverse, rows, "amin")  # (u,)
    for value in values:
        here, there = (x.reshape(len(key), -1).double() for x in (value, value[first[inverse]]))  # (n, …)
        allowed = REPEAT_TOLERANCE * (1 + there.norm(dim=1)) if value.is_floating_point() else 0
        wrong = ((here - there).norm(dim=1) > allowed).nonzero().flatten().tolist()
        if wrong:
            raise DataError(
                f"key {key[wrong[0]].tolist()} occurs twice with different values",
                "give each clip version and each of its captions a key of its own",
            )
    return first


class RetrievalMetric(KeyedMetric):
    """`retrieval_metrics` of all clips and captions."""

    higher_is_better = True
    columns: ClassVar = {
        "audio": torch.float32,
        "key": torch.int64,
        "text": torch.float32,
        "text_key": torch.int64,
        "text_id": torch.int64,
        "group": torch.int64,
    }

    def update(
        self,
        audio: Tensor,
        text: Tensor,
        key: Tensor,
        captions: Sequence[str] | None = None,
        text_key: Tensor | None = None,
        text_id: Tensor | None = None,
    ) -> None:
        """Add clips and captions.

        Args:
            audio: `(B, E)` embeddings of the clips (B may be 0).
            text: `(T, E)` embeddings of captions, not necessarily of these clips (T may be 0).
            key: `(B,)` integers, one for each clip of the gallery.
            captions: T texts, for the `dup/…` values and to tell a clip's captions apart.
            text_key: `(T,)` the clip's key of each caption; None: caption i is clip i's.
            text_id: `(T,)` tells the captions of one clip apart; None: by their wording, so that a wording repeated in a clip counts once.
        """
        text_key = key if text_key is None else text_key
        group = torch.full_like(text_key, -1) if captions is None else caption_groups(captions)
        if text_id is None:
            wordings = [0] * len(text_key) if captions is None else [seed_of("wording", caption) for caption in captions]
            text_id = torch.tensor(wordings, dtype=torch.int64)
        counts = (len(text), len(text_key), len(group), len(text_id))
        if len(audio) != len(key) or len(set(counts)) > 1:
            raise ValueError(f"{len(audio)} clips with {len(key)} keys; captions, their keys, groups and ids number {counts}")
        self._collect(audio=audio, key=key, text=text, text_key=text_key, text_id=text_id, group=group)

    def compute(self) -> dict[str, float]:
        key, text_key, group = self._column("key"), self._column("text_key"), self._column("group")
        audio, text = self._column("audio", len(key)), self._column("text", len(text_key))
        clips = first_of_each(key, audio)
        self._require_expected(len(clips))
        texts = first_of_each(torch.stack((text_key, self._column("text_id")), dim=1), text, group)
        known, wanted, group = key[clips], text_key[texts], group[texts]
        lost = ~torch.isin(wanted, known)
        if bool(lost.any()):
            first = wanted[lost][0].item()
            raise DataError(f"{int(lost.sum())} captions belong to clips without an embedding (first key: {first})", "embed these too")
        row = torch.searchsorted(known, wanted)  # `known` ascends
        return retrieval_metrics(audio[clips], text[texts], row, group if bool((group >= 0).all()) else None)


class ZeroShotMetric(KeyedMetric):
    """`zero_shot` of all clips; `confusion` is a tensor and no scalar to log."""

    higher_is_better = True
    columns: ClassVar = {"scores": torch.float64, "labels": torch.int64, "key": torch.int64}

    def update(self, audio: Tensor, prompts: Tensor, labels: Tensor, key: Tensor) -> None:
        """Add clips: `audio (B, E)`, `prompts (C, E)` or `(C, P, E)`, `labels (B,)` with −1 for none, `key (B,)`."""
        self._collect(scores=zero_shot_scores(audio, prompts), labels=labels, key=key)

    def compute(self) -> dict[str, float | Tensor]:
        key, labels = self._column("key"), self._column("labels")
        scores = self._column("scores", len(key))
        clips = first_of_each(key, scores, labels)
        self._require_expected(len(clips))
        return zero_shot_from_scores(scores[clips], labels[clips])


class LocalizationMetric(KeyedMetric):
    """`localization_metrics` of all clips."""

    higher_is_better = False
    columns: ClassVar = {
        "direction": torch.float64,
        "target_direction": torch.float64,
        "distance_m": torch.float64,
        "target_distance_m": torch.float64,
        "key": torch.int64,
    }

    def update(
        self,
        direction: Tensor,
        target_direction: Tensor,
        key: Tensor,
        distance_m: Tensor | None = None,
        target_distance_m: Tensor | None = None,
    ) -> None:
        """Add clips: directions `(B, 3)`, `key (B,)` and, in every call or in none, distances `(B,)` in m."""
        self._collect(direction=direction, target_direction=target_direction, key=key)
        if distance_m is not None and target_distance_m is not None:
            self._collect(distance_m=distance_m, target_distance_m=target_distance_m)

    def compute(self) -> dict[str, float]:
        key = self._column("key")
        direction, target = self._column("direction").reshape(-1, 3), self._column("target_direction").reshape(-1, 3)
        pairs = [self._column("distance_m"), self._column("target_distance_m")]
        if len(pairs[0]) not in (0, len(key)):
            raise ValueError(f"{len(key)} directions but {len(pairs[0])} distances: give distances in every update or in none")
        distances = pairs if len(pairs[0]) else []
        clips = first_of_each(key, target, *distances[1:])
        self._require_expected(len(clips))
        return localization_metrics(direction[clips], target[clips], *(d[clips] for d in distances))
