"""Stages of tables and rows that need no training: what rooms, words, model and corpus measure, and what guessing and plain physics reach.

Each writes a metrics.json as `evaluate` does, `{"metrics": {name: value}, "meta": {…}}`. In a table of `kind: facts` a metric is called
`<row>/<column>`; a figure that does not exist is named in `meta["absent"]` with the reason.
"""

from __future__ import annotations

import json
import math

from elsa_lightning.stages.execute import Stage


def write_facts(stage: Stage, metrics: dict[str, float], absent: dict[str, str] | None = None, **meta: object) -> dict:
    """Write metrics.json.

    Args:
        stage: at work.
        metrics: name → value; one that is no number must have a reason in `absent`.
        absent: name → why there is no figure.
        meta: whatever else a report may show.

    Returns:
        The stage's facts.

    Raises:
        ValueError: a value is not finite and has no reason.
    """
    absent = absent or {}
    for name, value in metrics.items():
        if not math.isfinite(value) and name not in absent:
            raise ValueError(f"{name} is {value}, without a reason")
    kept = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    content = {"metrics": kept, "meta": {**meta, **({"absent": absent} if absent else {})}}
    (stage.folder / "metrics.json").write_text(json.dumps(content, indent=1))
    return {}
