"""GradCache (Gao et al. 2021, arXiv 2101.06983): the gradient of a contrastive batch that does not fit into memory, chunk by chunk.

    1  forward of every chunk without a graph                 → all outputs of the batch
    2  the batch's loss as a function of these outputs alone  → its gradient at them
    3  forward of each chunk again, with a graph; backward of Σ outputs · gradient, whose gradient at the parameters is the batch's

Only one chunk's activations are ever held, and the chunks' negatives are each other's, which accumulating the gradients of small batches
does not give.

Both passes must compute the same function. So the caller seeds each chunk's dropout anew in both; and batch norm takes the *chunk's*
statistics in both, as it takes a rank's own under DDP (n chunks on one device train as n devices do), while its running statistics
move in the second pass alone, once per chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Outputs = dict[str, Tensor]


def forward_all(module: nn.Module, forward: Callable[[int], Outputs], chunks: int) -> Outputs:
    """Outputs of the whole batch as leaves that want a gradient.

    Args:
        module: whose batch norms shall not move.
        forward: chunk number → outputs; scalars (such as the temperature) are the same of each chunk.
        chunks: their number.

    Returns:
        `(B, …)` of each row-wise output, in the order of chunks, and the scalars.
    """
    with torch.no_grad(), still_statistics(module):
        parts = [_fresh(forward, chunk) for chunk in range(chunks)]
    joined = {name: torch.cat([part[name] for part in parts]) if value.dim() else value for name, value in parts[0].items()}
    return {name: value.detach().requires_grad_() for name, value in joined.items()}


def backward_all(
    total: Tensor, outputs: Outputs, forward: Callable[[int], Outputs], chunks: int, backward: Callable[[Tensor], None]
) -> Tensor:
    """Backward of every chunk but the last.

    Args:
        total: the loss of `outputs`.
        outputs: of `forward_all`.
        forward: as there; now with a graph.
        chunks: their number.
        backward: accumulates the gradients of a scalar, without exchange between ranks.

    Returns:
        The last chunk's scalar: its backward, by the caller, completes the gradient (and is the one that DDP exchanges). Its value means
        nothing.
    """
    names = list(outputs)
    gradients = torch.autograd.grad(total, [outputs[name] for name in names], allow_unused=True)
    wanted = {name: gradient for name, gradient in zip(names, gradients, strict=True) if gradient is not None}
    rows = max(len(value) for value in outputs.values() if value.dim()) // chunks
    for chunk in range(chunks):
        last = chunk == chunks - 1
        found = _fresh(forward, chunk)
        here = {name: g[chunk * rows : (chunk + 1) * rows] if g.dim() else g for name, g in wanted.items()}
        surrogate = torch.stack([(found[name] * g).sum() for name, g in here.items() if g.dim() or last]).sum()
        if last:
            return surrogate
        backward(surrogate)
    raise ValueError(f"{chunks} chunks: there must be one at least")


def _fresh(forward: Callable[[int], Outputs], chunk: int) -> Outputs:
    """A chunk's outputs. Whatever autocast keeps of a pass without graph, the one with a graph must not be given it."""
    torch.clear_autocast_cache()
    return forward(chunk)


@contextmanager
def still_statistics(module: nn.Module) -> Iterator[None]:
    """Batch norms in training mode normalise by the batch as ever but leave their running statistics alone."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
