"""Memory and time of the large encoders: activation checkpointing and torch.compile. Neither changes what is computed, rounding aside."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_in_backward(blocks: Iterable[nn.Module]) -> None:
    """Let blocks keep their inputs alone in training, and compute the rest again in the backward pass, with the same dropout.

    Args:
        blocks: whose `forward` is replaced; names of weights stay as they are.
    """
    for block in blocks:
        block.forward = _recomputed(block, block.forward)


def _recomputed(block: nn.Module, forward):
    @functools.wraps(forward)
    def recomputed(*arguments, **options):
        if block.training and torch.is_grad_enabled():
            return checkpoint(forward, *arguments, use_reentrant=False, **options)
        return forward(*arguments, **options)

    return recomputed


def compile_blocks(blocks: Iterable[nn.Module], backend: str = "inductor") -> None:
    """Compile each block by itself, in place: names of weights stay.

    Whole encoders are not compiled: of HTSAT's batch normalisation, ahead of the blocks, inductor (torch 2.13, CPU) made a gradient
    that was off by twice its size while all outputs agreed (tests/models/test_economy.py compares every gradient).

    Args:
        blocks: as of `blocks_of`.
        backend: of torch.compile.
    """
    for block in blocks:
        block.compile(backend=backend)


def blocks_of(encoder: nn.Module) -> list[nn.Module]:
    """The repeated blocks of transformers' ClapAudioModel or RobertaModel; none of another module."""
    if hasattr(encoder, "audio_encoder"):
        return [block for stage in encoder.audio_encoder.layers for block in stage.blocks]
    return list(encoder.encoder.layer) if hasattr(encoder, "encoder") else []
