"""Two spaces beside the joint one: of *what* is heard, and of *where*."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from elsa_lightning.models.projection import Projection, unit
from elsa_lightning.schema import WhatWhereConfig


class WhatWhere(nn.Module):
    """A projection of the audio, one of the text and a log-scale for each space.

    By default *what* reads the semantic branch and *where* the spatial branch. W, all that the semantic branch hears, is the same from
    every direction: so no direction can leak into *what*, whatever its captions correlate with. Nothing but the loss keeps the class out
    of *where*, as intensity vectors show the sound's spectrum too; and it hears distance and room by the spatial branch alone. With
    `reads: fusion` either space may use both branches, and what parts them is the losses' doing.

    Args:
        cfg: width, and what is read; the width is not 0.
        semantic, spatial, text: widths of the branches' and the text tower's outputs.
        temperature: initial temperature of each space.
    """

    def __init__(self, cfg: WhatWhereConfig, semantic: int, spatial: int, text: int, temperature: float) -> None:
        super().__init__()
        self.fused = cfg.reads == "fusion"
        both = semantic + spatial
        read = {"what": both if self.fused else semantic, "where": both if self.fused else spatial}
        self.audio = nn.ModuleDict({space: Projection(width, cfg.width, cfg.width) for space, width in read.items()})
        self.text = nn.ModuleDict({space: Projection(text, cfg.width, cfg.width) for space in read})
        self.logit_scale = nn.ParameterDict({space: nn.Parameter(torch.tensor(-math.log(temperature))) for space in read})

    def embed_audio(self, semantic: Tensor, spatial: Tensor) -> dict[str, Tensor]:
        """Space → embeddings `(B, width)`, float32, of length 1, from the outputs `(B, …)` of the branches."""
        if self.fused:
            semantic = spatial = torch.cat([semantic, spatial], 1)
        return {"what": unit(self.audio["what"](semantic)), "where": unit(self.audio["where"](spatial))}

    def embed_text(self, space: str, text: Tensor) -> Tensor:
        """Embeddings `(B, width)`, float32, of length 1, from the text tower's output `(B, …)`."""
        return unit(self.text[space](text))
