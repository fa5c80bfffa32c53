"""Loss terms: pure functions of tensors, and `ElsaLoss`, their weighted sum."""

from elsa_lightning.losses.combine import ElsaLoss, SpatialTargets
from elsa_lightning.losses.contrastive import clip_loss, sigmoid_loss
from elsa_lightning.losses.partners import Partners, Truth
from elsa_lightning.losses.places import Places
from elsa_lightning.losses.spatial import TargetScale, area_loss, direction_loss, distance_loss

__all__ = [
    "ElsaLoss",
    "Partners",
    "Places",
    "SpatialTargets",
    "TargetScale",
    "Truth",
    "area_loss",
    "clip_loss",
    "direction_loss",
    "distance_loss",
    "sigmoid_loss",
]
