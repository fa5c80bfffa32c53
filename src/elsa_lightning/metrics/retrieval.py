"""Retrieval between clips and captions.

**Task.** Each clip has one or more captions (five in AudioCaps and Clotho; ragged counts are fine). Text→audio: every caption is a query,
the gallery is the clips. Audio→text: every clip is a query, the gallery is all captions.

**Conventions.** R@k is the share of queries with at least one right item among the first k (a *hit* rate; not recall divided by the number
of right items). mAP@10 sorts the ranks: AP = Σ (found so far / rank) over the right items in the first ten, divided by
min(number of right items, 10); with one right item it is the reciprocal rank. (torchmetrics' AP@k is another measure: it divides by the
right items *found*, and drops those of negative score.) Median rank is ⌊median⌋ + 1 of the best right item. Equal scores count as their
expectation over a random order (see ranking.py). The values without a direction are the mean of both directions. `dup/…`: a caption that
several clips share is right for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from elsa_lightning.errors import DataError
from elsa_lightning.metrics.ranking import CUTOFFS, Ranking, rank_queries
from elsa_lightning.metrics.similarity import cosine, unit_rows
from elsa_lightning.seeding import seed_of

WAYS = ("text_to_audio", "audio_to_text")
AVERAGED = (*(f"r{k}" for k in CUTOFFS), "map10", "chance_r1")


def caption_groups(captions: Sequence[str]) -> Tensor:
    """`(M,)` int64: equal for captions that are equal but for case, punctuation and spaces; the same on every machine."""
    words = (" ".join("".join(c if c.isalnum() else " " for c in caption.lower()).split()) for caption in captions)
    return torch.tensor([seed_of("caption", w) for w in words], dtype=torch.int64)


def retrieval_metrics(
    audio: Tensor, text: Tensor, clip_of_text: Tensor, caption_group: Tensor | None = None, block: int = 512
) -> dict[str, float]:
    """Retrieval both ways.

    Args:
        audio: `(N, E)` embeddings of the clips.
        text: `(M, E)` embeddings of the captions, any order.
        clip_of_text: `(M,)` row in `audio` of each caption's clip.
        caption_group: `(M,)` integers, equal for equal captions (`caption_groups`); None: no `dup/…` values.
        block: queries ranked at a time; bounds memory, changes nothing.

    Returns:
        `{text_to_audio,audio_to_text}/{r1,r5,r10,map10,median_rank,chance_r1}`, their means `r1, r5, r10, map10, chance_r1`, the same under
        `dup/`, and `gallery_clips`, `gallery_texts`. Shares are between 0 and 1.

    Raises:
        DataError: embeddings that are not finite or zero, a caption of an unknown clip, a clip without a caption, nothing at all.
    """
    rankings = retrieval_rankings(audio, text, clip_of_text, caption_group, block)
    metrics: dict[str, float] = {}
    for prefix in ("", "dup/") if caption_group is not None else ("",):
        ways = {way: _summary(rankings[prefix + way]) for way in WAYS}
        metrics |= {f"{prefix}{way}/{key}": value for way, values in ways.items() for key, value in values.items()}
        metrics |= {prefix + key: sum(values[key] for values in ways.values()) / 2 for key in AVERAGED}
    return metrics | {"gallery_clips": float(len(audio)), "gallery_texts": float(len(text))}


def retrieval_rankings(
    audio: Tensor, text: Tensor, clip_of_text: Tensor, caption_group: Tensor | None = None, block: int = 512
) -> dict[str, Ranking]:
    """What `retrieval_metrics` averages: the values of each query, in the order of captions or clips.

    Returns:
        `text_to_audio` (M queries), `audio_to_text` (N), and with groups the same under `dup/`.

    Raises:
        DataError: see `retrieval_metrics`.
    """
    audio, text, clip = _checked(audio, text, clip_of_text)
    found = _both_ways(audio, text, clip, torch.arange(len(text), device=clip.device), block)
    if caption_group is not None:
        group = caption_group.to(clip.device).unique(return_inverse=True)[1]
        found |= {f"dup/{way}": ranking for way, ranking in _both_ways(audio, text, clip, group, block).items()}
    return found


def map10_laion_compat(audio: Tensor, text: Tensor, clip_of_text: Tensor) -> float:
    """Audio→text "mAP@10" as LAION-CLAP's training code computes it: ranks are left in the order of the captions, so it can exceed 1.

    Only for comparison with figures published with that code; `audio_to_text/map10` is the measure.
    """
    audio, text, clip = _checked(audio, text, clip_of_text)
    rank = cosine(audio, text).argsort(dim=1, descending=True, stable=True).argsort(dim=1)  # (N, M), from 0
    total = 0.0
    for i in range(len(audio)):
        own = rank[i, clip == i].tolist()
        kept = [r for r in own if r < 10]
        total += sum(m / (r + 1) for m, r in enumerate(kept, start=1)) / len(own)
    return total / len(audio)


def _checked(audio: Tensor, text: Tensor, clip_of_text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit rows in float64 and the clip index, all on the audio's device."""
    if not len(audio) or not len(text):
        raise DataError(f"retrieval among {len(audio)} clips and {len(text)} captions", "evaluate on a split that has both")
    if audio.ndim != 2 or text.ndim != 2 or audio.shape[1] != text.shape[1] or clip_of_text.shape != text.shape[:1]:
        shapes = f"{tuple(audio.shape)}, {tuple(text.shape)}, {tuple(clip_of_text.shape)}"
        raise ValueError(f"audio (N, E), text (M, E) and clip_of_text (M,) are wanted, not {shapes}")
    clip = clip_of_text.to(audio.device, torch.int64)
    lowest, highest = int(clip.min()), int(clip.max())
    if lowest < 0 or highest >= len(audio):
        raise DataError(f"captions belong to clips {lowest} … {highest}, but there are {len(audio)} clips", "embed every clip")
    bare = (torch.bincount(clip, minlength=len(audio)) == 0).nonzero().flatten().tolist()
    if bare:
        raise DataError(f"{len(bare)} of {len(audio)} clips have no caption (first: row {bare[0]})", "caption them or leave them out")
    return unit_rows("audio embeddings", audio), unit_rows("text embeddings", text.to(audio.device)), clip


