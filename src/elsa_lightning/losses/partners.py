"""Which captions of a batch are true of which clips, beyond each row's own pair.

In a large batch the same words occur more than once ("a man speaking" has 80 clips in AudioCaps), and so does a recording. Taken for
negatives, such pairs teach that a true caption is false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from elsa_lightning.losses.gather import world_size


class Truth(Protocol):
    """What a contrastive term asks of the pairs of a batch: `Partners`, or `places.Places`."""

    def of_all_ranks(self) -> Truth:
        """The pairs of all ranks, in their order; every rank must call."""

    def true(self) -> Tensor:
        """`(B, B)` bool: whether text j is true of clip i."""

    def ignored(self) -> Tensor | None:
        """`(B, B)` bool: pairs that count neither as true nor as false; None: all count."""


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

    def true(self) -> Tensor:
        """`(B, B)` bool: whether caption j is true of clip i. It is if clip i has the same words, or if its recording has them without
        spatial words: of equal captions all are true of a clip, or none."""
        same = self.caption[:, None] == self.caption
        recording = self.recording.unique(return_inverse=True)[1]
        words, caption = self.caption.unique(return_inverse=True)
        said = torch.zeros(len(recording), len(words), dtype=torch.bool, device=caption.device)  # recording × words
        said[recording[self.plain], caption[self.plain]] = True
        return same | said[recording][:, caption]

    def ignored(self) -> None:
        """Every pair counts."""
        return None


def shares(true: Tensor, dtype: torch.dtype) -> Tensor:
    """`(B, C)` target: each row's right classes in equal parts; zeros for a row without any.

    Args:
        true: `(B, C)` bool.
        dtype: of the result.
    """
    return true.to(dtype) / true.sum(dim=1, keepdim=True).clamp(min=1)
