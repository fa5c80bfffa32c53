"""Where the sound is, read off frozen embeddings by two-layer probes that were trained on training clips."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.losses.spatial import known
from elsa_lightning.metrics.localization import direction_errors, distance_metrics, localization_metrics
from elsa_lightning.seeding import seed_of
from elsa_lightning.training.probe import ProbeModule, fit_probe

LABELS = {"direction": "direction", "distance": "distance_m"}
"""Target of a probe → its label."""

DIRECTION_KEYS = {"doa_mae_deg": "doa", "azimuth_mae_deg": "azimuth", "elevation_mae_deg": "elevation"}
"""Metric → the error of `direction_errors` that it is the mean of."""


def evaluate(embedded: Embedded) -> Found:
    """Errors of the direction and of the distance, over the test examples with that label."""
    found = Found()
    for target, label in LABELS.items():
        there = known_in_test(embedded, label)
        asked = embedded.tensors[f"test/{label}"][there]
        if reason := nothing_to_probe(embedded, target):
            found.absent[target] = reason
            continue
        answer = probed(embedded, target, embedded.tensors["test/audio"][there])
        clip = embedded.clip[there]
        if target == "direction":
            found.metrics |= localization_metrics(answer, asked)
            score_directions(found, answer, asked, clip)
        else:
            found.metrics |= distance_metrics(answer, asked)
            found.score("distance_mae_m", (answer.double() - asked.double()).abs(), clip)
    if math.isnan(found.metrics.get("distance_ratio", 0.0)):
        del found.metrics["distance_ratio"]
        found.absent["distance_ratio"] = "all test clips with a known distance have the same one"
    return found


def score_directions(found: Found, answer: Tensor, asked: Tensor, clip: Tensor) -> None:
    """Keep the errors of directions `(n, 3)` by clip, under the keys of `localization_metrics`."""
    errors = direction_errors(answer, asked)
    for key, name in DIRECTION_KEYS.items():
        found.score(key, errors[name], clip)
    found.score("doa_median_deg", errors["doa"], clip, "median")


def known_in_test(embedded: Embedded, label: str) -> Tensor:
    """`(N,)` bool: test examples whose label is known; a recording's may not be."""
    tensors = embedded.tensors
    return known(tensors[f"test/{label}"], torch.ones_like(tensors["test/is_spatial"]))


def known_in_training(embedded: Embedded, label: str) -> Tensor:
    """`(N,)` bool: the probe's examples whose label is known and can be heard; a non-spatial clip has no place to read off it."""
    tensors = embedded.tensors
    return known(tensors[f"probe/{label}"], tensors["probe/is_spatial"])


def probed(embedded: Embedded, target: str, embeddings: Tensor) -> Tensor:
    """What the probe of a target reads off embeddings `(n, E)`: directions `(n, 3)` or distances `(n,)` in m."""
    probe = probe_of(embedded, target)
    with torch.no_grad():
        return probe(embeddings)


def probe_of(embedded: Embedded, target: str) -> ProbeModule:
    """The probe of a target, fitted once for all evaluators."""
    if target not in embedded.fits:
        label, ev = LABELS[target], embedded.evaluation
        here = known_in_training(embedded, label)
        audio, learnt = embedded.tensors["probe/audio"][here], embedded.tensors[f"probe/{label}"][here]
        embedded.fits[target] = fit_probe(target, audio, learnt, ev.probe_hidden, ev.probe_steps, seed_of("probe", embedded.cfg.seed))
    return embedded.fits[target]


def nothing_to_learn(embedded: Embedded, target: str) -> str:
    """Why a probe cannot be trained; empty if it can."""
    learnt = embedded.tensors[f"probe/{LABELS[target]}"][known_in_training(embedded, LABELS[target])]
    if not len(learnt):
        return f"no training clip has a known {target}"
    same = target == "distance" and len(learnt.unique()) < 2  # nothing to scale by
    return f"all training clips with a known {target} have the same one" if same else ""


def nothing_to_probe(embedded: Embedded, target: str) -> str:
    """Why a probe cannot be trained or judged; empty if it can."""
    learnt = nothing_to_learn(embedded, target)
    if learnt.startswith("no "):
        return learnt
    if not known_in_test(embedded, LABELS[target]).any():
        return f"no test clip has a known {target}"
    return learnt
