"""ELSA: an audio tower of two branches, a text tower, and regression heads on the audio embedding (arXiv 2409.11369, section 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from elsa_lightning.errors import ConfigError
from elsa_lightning.models.economy import blocks_of, compile_blocks, recompute_in_backward
from elsa_lightning.models.heads import RegressionHeads
from elsa_lightning.models.projection import Projection, unit
from elsa_lightning.models.semantic import build_semantic
from elsa_lightning.models.spatial import build_spatial
from elsa_lightning.models.text import MiniLmTower, build_text
from elsa_lightning.models.what_where import WhatWhere
from elsa_lightning.schema import FeatureConfig, ModelConfig

if TYPE_CHECKING:
    from elsa_lightning.features import Features

MAX_LOG_SCALE = math.log(100)
"""Largest log-scale of the logits: a temperature of 0.01 (CLIP)."""


class ElsaModel(nn.Module):
    """Audio and text in one space: the network alone. (`elsa_lightning.Elsa` is what reads files and texts with it.)

    Branches and towers run in the ambient autocast precision; embeddings, heads and scale are always float32.

    Args:
        cfg: variants and sizes.
        features: sizes of the features that the branches read.
        encoders: ready encoders by tower (`semantic`, `text`), as `encoders` gives them; others are made from `cfg`.

    Raises:
        ConfigError: a temperature outside [0.01, 1], or sizes that do not fit each other.
        DataError: a checkpoint that cannot be had.
    """

    def __init__(self, cfg: ModelConfig, features: FeatureConfig, encoders: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        encoders = encoders or {}
        if not 0.01 <= cfg.temperature <= 1:
            raise ConfigError(f"model.temperature = {cfg.temperature} is outside [0.01, 1]", "0.07 is the usual start")
        self.semantic = build_semantic(cfg.semantic, features, encoders.get("semantic"))
        self.spatial = build_spatial(cfg.spatial, features)
        self.text = build_text(cfg.text, encoders.get("text"))
        self.audio_projection = Projection(self.semantic.width + self.spatial.width, cfg.embedding, cfg.embedding)
        self.text_projection = Projection(self.text.width, cfg.embedding, cfg.embedding)
        for tower, projection, key in (
            (self.semantic, self.audio_projection, "model.semantic.projection"),
            (self.text, self.text_projection, "model.text.projection"),
        ):
            if (weights := getattr(tower, "projection", None)) is not None:
                projection.start_from(weights, key)
                tower.projection = None
        self.heads = RegressionHeads(cfg.embedding, cfg.head_hidden)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(cfg.temperature)))
        widths = self.semantic.width, self.spatial.width, self.text.width
        self.what_where = WhatWhere(cfg.what_where, *widths, cfg.temperature) if cfg.what_where.width else None
        self.frozen: tuple[str, ...] = ()
        encoders = [tower.model for tower in (self.semantic, self.text) if hasattr(tower, "model")]
        for encoder in encoders:
            if cfg.activation_checkpointing:
                recompute_in_backward(blocks_of(encoder))
            if cfg.compile:
                compile_blocks(blocks_of(encoder))

    def freeze(self, towers: Iterable[str]) -> None:
        """Keep towers (`semantic`, `spatial`, `text`) as they are: no gradients, evaluation mode (no dropout, no running statistics)."""
        self.frozen = tuple(towers)
        for name in self.frozen:
            getattr(self, name).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> ElsaModel:
        """Set the mode of what is trained; frozen towers stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    def from_package(self) -> set[str]:
        """Names of frozen weights that an installed package brings back: no checkpoint need carry them."""
        if not isinstance(self.text, MiniLmTower):
            return set()
        return {f"text.encoder.{name}" for name, weight in self.text.encoder.named_parameters() if not weight.requires_grad}

    def embed_audio(self, features: Features) -> Tensor:
        """Audio embeddings `(B, E)`, float32, of length 1."""
        return self._joint(self.semantic(features.log_mel), self.spatial(features.intensity))

    def _joint(self, semantic: Tensor, spatial: Tensor) -> Tensor:
        return unit(self.audio_projection(torch.cat([semantic, spatial], 1)))

    def embed_audio_everywhere(self, features: Features) -> dict[str, Tensor]:
        """`audio (B, E)` of the joint space, and where there are such spaces `what_audio`, `where_audio (B, W)`; float32, of length 1."""
        semantic, spatial = self.semantic(features.log_mel), self.spatial(features.intensity)
        beside = {} if self.what_where is None else self.what_where.embed_audio(semantic, spatial)
        return {"audio": self._joint(semantic, spatial)} | {f"{space}_audio": value for space, value in beside.items()}

    def embed_text(self, tokens: dict[str, Tensor], space: str = "") -> Tensor:
        """Text embeddings `(B, E)`, float32, of length 1; in the space `what` or `where` `(B, W)`."""
        text = self.text(tokens)
        return self.what_where.embed_text(space, text) if space else unit(self.text_projection(text))

    @property
    def logit_scale_exp(self) -> Tensor:
        """Factor of the cosine similarities, one over the temperature; in [1, 100] as long as `clamp_logit_scale` follows each step."""
        return self.logit_scale.float().exp()

    def log_scales(self) -> list[nn.Parameter]:
        """The log-scale of every space, the joint one first."""
        return [self.logit_scale, *([] if self.what_where is None else self.what_where.logit_scale.values())]

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keep the log-scales in [0, ln 100]; to be called after each optimiser step."""
        for scale in self.log_scales():
            scale.clamp_(0.0, MAX_LOG_SCALE)

    def forward(
        self, features: Features, tokens: dict[str, Tensor], texts: Mapping[str, dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor]:
        """Everything that the losses need.

        Args:
            features: of the sounds.
            tokens: of the captions.
            texts: `what` and `where`: tokens of the texts of these spaces, where the model has them.

        Returns:
            `audio`, `text` `(B, E)` of length 1; `logit_scale`, the factor itself, not its logarithm; `direction (B, 3)` of length 1;
            `distance`, `area` `(B,)` in standardised units. With `texts` also `what_audio`, `what_text (B, W)`, `what_logit_scale`, and
            the same of where.
        """
        sounds = self.embed_audio_everywhere(features)
        outputs = {"audio": sounds["audio"], "text": self.embed_text(tokens), "logit_scale": self.logit_scale_exp}
        with torch.autocast(outputs["audio"].device.type, enabled=False):
            outputs |= self.heads(outputs["audio"])
        for space, of_space in (texts or {}).items():
            outputs[f"{space}_audio"], outputs[f"{space}_text"] = sounds[f"{space}_audio"], self.embed_text(of_space, space)
            outputs[f"{space}_logit_scale"] = self.what_where.logit_scale[space].float().exp()
        return outputs


def parameter_table(model: ElsaModel) -> dict[str, int]:
    """Numbers of parameters by part, then `total`, and `trainable` without what is frozen."""
    parts = {
        "semantic": model.semantic,
        "spatial": model.spatial,
        "text": model.text,
        "audio_projection": model.audio_projection,
        "text_projection": model.text_projection,
        "heads": model.heads,
    }
    if model.what_where is not None:
        parts["what_where"] = model.what_where
    table = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    table["temperature"] = model.logit_scale.numel()
    table["total"] = sum(p.numel() for p in model.parameters())
    table["trainable"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return table
