"""What one seed can say of a claim: the difference of two rows on the same test clips, with its bootstrap interval. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elsa_lightning.bootstrap import paired_interval, read_scores
from elsa_lightning.errors import DataError
from elsa_lightning.runs import Run
from elsa_lightning.table_file import Claim
from elsa_lightning.tables import Plan

FILE = "per_clip.safetensors"
RESAMPLES, LEVEL, SEED = 1000, 0.95, 0


def paired(plan: Plan, claim: Claim, runs: Path) -> dict[str, Any] | None:
    """Left less right of a claim between rows, in the column's unit: `difference`, `low`, `high`, `seed`.

    None where a number is on the right, where no or several seeds of both rows are done (then the seeds say more), where an evaluation
    keeps no scores of the metric, or where the rows were tested on different clips.
    """
    if not isinstance(claim.right, str):
        return None
    column = plan.table.column(claim.key)
    sides = [plan.table.row(name) for name in (claim.left, claim.right)]
    seeds = [seed for seed in plan.seeds if all(_done(plan, row.id, seed, runs) for row in sides)]
    if len(seeds) != 1:
        return None
    found = []
    for row in sides:
        path = runs / plan.runs[row.id, seeds[0]][-1].run_id / FILE
        scores = read_scores(path) if path.exists() else {}
        found.append(scores.get(plan.table.metric(row, column)))
    if None in found:
        return None
    try:
        values = paired_interval(found[0], found[1], RESAMPLES, LEVEL, SEED)
    except DataError:  # other clips: there are no pairs
        return None
    return {**dict(zip(("difference", "low", "high"), (value * column.scale for value in values), strict=True)), "seed": seeds[0]}


def _done(plan: Plan, row: str, seed: int, runs: Path) -> bool:
    return (row, seed) in plan.runs and Run(runs / plan.runs[row, seed][-1].run_id).done
