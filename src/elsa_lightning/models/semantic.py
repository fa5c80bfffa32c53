"""What is heard: encoders of the log-mel of W."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from elsa_lightning.errors import ConfigError
from elsa_lightning.models.checkpoint import pretrained_audio
from elsa_lightning.schema import FeatureConfig, HtsatConfig, SemanticCnnConfig

_PATCH, _WINDOW = 4, 8
"""HTSAT's patches (log-mel cells a side) and attention windows (patches a side)."""


class HtsatBranch(nn.Module):
    """HTSAT (Chen et al. 2022) as transformers' unfused ClapAudioModel.

    It sees an image of `spec_size²` cells folded from `spec_size² / M` frames (1024 for 64 mels). Fewer frames are stretched to that by
    transformers; more are cut into evenly spaced windows that cover the clip, whose embeddings are averaged: any F works, and nothing is
    random.
    Pretrained weights expect LAION's log-mel in dB, which is what `FrontEnd` gives at 48 kHz with the default sizes (and, strictly,
    `features.mel.int16`).

    Args:
        cfg: sizes, or a checkpoint that brings its own.
        features: for the number of mel bands.
        encoder: a ClapAudioModel that is there already, instead of one from `cfg`.

    Attributes:
        width: of the output.
        projection: with `cfg.projection` the checkpoint's projection into CLAP's space, for `models.elsa`; else None.

    Raises:
        ConfigError: sizes that do not fit each other.
        DataError: a checkpoint that cannot be had or is of another model.
    """

    def __init__(self, cfg: HtsatConfig, features: FeatureConfig, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.projection = None
        if encoder is not None:
            self.model = encoder
        elif cfg.checkpoint:
            self.model, self.projection = pretrained_audio(cfg.checkpoint, cfg.spec_size, cfg.projection)
            self.model.train()
        else:
            self.model = _random_htsat(cfg, features.mel.mels)
        size, mels = self.model.config.spec_size, self.model.config.num_mel_bins
        if mels != features.mel.mels:
            raise ConfigError(f"{cfg.checkpoint} reads {mels} mel bands, not {features.mel.mels}", f"set features.mel.mels={mels}")
        self.frames = size * size // mels
        self.width = self.model.audio_encoder.num_features

    def forward(self, log_mel: Tensor) -> Tensor:
        """`(B, 1, F, M)` in dB → `(B, width)`."""
        batch, frames = log_mel.shape[0], log_mel.shape[2]  # `len` would fix the batch of a traced graph
        count = math.ceil(frames / self.frames)
        if count > 1:
            starts = torch.linspace(0, frames - self.frames, count).round().long().tolist()
            log_mel = torch.cat([log_mel[:, :, start : start + self.frames] for start in starts])  # (count·B, 1, frames, M)
        pooled = self.model(input_features=log_mel).pooler_output  # (count·B, width)
        return pooled.unflatten(0, (count, batch)).mean(0)


def _random_htsat(cfg: HtsatConfig, mels: int) -> nn.Module:
    from transformers import ClapAudioConfig, ClapAudioModel  # seconds of import that the desk's models do not pay

    stages = len(cfg.depths)
    if len(cfg.heads) != stages or not stages:
        raise ConfigError(f"model.semantic: {stages} depths but {len(cfg.heads)} numbers of heads", "give one of each per stage")
    if cfg.hidden_size != cfg.patch_embeds_hidden_size * 2 ** (stages - 1):
        raise ConfigError(
            f"model.semantic.hidden_size = {cfg.hidden_size} is not that of {stages} stages from {cfg.patch_embeds_hidden_size} on",
            f"set it to {cfg.patch_embeds_hidden_size * 2 ** (stages - 1)}, as each stage doubles the width",
        )
    step = _PATCH * _WINDOW * 2 ** (stages - 1)
    if cfg.spec_size % step or cfg.spec_size % mels:
        raise ConfigError(
            f"model.semantic.spec_size = {cfg.spec_size} does not fit {stages} stages and {mels} mel bands",
            f"choose a multiple of {math.lcm(step, mels)}",
        )
    return ClapAudioModel(
        ClapAudioConfig(
            spec_size=cfg.spec_size,
            num_mel_bins=mels,
            hidden_size=cfg.hidden_size,
            patch_embeds_hidden_size=cfg.patch_embeds_hidden_size,
            depths=list(cfg.depths),
            num_attention_heads=list(cfg.heads),
            num_hidden_layers=stages,
            enable_fusion=False,
        )
    )


class CnnBranch(nn.Module):
    """A small convolutional encoder for the desk.

    Batch norm of each mel band; blocks of 3×3 convolution, 2×2 max pooling, batch norm and ELU (pooling before the norm quarters the cost
    of what follows it); mean over bands, mean and maximum over time; a linear layer.

    Args:
        cfg: channels of the blocks, width of the output.
        features: for the number of mel bands.
    """

    def __init__(self, cfg: SemanticCnnConfig, features: FeatureConfig) -> None:
        super().__init__()
        if not cfg.channels:
            raise ConfigError("model.semantic.channels is empty", "give one number of channels per convolution block")
        self.width = cfg.width
        self.norm = nn.BatchNorm1d(features.mel.mels, affine=False)  # dB to unit range, per band; without weights: no gradient to the input
        widths = [1, *cfg.channels]
        pairs = list(pairwise(widths))
        self.convolutions = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1, bias=False) for before, after in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _, after in pairs)
        self.dropout = nn.Dropout(cfg.dropout)
        self.out = nn.Linear(2 * widths[-1], cfg.width)
        self.to(memory_format=torch.channels_last)  # maps follow the weights' layout: twice as fast on a CPU

    def forward(self, log_mel: Tensor) -> Tensor:
        """`(B, 1, F, M)` in dB → `(B, width)`."""
        x = self.norm(log_mel.squeeze(1).transpose(1, 2)).transpose(1, 2).unsqueeze(1)  # (B, 1, F, M)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = nn.functional.elu(norm(halve(convolution(x), (1, 1))))
        x = x.mean(3)  # (B, C, F')
        return self.out(self.dropout(torch.cat([x.mean(2), x.amax(2)], 1)))


def halve(x: Tensor, smallest: tuple[int, int], average: bool = False) -> Tensor:
    """2×2 pooling of `(B, C, F, K)`, maximum or average, that leaves an axis alone once half of it would be less than `smallest`."""
    kernel = [2 if size // 2 >= least else 1 for size, least in zip(x.shape[2:], smallest, strict=True)]
    pool = nn.functional.avg_pool2d if average else nn.functional.max_pool2d
    return pool(x, kernel) if max(kernel) > 1 else x


SEMANTIC = {HtsatConfig: HtsatBranch, SemanticCnnConfig: CnnBranch}


def build_semantic(
    cfg: HtsatConfig | SemanticCnnConfig, features: FeatureConfig, encoder: nn.Module | None = None
) -> HtsatBranch | CnnBranch:
    """The semantic branch for a config, of HTSAT around an `encoder` that is there already; `.width` is the width of its output."""
    if type(cfg) not in SEMANTIC:
        raise ConfigError(f"model.semantic: no branch for {type(cfg).__name__}", "choose htsat or cnn")
    if encoder is not None:
        return HtsatBranch(cfg, features, encoder)
    return SEMANTIC[type(cfg)](cfg, features)
