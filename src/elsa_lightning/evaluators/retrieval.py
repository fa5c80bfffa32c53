"""Retrieval between the first version of each test clip and its captions."""

from __future__ import annotations

import torch

from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.metrics import retrieval
from elsa_lightning.metrics.ranking import CUTOFFS, Ranking


def evaluate(embedded: Embedded) -> Found:
    """`metrics.retrieval.retrieval_metrics`, five captions both ways, paired and with equal captions shared."""
    tensors = embedded.tensors
    given = (
        tensors["test/audio"][:: embedded.versions],
        tensors["retrieval/text"],
        tensors["retrieval/clip_of_text"],
        tensors["retrieval/group"],
    )
    found = Found(retrieval.retrieval_metrics(*given))
    rankings = retrieval.retrieval_rankings(*given)
    clip_of_query = {"text_to_audio": given[2], "audio_to_text": torch.arange(embedded.clips)}
    captions = torch.bincount(given[2])
    for prefix in ("", "dup/"):
        values = {way: _columns(rankings[prefix + way]) for way in retrieval.WAYS}
        for way, clip in clip_of_query.items():
            for key, value in values[way].items():
                found.score(f"{prefix}{way}/{key}", value, clip)
        if (captions == captions[0]).all():  # else the mean over captions is no mean over clips
            for key, of_clip in values["audio_to_text"].items():
                by_caption = torch.zeros(embedded.clips, dtype=torch.float64).index_add_(0, given[2], values["text_to_audio"][key])
                found.score(prefix + key, (of_clip + by_caption / captions) / 2, clip_of_query["audio_to_text"])
    return found


def laion_compat(embedded: Embedded) -> Found:
    """LAION-CLAP's audio→text "mAP@10" under its own name: known to be wrong, see `metrics.retrieval.map10_laion_compat`."""
    tensors = embedded.tensors
    first = tensors["test/audio"][:: embedded.versions]
    value = retrieval.map10_laion_compat(first, tensors["retrieval/text"], tensors["retrieval/clip_of_text"])
    return Found({"audio_to_text": value})


def _columns(ranking: Ranking) -> dict[str, torch.Tensor]:
    return {f"r{k}": ranking.hits[:, i] for i, k in enumerate(CUTOFFS)} | {"map10": ranking.ap10}
