"""Regression heads on the audio embedding: where the source is, how far, and in how large a room."""

from __future__ import annotations

from torch import Tensor, nn

from elsa_lightning.models.projection import Projection, unit


class RegressionHeads(nn.Module):
    """Three two-layer MLPs (paper: 33 k parameters each, which is a hidden width of 64).

    The embedding has length 1, so its components are of the order of width^−½. They are scaled by width^½ first: the same functions, but
    the layers start with inputs of unit variance instead of with their biases alone.

    Args:
        width: width of the embedding.
        hidden: hidden width of each head.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.scale = width**0.5
        self.direction = Projection(width, hidden, 3)
        self.distance = Projection(width, hidden, 1)
        self.area = Projection(width, hidden, 1)

    def forward(self, audio: Tensor) -> dict[str, Tensor]:
        """Estimates from embeddings `(B, E)`.

        Returns:
            `direction (B, 3)`, a unit vector towards the source; `distance (B,)` and `area (B,)`, in the loss's (standardised) units.
        """
        audio = audio * self.scale
        return {
            "direction": unit(self.direction(audio)),
            "distance": self.distance(audio).squeeze(-1),
            "area": self.area(audio).squeeze(-1),
        }
