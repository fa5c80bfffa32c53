"""Which captions of a batch are true of which clips, beyond each row's own pair.

In a large batch the same words occur more than once ("a man speaking" has 80 clips in AudioCaps), and so does a recording. Taken for
negatives, such pairs teach that a true caption is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from elsa_lightning.losses.gather import world_size


@dataclass(frozen=True)
class Partners:
    """B pairs of a clip and a caption.

    Attributes:
        caption: `(B,)` int64, equal for equal captions.
        recording: `(B,)` int64, equal for clips of one recording.
        plain: `(B,)` bool, captions that say nothing of space: true of each clip of their recording, wherever it is heard.
    """

    caption: Tensor
    recording: Tensor
    plain: Tensor

    def of_all_ranks(self) -> Partners:
        """The pairs of all ranks, in their order; every rank must call."""
        if world_size() == 1:
            return self
        own = torch.stack([self.caption, self.recording, self.plain.long()])  # (3, B)
        parts = [torch.empty_like(own) for _ in range(world_size())]
        dist.all_gather(parts, own)
        caption, recording, plain = torch.cat(parts, dim=1)
        return Partners(caption, recording, plain.bool())

    def true_of(self, captions: Partners) -> Tensor:
        """`(B, C)` bool: whether each of C captions is true of each of these B clips."""
        same = self.caption[:, None] == captions.caption
        return same | ((self.recording[:, None] == captions.recording) & captions.plain)


def shares(partners: Tensor) -> Tensor:
    """`(B, C)` float target: each row's right classes in equal parts. Every row must have one.

    Args:
        partners: `(B, C)` bool.
    """
    return partners / partners.sum(dim=1, keepdim=True)
