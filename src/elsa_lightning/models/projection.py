"""Two-layer MLPs into the shared space, and the one place where vectors are normalised."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Projection(nn.Sequential):
    """Linear → ReLU → linear, as in LAION-CLAP: `(B, width_in)` → `(B, width_out)`.

    Args:
        width_in: width of what comes in (960 for the paper's fused audio branches, 768 for its text tower).
        width_hidden: width between the layers.
        width_out: width of what goes out.
    """

    def __init__(self, width_in: int, width_hidden: int, width_out: int) -> None:
        super().__init__(nn.Linear(width_in, width_hidden), nn.ReLU(), nn.Linear(width_hidden, width_out))


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis, in float32 whatever the precision that they come in."""
    return functional.normalize(vectors.float(), dim=-1)