def _both_ways(audio: Tensor, text: Tensor, clip: Tensor, group: Tensor, block: int) -> dict[str, Ranking]:
    """Rankings where caption j is right for clip i if it shares its group with a caption of clip i; `group (M,)` holds 0 … n − 1."""

    def clips_of(texts: Tensor) -> Tensor:
        query, other = (group[texts, None] == group).nonzero(as_tuple=True)
        relevant = torch.zeros(len(texts), len(audio), dtype=torch.bool, device=clip.device)
        relevant[query, clip[other]] = True
        return relevant  # (Q, N)

    def texts_of(clips: Tensor) -> Tensor:
        query, own = (clips[:, None] == clip).nonzero(as_tuple=True)
        grouped = torch.zeros(len(clips), int(group.max()) + 1, dtype=torch.bool, device=clip.device)
        grouped[query, group[own]] = True
        return grouped[:, group]  # (Q, M)

    return {"text_to_audio": _one_way(text, audio, clips_of, block), "audio_to_text": _one_way(audio, text, texts_of, block)}


def _one_way(queries: Tensor, gallery: Tensor, relevant_to: Callable[[Tensor], Tensor], block: int) -> Ranking:
    parts = []
    for rows in torch.arange(len(queries), device=queries.device).split(block):
        parts.append(rank_queries(cosine(queries[rows], gallery), relevant_to(rows)))
    return Ranking(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Ranking)))


def _summary(ranking: Ranking) -> dict[str, float]:
    return {
        **{f"r{k}": value for k, value in zip(CUTOFFS, ranking.hits.mean(dim=0).tolist(), strict=True)},
        "map10": ranking.ap10.mean().item(),
        "median_rank": float(math.floor(ranking.rank.quantile(0.5).item()) + 1),
        "chance_r1": ranking.share.mean().item(),
    }
