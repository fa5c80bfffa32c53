"""Evaluators: functions of a run's embeddings, labels and configuration (docs/evaluation.md). No model, no files.

`EVALUATORS` has a function for each name of `schema_evaluation.EVALUATORS` but `intervals`, which needs what all others found.
"""

from __future__ import annotations

from elsa_lightning.evaluators import (
    breakdown,
    chance,
    direction,
    embedding_map,
    intensity,
    localization,
    retrieval,
    text_probes,
    wasserstein,
    zero_shot,
)
from elsa_lightning.evaluators.embedded import Embedded, Evaluator, Found
from elsa_lightning.evaluators.intervals import intervals

EVALUATORS: dict[str, Evaluator] = {
    "retrieval": retrieval.evaluate,
    "zero_shot": zero_shot.evaluate,
    "localization": localization.evaluate,
    "map10_laion_compat": retrieval.laion_compat,
    "shuffled_labels": zero_shot.shuffled_labels,
    "template_spread": zero_shot.template_spread,
    "breakdown": breakdown.evaluate,
    "wasserstein": wasserstein.evaluate,
    "direction_swap": direction.swap,
    "direction_removal": direction.removal,
    "text_probes": text_probes.evaluate,
    "embedding_map": embedding_map.evaluate,
    "intensity_baseline": intensity.evaluate,
    "chance": chance.evaluate,
}

BY_ROOMS = ("zero_shot", "localization")
"""Evaluators whose metrics are given for simulated and for measured test rooms alone, too."""

__all__ = ["BY_ROOMS", "EVALUATORS", "Embedded", "Evaluator", "Found", "intervals"]
