"""Arithmetic with directions: swap one for another, or take it away (paper, tables A11 and A12).

    swap      unit(audio − s·p(old) + s·p(new))
    removal   unit(audio − s·p(old))

p(word) is the normalised embedding of the evaluation's template for that direction, s is `evaluation.direction_swap.scale`. A two-layer
classifier of the direction, trained on the training clips' own embeddings, reads the result; and the clip must still find its captions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.metrics.ranking import CUTOFFS, rank_queries
from elsa_lightning.metrics.similarity import cosine, on_grid, unit_rows
from elsa_lightning.metrics.zero_shot import zero_shot_from_scores
from elsa_lightning.training.classifier import ClassifierModule, fit_classifier

WORDS = ATTRIBUTES["direction"]
TEN = CUTOFFS.index(10)


@dataclass(frozen=True)
class Directed:
    """The test examples that have a direction word.

    Attributes:
        audio: `(n, E)` float64, of length 1.
        word: `(n,)` index into `WORDS`.
        clip: `(n,)` row in the gallery.
        prototypes: `(4, E)`, scaled.
        classifier: of the direction.
        right: `(n,)` bool: it finds the word of the embedding as it is.
    """

    audio: Tensor
    word: Tensor
    clip: Tensor
    prototypes: Tensor
    classifier: ClassifierModule
    right: Tensor

    def swapped(self, new: int) -> Tensor:
        """`(n, E)` embeddings with this direction instead of their own."""
        return unit_rows("swapped embeddings", self.audio - self.prototypes[self.word] + self.prototypes[new])

    def removed(self) -> Tensor:
        """`(n, E)` embeddings without their direction."""
        return unit_rows("embeddings without a direction", self.audio - self.prototypes[self.word])


def swap(embedded: Embedded) -> Found:
    """How often a swapped embedding is read as its new direction, and whether it still finds its captions."""
    found = Found()
    given = _directed(embedded, found, ("classifier_accuracy", "reached", "reached_all", "plain", "moved"))
    if given is None:
        return found
    predicted = torch.stack([given.classifier.predict(given.swapped(new)) for new in range(len(WORDS))])  # (4, n)
    arrived = predicted == torch.arange(len(WORDS))[:, None]  # (4, n)
    other = given.word != torch.arange(len(WORDS))[:, None]  # (4, n): a swap with itself is none
    share = zero_shot_from_scores(given.classifier.logits(given.audio), given.word)
    found.metrics |= {"classifier_accuracy": share["accuracy"], "n": float(len(given.word))}
    matrices = {}
    for key, counts in {"reached": given.right, "reached_all": torch.ones_like(given.right)}.items():
        pair = other & counts
        if pair.any():
            found.metrics[key] = arrived[pair].double().mean().item()
            found.score(key, arrived[pair].double(), given.clip.expand_as(pair)[pair])
        else:
            found.absent[key] = "the classifier finds no direction of any test clip"
        matrices[key] = _pairs(given, arrived, counts)
    found.details = {
        "labels": list(WORDS),
        "classifier": {"labels": list(WORDS), "counts": share["confusion"].tolist()},
        **matrices,
        "n": torch.bincount(given.word[given.right], minlength=len(WORDS)).tolist(),
        "n_all": torch.bincount(given.word, minlength=len(WORDS)).tolist(),
        "r10": {},
    }
    _retrieve_plain(embedded, given, [given.swapped(new) for new in range(len(WORDS))], other, found)
    _retrieve_moved(embedded, given, found)
    return found


def removal(embedded: Embedded) -> Found:
    """How often an embedding without its direction is still read as that direction, and whether it still finds its captions."""
    found = Found()
    given = _directed(embedded, found, ("kept", "kept_all", "plain", *WORDS))
    if given is None:
        return found
    kept = given.classifier.predict(given.removed()) == given.word
    found.details = {"labels": list(WORDS), "r10": {}}
    for key, counts in {"kept": given.right, "kept_all": torch.ones_like(given.right)}.items():
        if counts.any():
            found.metrics[key] = kept[counts].double().mean().item()
            found.score(key, kept[counts].double(), given.clip[counts])
        else:
            found.absent[key] = "the classifier finds no direction of any test clip"
        each = [kept[counts & (given.word == i)].double() for i in range(len(WORDS))]
        found.details[key] = [values.mean().item() if len(values) else None for values in each]
        found.details["n" + key.removeprefix("kept")] = [len(values) for values in each]
        for word, values in zip(WORDS, each, strict=True):
            if len(values):
                found.metrics[f"{word}/{key}"] = values.mean().item()
            else:
                found.absent[f"{word}/{key}"] = f"no test clip {'is known to be' if key == 'kept_all' else 'is read as'} {word}"
    _retrieve_plain(embedded, given, [given.removed()], torch.ones(1, len(given.word), dtype=torch.bool), found)
    return found


def _directed(embedded: Embedded, found: Found, keys: tuple[str, ...]) -> Directed | None:
    """The examples with a direction; None, with a reason for each key, where nothing can be done."""
    learnt, asked = embedded.words("direction", "probe"), embedded.words("direction", "test")
    lacking = [word for i, word in enumerate(WORDS) if not (learnt == i).any()]
    reason = f"no training clip is known to be {' or '.join(lacking)}" if lacking else ""
    if not (asked >= 0).any():
        reason = f"no test clip is known to be {' or '.join(WORDS)}"
    if reason:
        found.absent |= dict.fromkeys(keys, reason)
        return None
    if "direction classifier" not in embedded.fits:
        ev, here = embedded.evaluation, learnt >= 0
        embedded.fits["direction classifier"] = fit_classifier(
            embedded.tensors["probe/audio"][here], learnt[here], len(WORDS), ev.probe_hidden, ev.probe_steps, embedded.seed("classifier")
        )
    classifier, here = embedded.fits["direction classifier"], asked >= 0
    audio = unit_rows("audio embeddings", embedded.tensors["test/audio"][here])
    prototypes = unit_rows("prompt embeddings", embedded.tensors["prompts/direction"]) * embedded.evaluation.direction_swap.scale
    right = classifier.predict(audio) == asked[here]
    return Directed(audio, asked[here], embedded.clip[here], prototypes, classifier, right)


def _pairs(given: Directed, arrived: Tensor, counts: Tensor) -> list[list[float | None]]:
    """Old direction × new direction: share of the old one's examples that arrive; the diagonal is that of the unswapped ones."""
    matrix: list[list[float | None]] = []
    for old in range(len(WORDS)):
        here = counts & (given.word == old)
        row = [arrived[new, here].double().mean().item() if here.any() else None for new in range(len(WORDS))]
        row[old] = given.right[here].double().mean().item() if here.any() else None
        matrix.append(row)
    return matrix


