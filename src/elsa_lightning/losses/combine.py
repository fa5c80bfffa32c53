"""The training loss: named terms times their weights."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from elsa_lightning.errors import ConfigError
from elsa_lightning.losses.contrastive import clip_loss, sigmoid_loss
from elsa_lightning.losses.partners import Partners
from elsa_lightning.losses.spatial import TargetScale, area_loss, direction_loss, distance_loss, known
from elsa_lightning.schema import LossConfig


class SpatialTargets(Protocol):
    """What the loss reads of a batch."""

    direction: Tensor
    """`(B, 3)` unit vectors towards the source."""
    spatial: dict[str, Tensor]
    """`distance_m (B,)`, m; `floor_area_m2 (B,)`, m²; NaN where unknown, as in `direction`."""
    is_spatial: Tensor
    """`(B,)` bool: examples that have a place at all."""


class ElsaLoss:
    """Σ weight · term over clip, direction, distance and area; a term of weight 0 is not computed.

    The clip term has one form, `loss.clip.form`: `clip_loss` or `sigmoid_loss`.

    Args:
        cfg: weights, the contrastive form, and whether targets are standardised.
        scales: `distance` (of metres) and `area` (of ln m²), needed by standardised terms of positive weight.

    Raises:
        ConfigError: a weight is negative or not finite, all are 0, or a scale is missing.
    """

    def __init__(self, cfg: LossConfig, scales: dict[str, TargetScale]) -> None:
        self.weights = {name: getattr(cfg, name).weight for name in ("clip", "direction", "distance", "area")}
        for name, weight in self.weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ConfigError(f"loss.{name}.weight is {weight}", "give a finite weight, 0 or larger")
        if not any(self.weights.values()):
            raise ConfigError("every loss term has weight 0", "give one of loss.{clip,direction,distance,area}.weight a positive value")
        self.form = cfg.clip.form
        self.scales: dict[str, TargetScale | None] = {}
        for name in ("distance", "area"):
            standardized = getattr(cfg, name).standardize
            if standardized and self.weights[name] and name not in scales:
                raise ConfigError(f"loss.{name} is standardised but no scale of its target is given", f"set loss.{name}.standardize: false")
            self.scales[name] = scales.get(name) if standardized else None

    def __call__(
        self, outputs: dict[str, Tensor], targets: SpatialTargets, partners: Partners | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The total to minimise and the unweighted, detached terms to log.

        Args:
            outputs: of `ElsaModel.forward`: `audio`, `text (B, E)`, `logit_scale` (1 / temperature), `direction (B, 3)`, `distance (B,)`,
                `area (B,)`; with the sigmoid form also `logit_bias`; only those of the terms in use are read.
            targets: the batch.
            partners: for the contrastive term, see `losses.contrastive`.

        Returns:
            `(total, terms)`: scalar, and name → scalar for each term of positive weight.
        """
        terms = {name: self._term(name, outputs, targets, partners) for name, weight in self.weights.items() if weight}
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return total, {name: value.detach() for name, value in terms.items()}

    def _term(self, name: str, outputs: dict[str, Tensor], targets: SpatialTargets, partners: Partners | None) -> Tensor:
        if name == "clip" and self.form == "sigmoid":
            return sigmoid_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], outputs["logit_bias"], partners=partners)
        if name == "clip":
            return clip_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], partners=partners)
        if name == "direction":
            target = targets.direction
            return direction_loss(outputs["direction"], target, known(target, targets.is_spatial))
        if name == "distance":
            target = targets.spatial["distance_m"]
            return distance_loss(outputs["distance"], target, known(target, targets.is_spatial), self.scales["distance"])
        target = targets.spatial["floor_area_m2"]
        return area_loss(outputs["area"], target, known(target, targets.is_spatial), self.scales["area"])
