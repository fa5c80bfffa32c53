"""Ranking measures with ties, as expectations over a random order of equal scores.

A constant similarity then scores exactly what chance does; counting only strictly better items would give it 100 %. Closed forms after
McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008. Without
ties they are the plain measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CUTOFFS = (1, 5, 10)
DEPTH = 10


@dataclass
class Ranking:
    """Values of Q queries."""

    hits: Tensor
    """`(Q, len(CUTOFFS))`, probability of a relevant item among the first k."""
    ap10: Tensor
    """`(Q,)`, expected average precision at 10."""
    rank: Tensor
    """`(Q,)`, expected rank of the best relevant item, from 0."""
    share: Tensor
    """`(Q,)`, relevant items over the gallery's: what a random first item is right by."""


class _Counts:
    """How many of a row's scores lie above, or at, given values."""

    def __init__(self, ascending: Tensor) -> None:
        self.ascending = ascending.contiguous()  # (Q, n)

    def above(self, value: Tensor) -> Tensor:
        return self.ascending.shape[1] - torch.searchsorted(self.ascending, value, right=True)

    def at(self, value: Tensor) -> Tensor:
        return torch.searchsorted(self.ascending, value, right=True) - torch.searchsorted(self.ascending, value)


def rank_queries(scores: Tensor, relevant: Tensor) -> Ranking:
    """Expected hits, average precision and best rank.

    Args:
        scores: `(Q, G)`, finite.
        relevant: `(Q, G)` bool, at least one true in each row.
    """
    masked = scores.masked_fill(~relevant, -torch.inf)
    most = int(relevant.sum(dim=1).max())
    every, right = _Counts(scores.sort(dim=1).values), _Counts(masked.topk(most, dim=1).values.flip(1))
    best = masked.max(dim=1, keepdim=True).values  # (Q, 1)
    above, tied, good = (x[:, 0].double() for x in (every.above(best), every.at(best), right.at(best)))
    hits = torch.stack([_hit(k, above, tied, good) for k in CUTOFFS], dim=1)  # (Q, cutoffs)
    rank = above + (tied - good) / (good + 1)  # expected first of `good` places among `tied`
    top = scores.topk(min(DEPTH, scores.shape[1]), dim=1).values.contiguous()  # (Q, 10)
    ap10 = _average_precision(top, every, right) / relevant.sum(dim=1).clamp(max=DEPTH)
    return Ranking(hits, ap10, rank, relevant.double().mean(dim=1))


def _hit(k: int, above: Tensor, tied: Tensor, good: Tensor) -> Tensor:
    """1 − C(tied − good, m) / C(tied, m), m being the places among the first k that are left for the tied group; all `(Q,)`."""
    places = (k - above).clamp(min=0).minimum(tied)
    miss = torch.ones_like(above)
    for i in range(k):
        step = (tied - good - i).clamp(min=0) / (tied - i).clamp(min=1)
        miss = torch.where(i < places, miss * step, miss)
    return 1 - miss


def _average_precision(top: Tensor, every: _Counts, right: _Counts) -> Tensor:
    """Σ over the first ten places p of P(relevant at p) · E[relevant up to p | relevant at p] / p; not yet divided by their number. `(Q,)`

    Place p lies in a group of `tied` equal scores that begins after `above` better ones; `good` of the group and `found` of the better
    ones are relevant. Its i-th place (i = p − above) is relevant with probability good / tied, and then has on average
    (i − 1)(good − 1) / (tied − 1) relevant group members before it.
    """
    place = torch.arange(1, top.shape[1] + 1, dtype=top.dtype, device=top.device)  # (10,)
    counts = every.above(top), every.at(top), right.above(top), right.at(top)
    above, tied, found, good = (x.double() for x in counts)  # each (Q, 10)
    before = (place - above - 1) * (good - 1).clamp(min=0) / (tied - 1).clamp(min=1)
    return (good / tied * (found + 1 + before) / place).sum(dim=1)
