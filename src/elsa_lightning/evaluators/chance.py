"""What the labels alone give, without listening: each figure under the key of the metric that it is the chance of."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.evaluators.localization import known_in_test, known_in_training
from elsa_lightning.evaluators.zero_shot import labelled
from elsa_lightning.metrics.localization import great_circle_deg
from elsa_lightning.metrics.retrieval import retrieval_metrics


def evaluate(embedded: Embedded) -> Found:
    """Chance of zero-shot accuracies, retrieval and localisation."""
    found = Found()
    missing = Found()
    for name, (labels, _) in labelled(embedded, missing).items():
        counts = torch.bincount(labels[labels >= 0])
        found.metrics[f"zero_shot/{name}/balanced_accuracy"] = 1 / int((counts > 0).sum())
        found.metrics[f"zero_shot/{name}/accuracy"] = counts.max().item() / counts.sum().item()
    found.absent |= {f"zero_shot/{name}": reason for name, reason in missing.absent.items()}
    found.metrics |= {f"retrieval/{key}": value for key, value in random_order(embedded).items()}
    _directions(embedded, found)
    _distances(embedded, found)
    return found


def random_order(embedded: Embedded) -> dict[str, float]:
    """Retrieval by equal scores, which count as their expectation over a random order; exact, no draw is made."""
    clip_of_text, group = (embedded.tensors[f"retrieval/{name}"] for name in ("clip_of_text", "group"))
    return retrieval_metrics(torch.ones(embedded.clips, 1), torch.ones(len(clip_of_text), 1), clip_of_text, group)


def mean_pairwise_deg(directions: Tensor, block: int = 1024) -> float:
    """Mean great-circle angle between two different ones of `(n, 3)` directions: guessing another example's."""
    total = sum(great_circle_deg(part[:, None], directions).sum().item() for part in directions.double().split(block))
    return total / (len(directions) * (len(directions) - 1))


def _directions(embedded: Embedded, found: Found) -> None:
    learnt = embedded.tensors["probe/direction"][known_in_training(embedded, "direction")]
    asked = embedded.tensors["test/direction"][known_in_test(embedded, "direction")]
    if len(asked) > 1:
        found.metrics["localization/doa_mae_deg"] = mean_pairwise_deg(asked)
    else:
        found.absent["localization/doa_mae_deg"] = "fewer than two test clips have a known direction"
    constant = learnt.double().mean(dim=0) if len(learnt) else torch.zeros(3)
    if constant.norm() > 0 and len(asked):
        found.metrics["localization/doa_constant_mae_deg"] = great_circle_deg(constant, asked).mean().item()
    else:
        found.absent["localization/doa_constant_mae_deg"] = "no training or no test clip has a known direction"


def _distances(embedded: Embedded, found: Found) -> None:
    learnt = embedded.tensors["probe/distance_m"][known_in_training(embedded, "distance_m")]
    asked = embedded.tensors["test/distance_m"][known_in_test(embedded, "distance_m")]
    if len(learnt) and len(asked):
        constant = learnt.double().quantile(0.5)
        found.metrics["localization/distance_mae_m"] = (asked.double() - constant).abs().mean().item()
    else:
        found.absent["localization/distance_mae_m"] = "no training or no test clip has a known distance"
