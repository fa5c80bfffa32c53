"""Zero-shot classification: a clip belongs to the class whose prompt is nearest by cosine.

Where several classes are equally near, the clip counts for each of them in equal parts, so a collapsed model scores chance. Balanced
accuracy is the mean over the classes that occur of the share found (torchmetrics' macro accuracy when all occur).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.errors import DataError
from elsa_lightning.metrics.similarity import cosine, finite_rows, unit_rows


def zero_shot(audio: Tensor, prompts: Tensor, labels: Tensor) -> dict[str, float | Tensor]:
    """Accuracy of the nearest prompt.

    Args:
        audio: `(N, E)` embeddings.
        prompts: `(C, E)`, one prompt a class, or `(C, P, E)`, an ensemble: the mean of the normalised prompts, normalised again.
        labels: `(N,)` class index, −1 for a clip that has none (it does not count).

    Returns:
        See `zero_shot_from_scores`.

    Raises:
        DataError: embeddings that are not finite or zero, a label that is no class.
    """
    return zero_shot_from_scores(zero_shot_scores(audio, prompts), labels)


def zero_shot_scores(audio: Tensor, prompts: Tensor) -> Tensor:
    """`(N, C)` float64 cosine similarities of clips and classes; arguments as in `zero_shot`."""
    prototypes = unit_rows("prompt embeddings", prompts.to(audio.device))
    if prototypes.ndim == 3:
        prototypes = unit_rows("means of prompt embeddings", prototypes.mean(dim=1))
    return cosine(unit_rows("audio embeddings", audio), prototypes)


def zero_shot_from_scores(scores: Tensor, labels: Tensor) -> dict[str, float | Tensor]:
    """Accuracy of the highest score.

    Args:
        scores: `(N, C)`, one a class.
        labels: `(N,)` class index, −1: does not count.

    Returns:
        `accuracy`, `balanced_accuracy` (NaN when no clip has a label), `confusion (C, C)` float64 counts, true class down and predicted
        class across, `n` labelled clips.
    """
    classes = scores.shape[1]
    share, labels = predicted_shares(scores, labels)
    confusion = torch.zeros(classes, classes, dtype=torch.float64, device=scores.device)
    confusion.index_add_(0, labels, share)
    count, right = torch.bincount(labels, minlength=classes), confusion.diagonal()
    present = count > 0
    return {
        "accuracy": (right.sum() / len(labels)).item() if len(labels) else math.nan,
        "balanced_accuracy": (right[present] / count[present]).mean().item() if len(labels) else math.nan,
        "confusion": confusion,
        "n": float(len(labels)),
    }


def predicted_shares(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of the labelled clips: by which share each counts for each class, float64 `(n, C)` with rows of sum 1, and their labels `(n,)`.

    Arguments and errors as in `zero_shot_from_scores`.
    """
    classes = scores.shape[1]
    labels = labels.to(scores.device, torch.int64)
    odd = labels[(labels < -1) | (labels >= classes)].tolist()
    if odd:
        raise DataError(f"label {odd[0]} is none of the {classes} classes", "label clips 0 … C − 1, or −1 for none")
    scores, labels = finite_rows("class scores", scores)[labels >= 0], labels[labels >= 0]
    nearest = (scores == scores.amax(dim=1, keepdim=True)).double()  # (n, C)
    return nearest / nearest.sum(dim=1, keepdim=True), labels
