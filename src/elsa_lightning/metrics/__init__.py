"""Metrics of embeddings and labels: pure functions; `accumulate` has the `torchmetrics.Metric`s that collect over batches and ranks."""

from elsa_lightning.metrics.localization import direction_errors, distance_metrics, great_circle_deg, localization_metrics
from elsa_lightning.metrics.retrieval import caption_groups, map10_laion_compat, retrieval_metrics, retrieval_rankings
from elsa_lightning.metrics.zero_shot import zero_shot

__all__ = [
    "caption_groups",
    "direction_errors",
    "distance_metrics",
    "great_circle_deg",
    "localization_metrics",
    "map10_laion_compat",
    "retrieval_metrics",
    "retrieval_rankings",
    "zero_shot",
]
