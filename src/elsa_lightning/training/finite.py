"""A loss or a gradient that is not finite stops the training, on all ranks at once, with the step and the clips."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from elsa_lightning.errors import RunError
from elsa_lightning.losses.gather import world_size

NAMED = 8
"""Most clips that a message names."""


def loss_fault(step: int, terms: dict[str, Tensor], outputs: dict[str, Tensor], clip_ids: list[str]) -> RunError:
    """What to raise when the ranks' mean loss is not finite. Every rank must call.

    Args:
        step: optimiser steps done.
        terms: values of the loss terms.
        outputs: of the model: clips with rows that are not finite are named, or all where there are none such.
        clip_ids: this rank's clips.
    """
    values = ", ".join(f"{name} {value.item():g}" for name, value in terms.items())
    rows = [value.detach().flatten(1) if value.dim() > 1 else value.detach()[:, None] for value in outputs.values() if value.dim()]
    broken = ~torch.cat([row.float() for row in rows], dim=1).isfinite().all(dim=1)
    suspects = of_all_ranks([name for name, bad in zip(clip_ids, broken.tolist(), strict=True) if bad])
    return RunError(
        f"the loss is not finite at step {step} ({values}); clips {named(suspects or of_all_ranks(clip_ids))}",
        "lower optim.lr, set optim.clip_norm, or look at these clips; the last checkpoint is kept",
    )


def gradient_fault(step: int, clip_ids: list[str]) -> RunError:
    """What to raise when the gradient, which is the same on all ranks, is not finite. Every rank must call."""
    return RunError(
        f"the gradient is not finite at step {step}; clips {named(of_all_ranks(clip_ids))}", "lower optim.lr; the last checkpoint is kept"
    )


def named(clip_ids: list[str]) -> str:
    """The first of them."""
    return ", ".join(clip_ids[:NAMED]) + (" …" if len(clip_ids) > NAMED else "")


def of_all_ranks(clip_ids: list[str]) -> list[str]:
    """The lists of all ranks in one."""
    if world_size() == 1:
        return clip_ids
    parts: list[list[str]] = [[] for _ in range(world_size())]
    dist.all_gather_object(parts, clip_ids)
    return [name for part in parts for name in part]
