"""Stage `architecture`: how many parameters each part has and how wide its output is, at the paper's size and as configured."""

from __future__ import annotations

import dataclasses
import math

import torch

from elsa_lightning.models.elsa import ElsaModel, parameter_table
from elsa_lightning.schema import Experiment, NoSpatialConfig
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.facts import write_facts

PARTS = {
    "semantic": "semantic",
    "spatial": "spatial",
    "fusion": "audio_projection",
    "text": "text",
    "text_projection": "text_projection",
    "heads": "heads",
}
"""Row → part of the model."""


def run(stage: Stage) -> dict:
    """`<part>/{paper,here}_{parameters,width}` and `total/{paper,here}_{parameters,share_over_clap}`."""
    cfg = stage.cfg
    metrics, absent = {}, {}
    with torch.device("meta"):  # counted, not filled
        paper = describe(Experiment())
    for size, found in (("paper", paper), ("here", describe(cfg))):
        metrics |= {f"{row}/{size}_{name}": value for row, values in found.items() for name, value in values.items()}
    for row in (*PARTS, "total"):
        for size in ("paper", "here"):
            for name in ("parameters", "width", "over_clap"):
                key = f"{row}/{size}_{name}"
                if not math.isfinite(metrics.setdefault(key, math.nan)):
                    absent[key] = "of parts" if row == "total" else "of the whole"
    return write_facts(stage, metrics, absent)


def describe(cfg: Experiment) -> dict[str, dict[str, float]]:
    """Parameters and width of each part; of the whole also by how much it exceeds the same model without a spatial branch (CLAP's)."""
    model = ElsaModel(cfg.model, cfg.features)
    alone = ElsaModel(dataclasses.replace(cfg.model, spatial=NoSpatialConfig()), cfg.features)
    counts = parameter_table(model)
    widths = {
        "semantic": model.semantic.width,
        "spatial": model.spatial.width,
        "fusion": cfg.model.embedding,
        "text": model.text.width,
        "text_projection": cfg.model.embedding,
        "heads": 5,  # direction 3, distance 1, area 1
    }
    clap = parameter_table(alone)["total"] - counts["heads"]  # CLAP has no regression heads
    found = {row: {"parameters": float(counts[part]), "width": float(widths[row])} for row, part in PARTS.items()}
    return found | {"total": {"parameters": float(counts["total"]), "over_clap": counts["total"] / clap - 1}}
