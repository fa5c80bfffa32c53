"""Which texts of places are true of which clips.

"On the left" is true of every clip that is heard on the left, whatever else its own text says: places have few words, so a batch is full of
texts that are true of more clips than their own. Taken for negatives they would teach that a true place is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from elsa_lightning.losses.gather import world_size

NONE, UNKNOWN = -1, -2
"""Codes of `captions.what_where`: no word of an attribute holds (or is said); nobody knows which holds."""


@dataclass(frozen=True)
class Places:
    """B pairs of a clip and a text that says where it is.

    Attributes:
        said: `(B, A)` int64, the word of each attribute in the text, `NONE` where it is silent.
        heard: `(B, A)` int64, the word that holds for the clip, `NONE` where none does, `UNKNOWN` where nobody knows.
    """

    said: Tensor
    heard: Tensor

    def of_all_ranks(self) -> Places:
        """The pairs of all ranks, in their order; every rank must call."""
        if world_size() == 1:
            return self
        own = torch.cat([self.said, self.heard], dim=1)  # (B, 2A)
        parts = [torch.empty_like(own) for _ in range(world_size())]
        dist.all_gather(parts, own)
        return Places(*torch.cat(parts).chunk(2, dim=1))

    def true(self) -> Tensor:
        """`(B, B)` bool: whether text j is true of clip i, which is to say each of its words holds there."""
        return self._decided()[0]

    def ignored(self) -> Tensor:
        """`(B, B)` bool: pairs that are no example of anything: the clip or the text is of a pair whose text has no word of place, or the
        text has a word that nobody knows to hold for the clip or not (and none that is known not to)."""
        silent = (self.said == NONE).all(dim=1)
        true, false = self._decided()
        return ~(true | false) | silent | silent[:, None]

    def _decided(self) -> tuple[Tensor, Tensor]:
        """`(B, B)` bool twice: text j is known to be true of clip i, and known to be false of it."""
        count = len(self.said)
        true = torch.ones(count, count, dtype=torch.bool, device=self.said.device)
        false = torch.zeros_like(true)
        for said, heard in zip(self.said.unbind(1), self.heard.unbind(1), strict=True):  # an attribute at a time: memory B²
            holds = heard[:, None] == said
            spoken = said != NONE
            true &= ~spoken | holds
            false |= spoken & ~holds & (heard != UNKNOWN)[:, None]
        return true, false
