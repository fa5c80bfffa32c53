"""Stage `evaluate`: the evaluators that `evaluation.evaluators` names, from embeddings only (docs/evaluation.md)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from elsa_lightning.atomic import write_json
from elsa_lightning.bootstrap import write_scores
from elsa_lightning.evaluators import BY_ROOMS, EVALUATORS, Embedded, Found, intervals
from elsa_lightning.schema import Experiment
from elsa_lightning.stages import embed, embed_texts, intensity
from elsa_lightning.stages.execute import Stage
from elsa_lightning.training.trainer import quiet_lightning

FILES = {"embed": embed.FILE, "embed_texts": embed_texts.FILE, "intensity": intensity.FILE}
"""Stage → its tensors."""


def run(stage: Stage) -> dict:
    """Write `metrics.json` ({"metrics": {name: value}, "meta": {…}}), `details.json`, `per_clip.safetensors` and, with a map, `map.npz`.

    What no clip has a label for has no metric: `meta["absent"]` names it with the reason.
    """
    quiet_lightning()
    tensors: dict[str, Tensor] = {}
    for name, folder in stage.parents.items():
        tensors |= load_file(folder / FILES[name])
    facts = json.loads((stage.parents["embed"] / "texts.json").read_text())
    found = evaluate_all(Embedded(tensors, stage.cfg, facts["classes"]), stage.cfg, stage.status)
    meta = {
        "gallery": {
            "clips": facts["gallery"],
            "captions": len(facts["captions"]),
            "ids": facts["gallery_hash"],
            "test examples": facts["test_examples"],
        }
    } | ({"absent": found.absent} if found.absent else {})
    write_json(stage.folder / "details.json", finite(found.details))
    write_scores(found.scores, stage.folder / "per_clip.safetensors")
    if found.arrays:
        np.savez_compressed(stage.folder / "map.npz", **found.arrays)
    metrics = {key: float(value) for key, value in found.metrics.items()}
    (stage.folder / "metrics.json").write_text(json.dumps({"metrics": metrics, "meta": meta}, indent=1))
    return meta


def evaluate_all(embedded: Embedded, cfg: Experiment, status=lambda done, total, text: None) -> Found:
    """What the named evaluators find together, each under its name; then the intervals, where they are named."""
    found, wanted = Found(), cfg.evaluation.evaluators
    names = [name for name in EVALUATORS if name in wanted]
    for number, name in enumerate(names):
        status(number, len(names), name.replace("_", " "))
        found.add(EVALUATORS[name](embedded).under(name))
    for kind, part in by_rooms(embedded).items():
        for name in (name for name in BY_ROOMS if name in wanted):
            within = EVALUATORS[name](part).under(name).under(kind)
            within.details = {}
            found.add(within)
    if "intervals" in wanted:
        ev = cfg.evaluation.intervals
        found.details["intervals"] = intervals(found.scores, ev.resamples, ev.level)
    return found


def by_rooms(embedded: Embedded) -> dict[str, Embedded]:
    """The same embeddings with the test clips in simulated or in measured rooms alone; empty where all test rooms are of one kind."""
    if "test/in_measured_room" not in embedded.tensors:
        return {}
    measured = embedded.tensors["test/in_measured_room"]
    return {"simulated": embedded.part(~measured), "measured": embedded.part(measured)}


def finite(value: Any) -> Any:
    """Plain containers with None for every number that JSON has no word for."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