def first_versions(embedded: Embedded) -> Tensor:
    """`(n,)` bool: of the examples with a direction word, those that are their clip's first version."""
    first = torch.arange(len(embedded.tensors["test/audio"])) % embedded.versions == 0
    return first[embedded.words("direction", "test") >= 0]


def _retrieve_plain(embedded: Embedded, given: Directed, changed: list[Tensor], counts: Tensor, found: Found) -> None:
    """R@10 of a clip's captions without spatial words, before and after the change; `counts (changes, n)` says which are made."""
    tensors, first = embedded.tensors, first_versions(embedded)
    if not first.any():
        found.absent["plain"] = "no first version of a test clip has a direction word"
        return
    text = unit_rows("text embeddings", tensors["plain/text"])
    group = tensors["plain/group"].unique(return_inverse=True)[1]
    owns = torch.zeros(embedded.clips, int(group.max()) + 1, dtype=torch.bool)
    owns[tensors["plain/clip_of_text"], group] = True
    relevant = owns[given.clip[first]][:, group]  # (q, M)
    before = rank_queries(cosine(given.audio[first], text), relevant).hits[:, TEN]
    parts = []
    for one, made in zip(changed, counts[:, first], strict=True):
        after = rank_queries(cosine(one[first], text), relevant).hits[:, TEN]
        parts.append((before[made], after[made], given.clip[first][made]))
    _change(found, "plain", *(torch.cat(part) for part in zip(*parts, strict=True)), len(text))


def _retrieve_moved(embedded: Embedded, given: Directed, found: Found) -> None:
    """R@10 of the caption that says where the clip was moved, among the other clips' captions as they are."""
    tensors = embedded.tensors
    movable = tensors["directed/can_move"][given.clip] & first_versions(embedded)
    if not movable.any():
        found.absent["moved"] = "no test clip has a direction word that its captions could change"
        return
    clip, word = given.clip[movable], given.word[movable]
    per_clip = len(tensors["retrieval/text"]) // embedded.clips
    captions = unit_rows("text embeddings", tensors["retrieval/text"][::per_clip])  # (N, E), the first of each clip
    directed = unit_rows("text embeddings", tensors["directed/text"])  # (4, N, E)
    group = tensors["retrieval/group"][::per_clip]
    before = rank_queries(cosine(given.audio[movable], captions), group == group[clip, None]).hits[:, TEN]
    parts = []
    for new in range(len(WORDS)):
        made = word != new
        queries, own = given.swapped(new)[movable][made], clip[made]
        scores, rows = cosine(queries, captions), torch.arange(len(own))
        said = unit_rows("text embeddings", directed[new, own])
        scores[rows, own] = on_grid((queries * said).sum(dim=1))
        relevant = group == tensors["directed/group"][new, own, None]  # another clip's caption may say the same
        relevant[rows, own] = True
        parts.append((before[made], rank_queries(scores, relevant).hits[:, TEN], own))
    _change(found, "moved", *(torch.cat(part) for part in zip(*parts, strict=True)), len(captions))


def _change(found: Found, name: str, before: Tensor, after: Tensor, clip: Tensor, gallery: int) -> None:
    figures: dict[str, Any] = {"before": before.mean().item(), "after": after.mean().item(), "change": (after - before).mean().item()}
    found.metrics |= {f"{name}/r10_{key}": value for key, value in figures.items()}
    found.details["r10"][name] = figures | {"n": len(before), "gallery": gallery}
    found.score(f"{name}/r10_change", after - before, clip)
    found.score(f"{name}/r10_before", before, clip)
    found.score(f"{name}/r10_after", after, clip)
