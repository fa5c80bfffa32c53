"""Collecting a batch from all ranks, with gradients.

Rank r holds x_r and computes its own loss ℓ_r from all of x_0 … x_(W-1). The gradient that x_r needs is Σ_s ∂ℓ_s/∂x_r, the *sum* over the
ranks' losses: DDP then averages the parameters' gradients over ranks, which makes it the gradient of the mean loss (1/W) Σ_s ℓ_s. Gathering
without gradient, or keeping the own slot's gradient only, gives a wrong direction or a gradient W times too small.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from elsa_lightning.errors import RunError


def world_size() -> int:
    """Number of ranks; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's rank; 0 without a process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


@torch.no_grad()
def mean_over_ranks(value: Tensor) -> Tensor:
    """The ranks' mean of a tensor, without gradient: to log, or to count by. Every rank must call; `value` itself where there is one."""
    if world_size() == 1:
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


class _Gather(torch.autograd.Function):
    """forward: (B, …) of each rank → (W·B, …) in the order of ranks; backward: the own slice of the gradients' sum over ranks."""

    @staticmethod
    def forward(ctx, own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own)
        ctx.first, ctx.count = dist.get_rank() * len(own), len(own)
        return torch.cat(parts)  # (W·B, …)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)  # all_reduce works in place
        dist.all_reduce(total)
        return total[ctx.first : ctx.first + ctx.count]


def gather(own: Tensor) -> Tensor:
    """All ranks' rows, differentiable.

    Args:
        own: `(B, …)`, the same shape and dtype on each rank; every rank must call.

    Returns:
        `(W·B, …)` in the order of ranks; `own` itself when there is one rank.
    """
    return _Gather.apply(own.contiguous()) if world_size() > 1 else own


def require_equal_batches(count: int, device: torch.device) -> None:
    """Compare the batch sizes of all ranks: eight bytes from each, before a gather that would hang or mix up rows.

    Raises:
        RunError: on every rank, when the sizes differ.
    """
    if world_size() == 1:
        return
    sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(world_size())]
    dist.all_gather(sizes, torch.tensor([count], dtype=torch.int64, device=device))
    found = torch.cat(sizes).tolist()
    if len(set(found)) > 1:
        raise RunError(
            f"the ranks' batch sizes differ: {found}",
            "drop the last incomplete batch, and let trainer.batch_size be a multiple of the number of devices",
        )
