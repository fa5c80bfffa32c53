"""Turning and mirroring a scene about the listener: the same change to its labels, its sound or its features.

A scene is mirrored left to right first and then turned counter-clockwise by the yaw. Both are exact in FOA and in its intensity.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import mirror_left_right, rotate_yaw
from elsa_lightning.data.elsewhere import APART
from elsa_lightning.data.keyed import between, uniform
from elsa_lightning.data.pairing import HARD
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.features import Features
from elsa_lightning.features.intensity import turn
from elsa_lightning.schema import AugmentationConfig, Experiment


def draw_turn(key: Tensor, is_spatial: Tensor, cfg: AugmentationConfig) -> tuple[Tensor, Tensor]:
    """Yaw `(B,)` in (−π, π) and mirror flag `(B,)` of each example; a non-spatial example stays as it is."""
    yaw = between(key, -torch.pi, torch.pi, "yaw") if cfg.yaw else torch.zeros(key.shape, device=key.device)
    mirror = uniform(key, 1, "mirror")[:, 0] < 0.5 if cfg.mirror else torch.zeros_like(is_spatial)
    return yaw * is_spatial, mirror & is_spatial


def draw_turns(batch: AudioTextBatch, cfg: Experiment) -> tuple[Tensor, Tensor]:
    """Yaw and mirror flag of each example of a training batch. The versions of a pair (`data.negatives: hard_spatial`) are turned alike,
    as their rooms keep them apart; of a recording, which has no room, the second is turned at least 90° further than the first."""
    yaw, mirror = draw_turn(batch.turn_key, batch.is_spatial, cfg.augmentation)
    if cfg.data.negatives == HARD and cfg.augmentation.yaw:
        second = batch.is_recorded & (batch.version % 2 == 1) & batch.is_spatial
        further = between(batch.key, APART, 2 * torch.pi - APART, "elsewhere")
        yaw = torch.where(second, torch.remainder(yaw + further + torch.pi, 2 * torch.pi) - torch.pi, yaw)
    return yaw, mirror


def turn_labels(spatial: dict[str, Tensor], yaw: Tensor, mirror: Tensor) -> dict[str, Tensor]:
    """Labels of the changed scene: only the azimuth changes, within [−π, π)."""
    azimuth = torch.where(mirror, -spatial["azimuth"], spatial["azimuth"]) + yaw
    return spatial | {"azimuth": torch.remainder(azimuth + torch.pi, 2 * torch.pi) - torch.pi}


def turn_foa(foa: Tensor, yaw: Tensor, mirror: Tensor) -> Tensor:
    """The changed scene's sound `(B, 4, T)`."""
    return rotate_yaw(mirror_left_right(foa, mirror), yaw)


def turn_features(features: Features, yaw: Tensor, mirror: Tensor) -> Features:
    """The changed scene's features; W, hence the log-mel, does not notice."""
    return Features(features.log_mel, turn(features.intensity, yaw, mirror))
