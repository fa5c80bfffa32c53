"""Probes that were trained on audio embeddings, asked about the embeddings of captions whose words are known (paper, appendix)."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.evaluators.localization import LABELS, known_in_training, nothing_to_learn, probed
from elsa_lightning.metrics.localization import angles_deg
from elsa_lightning.metrics.zero_shot import predicted_shares, zero_shot_from_scores

NEAR_M = 1.5
"""A predicted distance below is "near", any other "far": the middle between the two words' bounds, 1 and 2 m."""

TARGET = {"direction": "direction", "elevation": "direction", "distance": "distance"}
"""Attribute → the probe that tells it."""

CENTRES_DEG = {"front": 0.0, "left": 90.0, "right": -90.0, "back": 180.0}


def evaluate(embedded: Embedded) -> Found:
    """Direction, elevation and distance of captions: as they are, and with the gap between modalities taken away (`centred/…`)."""
    found = Found()
    clip = embedded.tensors["retrieval/clip_of_text"]
    text = torch.nn.functional.normalize(embedded.tensors["retrieval/text"].float(), dim=1)  # (M, E)
    for attribute, target in TARGET.items():
        if reason := nothing_to_learn(embedded, target):
            found.absent |= {attribute: reason, f"centred/{attribute}": reason}
            continue
        # a caption says every word that holds of its clip's first version
        words = embedded.words(attribute, "test")[:: embedded.versions][clip]  # (M,)
        if not (words >= 0).any():
            reason = f"no test caption says {' or '.join(ATTRIBUTES[attribute])}"
            found.absent |= {attribute: reason, f"centred/{attribute}": reason}
            continue
        heard = embedded.tensors["probe/audio"][known_in_training(embedded, LABELS[target])]
        centred = torch.nn.functional.normalize(text - text.mean(dim=0) + heard.mean(dim=0), dim=1)
        for prefix, given in {"": text, "centred/": centred}.items():
            scores = word_scores(attribute, probed(embedded, target, given))
            _report(found, prefix, attribute, scores, words, clip)
    return found


def word_scores(attribute: str, answer: Tensor) -> Tensor:
    """A probe's answers, directions `(M, 3)` or distances `(M,)` in m, as scores `(M, C)` of the attribute's words: the nearest wins."""
    if attribute == "distance":
        return torch.stack([NEAR_M - answer, answer - NEAR_M], dim=1)
    azimuth, elevation = angles_deg(answer)
    if attribute == "elevation":
        return torch.stack([elevation, -elevation], dim=1)
    centres = torch.tensor([CENTRES_DEG[word] for word in ATTRIBUTES["direction"]], dtype=azimuth.dtype)
    return -(torch.remainder(azimuth[:, None] - centres + 180, 360) - 180).abs()


def _report(found: Found, prefix: str, attribute: str, scores: Tensor, words: Tensor, clip: Tensor) -> None:
    result = zero_shot_from_scores(scores, words)
    found.metrics |= {f"{prefix}{attribute}/{key}": result[key] for key in ("accuracy", "balanced_accuracy", "n")}
    place = found.details.setdefault("centred", {}) if prefix else found.details
    place[attribute] = {"labels": list(ATTRIBUTES[attribute]), "counts": result["confusion"].tolist()}
    share, known = predicted_shares(scores, words)
    right = share.gather(1, known[:, None])[:, 0]
    found.score(f"{prefix}{attribute}/accuracy", right, clip[words >= 0])
    found.score(f"{prefix}{attribute}/balanced_accuracy", right, clip[words >= 0], "balanced", known)
