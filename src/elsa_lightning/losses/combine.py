"""The training loss: named terms times their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from elsa_lightning.errors import ConfigError
from elsa_lightning.losses.contrastive import clip_loss, sigmoid_loss
from elsa_lightning.losses.partners import Truth
from elsa_lightning.losses.spatial import TargetScale, area_loss, direction_loss, distance_loss, known
from elsa_lightning.schema import LossConfig

Truths = Mapping[str, "Truth | None"]
"""Contrastive term → who is whose partner in its space; None: each row its own caption."""


class SpatialTargets(Protocol):
    """What the loss reads of a batch."""

    direction: Tensor
    """`(B, 3)` unit vectors towards the source."""
    spatial: dict[str, Tensor]
    """`distance_m (B,)`, m; `floor_area_m2 (B,)`, m²; NaN where unknown, as in `direction`."""
    is_spatial: Tensor
    """`(B,)` bool: examples that have a place at all."""


class ElsaLoss:
    """Σ weight · term over clip, direction, distance, area, what and where; a term of weight 0 is not computed.

    The contrastive terms (clip, what, where) have one form, `loss.clip.form`: `clip_loss` or `sigmoid_loss`.

    Args:
        cfg: weights, the contrastive form, and whether targets are standardised.
        scales: `distance` (of metres) and `area` (of ln m²), needed by standardised terms of positive weight.

    Raises:
        ConfigError: a weight is negative or not finite, all are 0, or a scale is missing.
    """

    def __init__(self, cfg: LossConfig, scales: dict[str, TargetScale]) -> None:
        self.weights = {name: getattr(cfg, name).weight for name in TERMS}
        for name, weight in self.weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ConfigError(f"loss.{name}.weight is {weight}", "give a finite weight, 0 or larger")
        if not any(self.weights.values()):
            raise ConfigError("every loss term has weight 0", f"give one of loss.{{{','.join(TERMS)}}}.weight a positive value")
        self.form = cfg.clip.form
        self.scales: dict[str, TargetScale | None] = {}
        for name in ("distance", "area"):
            standardized = getattr(cfg, name).standardize
            if standardized and self.weights[name] and name not in scales:
                raise ConfigError(f"loss.{name} is standardised but no scale of its target is given", f"set loss.{name}.standardize: false")
            self.scales[name] = scales.get(name) if standardized else None

    def __call__(
        self,
        outputs: dict[str, Tensor],
        targets: SpatialTargets,
        partners: Truth | None = None,
        beside: Mapping[str, Truth] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The total to minimise and the unweighted, detached terms to log.

        Args:
            outputs: of `ElsaModel.forward`: `audio`, `text (B, E)`, `logit_scale` (1 / temperature), `direction (B, 3)`, `distance (B,)`,
                `area (B,)`; with the sigmoid form also `logit_bias`; for the spaces beside the joint one `what_audio`, `what_text (B, W)`,
                `what_logit_scale`, … ; only those of the terms in use are read.
            targets: the batch.
            partners: for the clip term, see `losses.contrastive`.
            beside: the same for the terms what and where, which need it.

        Returns:
            `(total, terms)`: scalar, and name → scalar for each term of positive weight.
        """
        truths: Truths = {"clip": partners, **(beside or {})}
        terms = {name: TERMS[name](self, outputs, targets, truths) for name, weight in self.weights.items() if weight}
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return total, {name: value.detach() for name, value in terms.items()}


Term = Callable[[ElsaLoss, Mapping[str, Tensor], SpatialTargets, Truths], Tensor]
"""A term: the loss (for its form and scales), the model's outputs, the batch, and who is whose partner by contrastive term → scalar."""


def _contrastive(name: str) -> Term:
    """The contrastive term of that name: of the joint space, or of the space that it is called after and its outputs' names begin with."""
    prefix = "" if name == "clip" else f"{name}_"

    def term(loss: ElsaLoss, outputs: Mapping[str, Tensor], targets: SpatialTargets, truths: Truths) -> Tensor:
        audio, text, scale = (outputs[prefix + part] for part in ("audio", "text", "logit_scale"))
        if loss.form == "sigmoid":
            return sigmoid_loss(audio, text, scale, outputs[prefix + "logit_bias"], partners=truths[name])
        return clip_loss(audio, text, scale, partners=truths[name])

    return term


def _direction(loss: ElsaLoss, outputs: Mapping[str, Tensor], targets: SpatialTargets, truths: Truths) -> Tensor:
    target = targets.direction
    return direction_loss(outputs["direction"], target, known(target, targets.is_spatial))


def _distance(loss: ElsaLoss, outputs: Mapping[str, Tensor], targets: SpatialTargets, truths: Truths) -> Tensor:
    target = targets.spatial["distance_m"]
    return distance_loss(outputs["distance"], target, known(target, targets.is_spatial), loss.scales["distance"])


def _area(loss: ElsaLoss, outputs: Mapping[str, Tensor], targets: SpatialTargets, truths: Truths) -> Tensor:
    target = targets.spatial["floor_area_m2"]
    return area_loss(outputs["area"], target, known(target, targets.is_spatial), loss.scales["area"])


TERMS: dict[str, Term] = {
    "clip": _contrastive("clip"),
    "direction": _direction,
    "distance": _distance,
    "area": _area,
    "what": _contrastive("what"),
    "where": _contrastive("where"),
}
"""The terms, each with its weight in `LossConfig`. How to add one: docs/howto/loss.md."""
