"""Maps of the embeddings in two dimensions by UMAP, and how much of the direction they show (paper, figure F-UMAP).

A supervised map pulls apart whatever classes it is given, noise included. So it is fitted on training clips and judged on test clips and
captions, which `transform` puts in without their labels; and beside it stand the unsupervised map and one that was given shuffled labels.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.errors import RunError
from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.metrics.similarity import unit_rows
from elsa_lightning.schema import EmbeddingMapConfig
from elsa_lightning.seeding import rng_of

WORDS = ATTRIBUTES["direction"]
MAPS = ("supervised", "unsupervised", "shuffled")


@dataclass(frozen=True)
class Points:
    """Embeddings `(n, E)` of length 1 and their direction words `(n,)`."""

    points: np.ndarray
    word: np.ndarray


def evaluate(embedded: Embedded) -> Found:
    """Three maps; coordinates in `arrays`, votes of the nearest neighbours in `metrics`."""
    found, cfg = Found(), embedded.evaluation.embedding_map
    sets = _sets(embedded, cfg)
    lacking = [name for name, part in sets.items() if not len(part.word)]
    few = len(sets["train"].word)
    if not lacking and few <= cfg.neighbours:
        found.absent["supervised"] = f"{few} training clips have a direction word, not more than the map's {cfg.neighbours} neighbours"
    if lacking:
        found.absent["supervised"] = f"no direction word among {' and '.join(lacking)}"
    if found.absent:
        found.absent |= dict.fromkeys((*MAPS[1:], "embeddings"), found.absent["supervised"])
        return found
    seed = embedded.seed("map") % 2**32
    shuffled = rng_of("shuffled map", embedded.cfg.seed).permutation(sets["train"].word)
    labels = {"supervised": sets["train"].word, "unsupervised": None, "shuffled": shuffled}
    accuracy = {"embeddings": {name: vote(sets["train"], sets[name], cfg.vote) for name in ("test", "captions")}}
    for name, given in labels.items():
        placed = fit_map(sets, given, cfg, seed)
        fitted = Points(placed["train"], sets["train"].word if given is None else given)
        own = {part: Points(placed[part], sets[part].word) for part in ("test", "captions")}
        accuracy[name] = {"train": vote(fitted, None, cfg.vote)} | {part: vote(fitted, points, cfg.vote) for part, points in own.items()}
        found.arrays |= {f"{name}/{part}": coordinates for part, coordinates in placed.items()}
    found.arrays |= {f"{name}/word": part.word for name, part in sets.items()}
    found.metrics = {f"{name}/{part}_accuracy": value for name, values in accuracy.items() for part, value in values.items()}
    found.details = {"labels": list(WORDS), "accuracy": accuracy, "n": {name: len(part.word) for name, part in sets.items()}}
    return found


def fit_map(sets: dict[str, Points], labels: np.ndarray | None, cfg: EmbeddingMapConfig, seed: int) -> dict[str, np.ndarray]:
    """Coordinates `(n, 2)` float32 of every set, of a map fitted on `train` with the labels, or without.

    Raises:
        RunError: umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ImportError:
        raise RunError("maps of embeddings need umap-learn", "pip install 'elsa-lightning[maps]'") from None
    mapper = UMAP(n_neighbors=cfg.neighbours, min_dist=cfg.min_dist, metric="cosine", random_state=seed, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies' and of its own parallelism
        placed = {"train": mapper.fit_transform(sets["train"].points, y=labels)}
        placed |= {name: mapper.transform(part.points) for name, part in sets.items() if name != "train"}
    return {name: np.asarray(coordinates, dtype=np.float32) for name, coordinates in placed.items()}


def vote(fitted: Points, asked: Points | None, neighbours: int) -> float:
    """Balanced accuracy of the nearest points' vote, ties of the vote in equal parts.

    Args:
        fitted: the points that vote.
        asked: the points that are voted on; None: the fitted ones, each without its own vote.
        neighbours: how many vote.
    """
    from scipy.spatial import cKDTree

    tree, judged = cKDTree(fitted.points), asked or fitted
    count = min(neighbours, len(fitted.word) - (asked is None))
    nearest = tree.query(judged.points, k=count + (asked is None))[1].reshape(len(judged.word), -1)
    if asked is None:
        own = nearest == np.arange(len(nearest))[:, None]
        own[~own.any(axis=1), -1] = True  # it stands among copies of itself: any of them may go
        nearest = nearest[~own].reshape(len(nearest), -1)
    votes = (fitted.word[nearest][:, :, None] == np.arange(len(WORDS))).sum(axis=1)  # (n, 4)
    most = votes == votes.max(axis=1, keepdims=True)
    right = most[np.arange(len(most)), judged.word] / most.sum(axis=1)
    return float(np.mean([right[judged.word == word].mean() for word in np.unique(judged.word)]))


def _sets(embedded: Embedded, cfg: EmbeddingMapConfig) -> dict[str, Points]:
    """Training and test examples and captions that have a direction word; of the first at most `train_clips`, drawn at random."""
    tensors, asked = embedded.tensors, embedded.words("direction", "test")
    learnt = embedded.words("direction", "probe")
    rows = (learnt >= 0).nonzero().flatten().numpy()
    rows = torch.as_tensor(np.sort(rng_of("mapped clips", embedded.cfg.seed).permutation(rows)[: cfg.train_clips]))
    said = asked[:: embedded.versions][tensors["retrieval/clip_of_text"]]
    return {
        "train": _points(tensors["probe/audio"][rows], learnt[rows]),
        "test": _points(tensors["test/audio"], asked),
        "captions": _points(tensors["retrieval/text"], said),
    }


def _points(embeddings: Tensor, words: Tensor) -> Points:
    here = words >= 0
    return Points(unit_rows("embeddings", embeddings[here]).float().cpu().numpy(), words[here].cpu().numpy())
