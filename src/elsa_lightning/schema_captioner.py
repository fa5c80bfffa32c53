"""Knobs of the captioner on frozen audio embeddings; `schema` puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class PretrainedGpt2Config:
    """GPT-2 with its own weights and tokenizer, fine-tuned (paper)."""

    name: str = "gpt2"
    checkpoint: str = "gpt2"
    """Hub name, or local folder with config.json, model.safetensors and the tokenizer's files. It brings its own sizes."""


@dataclass
class SmallGpt2Config:
    """A small GPT-2 from scratch, with a tokenizer made from the training captions: for the desk and for tests."""

    name: str = "small"
    vocab_size: int = 1024
    """Most tokens (byte pairs) of the tokenizer, at least 257: every byte, and the end of a caption."""
    layers: int = 4
    heads: int = 4
    hidden_size: int = 128
    dropout: float = 0.1


@dataclass
class CaptionerConfig:
    """Audio embedding of the trained model, frozen → one dense layer → prefix → GPT-2 → caption (paper, section on captioning)."""

    enabled: bool = False
    """Train a captioner after the model, and score its captions of the test clips. Off: none of these keys matters."""
    language: Any = field(default_factory=PretrainedGpt2Config)
    """Choice node: gpt2, small."""
    prefix_length: int = 1
    """Vectors in front of the caption that the dense layer makes from an embedding (paper: 1)."""
    deaf: bool = False
    """The control: every clip's embedding is replaced by the training clips' mean, so that captions can only guess."""
    word_keep: float = 1.0
    """Probability of each spatial word being kept in a training caption; 1: captions say all that is known (paper). Below it the captioner
    learns to leave words out, which `drafts` then makes use of."""
    steps: int = 20000
    """Optimiser steps. (The paper tells its 150,000 pairs, but no steps, rate or batch.)"""
    batch_size: int = 64
    lr: float = 5e-5
    """Peak of the learning rate of dense layer and GPT-2: AdamW, linear warm-up, cosine to zero."""
    weight_decay: float = 0.01
    warmup_steps: int = 500
    max_tokens: int = 64
    """Longer training captions are cut, and decoding stops there."""
    beam: int = 5
    """Beams of the decoding; 1: greedy."""
    length_penalty: float = 1.0
    """Exponent of the length by which a beam's log-probability is divided; 0: the likeliest caption, which is a short one."""
    drafts: int = 0
    """Captions drawn at random per clip instead of a search, of which the one is kept that says what most agree on; 0: search."""
    agreement: float = 0.75
    """Share of the drafts that must agree on a spatial word for it to be worth saying (captions.consensus)."""
    scorer_python: str = ""
    """Python interpreter of an environment with aac-metrics 0.5 or newer, which scores METEOR, SPIDEr and FENSE; empty: these have no
    figures. (aac-metrics cannot be installed beside this package.)"""
    java: str = "java"
    """Java 8 to 13 for METEOR and SPIDEr, as a command or a path."""
