"""Two-layer MLPs into the shared space, and the one place where vectors are normalised."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from elsa_lightning.errors import ConfigError


class Projection(nn.Sequential):
    """Linear → ReLU → linear, as in LAION-CLAP: `(B, width_in)` → `(B, width_out)`.

    Args:
        width_in: width of what comes in (960 for the paper's fused audio branches, 768 for its text tower).
        width_hidden: width between the layers.
        width_out: width of what goes out.
    """

    def __init__(self, width_in: int, width_hidden: int, width_out: int) -> None:
        super().__init__(nn.Linear(width_in, width_hidden), nn.ReLU(), nn.Linear(width_hidden, width_out))

    @torch.no_grad()
    def start_from(self, weights: dict[str, Tensor], key: str) -> None:
        """Begin as a pretrained projection of the first components that come in; the others have no weight at first.

        Args:
            weights: `first.weight (H, W)`, `first.bias (H,)`, `second.weight (E, H)`, `second.bias (E,)`, W not more than `width_in`.
            key: config key, for messages.

        Raises:
            ConfigError: other widths than this projection's.
        """
        first, second = self[0], self[2]
        hidden, width = weights["first.weight"].shape
        if width > first.in_features or hidden != first.out_features or weights["second.weight"].shape != second.weight.shape:
            raise ConfigError(
                f"{key}: the checkpoint projects {width} → {hidden} → {len(weights['second.bias'])}, not "
                f"{first.in_features} → {first.out_features} → {second.out_features}",
                f"set model.embedding={hidden}",
            )
        first.weight.zero_()
        first.weight[:, :width] = weights["first.weight"]
        for ours, name in ((first.bias, "first.bias"), (second.weight, "second.weight"), (second.bias, "second.bias")):
            ours.copy_(weights[name])


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis, in float32 whatever the precision that they come in."""
    return functional.normalize(vectors.float(), dim=-1)
