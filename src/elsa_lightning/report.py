"""Collects a table's finished runs into one JSON value: everything that the rendered table says. Imports no torch.

The value depends on the runs alone, not on the moment of the call: a second call gives the same file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import disk_faults, read_json, write_json, write_text
from elsa_lightning.errors import RunError
from elsa_lightning.report_bootstrap import paired
from elsa_lightning.report_markdown import render
from elsa_lightning.runs import Run
from elsa_lightning.stages_plan import METRICS_VERSION, StageRef
from elsa_lightning.table_file import Claim, Column, Row
from elsa_lightning.tables import Plan
from elsa_lightning.verdicts import claim_verdict, floor_verdict, interval

ELEVATION, ELEVATION_BLIND = "zero_shot/elevation/balanced_accuracy", 0.65
"""Metric, and the share below which a run counts as blind to elevation; guessing gives 0.5."""

NOT_DEFINED = "not defined"
"""In a cell of a baseline that has no such figure."""

RESULTS = "results"
"""Default folder of the reports."""


def collect(plan: Plan, runs: Path, corpora: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """The whole report as plain containers.

    Args:
        plan: the table's plan.
        runs: folder of all runs.
        corpora: what is known of the rows' corpora: name, synthetic, licence, content_hash.

    Raises:
        RunError: a finished run whose metrics.json is damaged.
    """
    raw = {key: _metrics(stages, runs) for key, stages in plan.runs.items()}
    rows = [_row(plan, row, raw, runs) for row in plan.table.rows]
    if table_order := plan.table.order_by:
        rows = _best_first(rows, plan.table.column(table_order))
    scaled = {c.key: {r["id"]: r["cells"][c.key]["values"] for r in rows if r["run"]} for c in plan.table.columns}
    return {
        "table": plan.table.table,
        "title": plan.table.title,
        "source": plan.table.source,
        "profile": plan.profile,
        "corpora": list(corpora),
        "overrides": plan.overrides,
        "seeds": list(plan.seeds),
        "metrics_version": METRICS_VERSION,
        "gallery": _galleries(raw),
        "cost_s": _cost(plan, runs),
        **_provenance(plan, runs),
        "columns": [dataclasses.asdict(c) for c in plan.table.columns],
        "rows": rows,
        "claims": [_claim(plan, claim, scaled, runs) for claim in plan.table.claims],
        "floors": _floors(plan, scaled, raw),
        "notes": [*_of_smoke(plan), *plan.table.notes, *_blind_to_elevation(plan, rows), *_absent(plan, raw), *_lacking(plan)],
        "reading": plan.table.reading,
    }


def _best_first(rows: list[dict[str, Any]], column: Column) -> list[dict[str, Any]]:
    """Rows by their mean in a column; those without one last, in their order."""
    sign = -1 if column.better == "higher" else 1

    def place(row: dict[str, Any]) -> tuple[bool, float]:
        mean = row["cells"].get(column.key, {}).get("mean") if row["run"] else None
        return mean is None, 0.0 if mean is None else sign * mean

    return sorted(rows, key=place)


def _claim(plan: Plan, claim: Claim, scaled: dict[str, dict[str, dict[str, float]]], runs: Path) -> dict[str, Any]:
    over_clips = paired(plan, claim, runs)
    return dataclasses.asdict(claim) | claim_verdict(claim, scaled[claim.key]) | ({"paired": over_clips} if over_clips else {})


def write(report: dict[str, Any], folder: Path, name: str) -> tuple[Path, Path]:
    """Write `<name>.json` and `<name>.md`, both whole or not at all.

    Returns:
        The two paths.
    """
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.md", folder / f"{name}.json"
    write_json(paths[1], report)
    write_text(paths[0], render(report))
    return paths


def rerender(path: Path) -> str:
    """The Markdown of a report's JSON file.

    Raises:
        RunError: the file is not a report.
    """
    report = read_json(path)
    if not isinstance(report, dict) or "columns" not in report:
        raise RunError(f"{path} is not a report", "give a JSON file of results/")
    return render(report)


def _metrics(stages: list[StageRef], runs: Path) -> dict[str, Any] | None:
    run = Run(runs / stages[-1].run_id)
    return run.metrics() if run.done else None


def _state(stages: list[StageRef], runs: Path) -> str:
    """State of a row's seed: that of its first stage that is not done, counted over all of them."""
    if Run(runs / stages[-1].run_id).done:
        return "done"
    states = [Run(runs / ref.run_id).state for ref in stages]
    for word in ("failed", "running"):
        found = [state for state in states if state.startswith(word)]
        if found:
            return found[0]
    return "missing"


def _row(plan: Plan, row: Row, raw: dict[tuple[str, int], Any], runs: Path) -> dict[str, Any]:
    seeds = plan.seeds if row.run and row.id not in plan.lacking else ()
    found = {seed: raw[row.id, seed] for seed in seeds}
    measured = [seed for seed in seeds if found[seed] is not None]
    intervals = _intervals(plan.runs[row.id, measured[0]], runs) if len(measured) == 1 else {}
    content = {
        "id": row.id,
        "label": row.label,
        "run": row.run,
        "overrides": row.overrides,
        "paper": {key: dataclasses.asdict(figure) for key, figure in row.paper.items()},
        "states": {str(seed): _state(plan.runs[row.id, seed], runs) for seed in seeds},
        "runs": {str(seed): plan.runs[row.id, seed][-1].run_id for seed in seeds},
        "train_s": {str(seed): _train_seconds(plan.runs[row.id, seed], runs) for seed in seeds},
        "cells": {},
    }
    if row.id in plan.lacking:
        content["lacking"] = plan.lacking[row.id]
    for column in plan.table.columns if row.run else ():
        metric = plan.table.metric(row, column)
        values = {str(seed): value for seed in seeds if metric and (value := _value(found[seed], column, metric)) is not None}
        mean, half_width = interval(list(values.values())) if values else (None, None)
        cell = content["cells"][column.key] = {"values": values, "mean": mean, "half_width": half_width}
        if half_width is None and mean is not None and metric in intervals:
            cell["clips"] = [end * column.scale for end in intervals[metric]]
        reason = next((why for one in found.values() for name, why in _reasons(one) if _about(metric, name)), "")
        if mean is None and (reason or not metric):
            cell["absent"] = reason if metric else NOT_DEFINED
    return content


def _value(metrics: dict[str, Any] | None, column: Column, metric: str = "") -> float | None:
    """A metric (the column's own, if none is named) in its column's unit; None where it is missing or not a number."""
    value = (metrics or {"metrics": {}})["metrics"].get(metric or column.key)
    return value * column.scale if isinstance(value, int | float) and math.isfinite(value) else None


def _train_seconds(stages: list[StageRef], runs: Path) -> float | None:
    """Working time of the training stages, pre-training and captioner included, s."""
    seconds = [Run(runs / ref.run_id).seconds for ref in stages if ref.stage in ("pretraining", "train", "captioner")]
    return None if None in seconds or not seconds else round(math.fsum(s for s in seconds if s is not None), 1)


def _cost(plan: Plan, runs: Path) -> float | None:
    """Working time of all stages, s, divided by the number of seeds; None before all are done."""
    seconds = [Run(runs / ref.run_id).seconds for ref in plan.stages]
    return None if None in seconds or not seconds else round(math.fsum(s for s in seconds if s is not None) / len(plan.seeds), 1)


def _galleries(raw: dict[tuple[str, int], Any]) -> list[dict[str, Any]]:
    """What the evaluations say of their galleries (size, hash of the ids), each once."""
    found: list[dict[str, Any]] = []
    for metrics in raw.values():
        gallery = (metrics or {}).get("meta", {}).get("gallery")
        if gallery and gallery not in found:
            found.append(gallery)
    return found


def _floors(plan: Plan, scaled: dict[str, dict[str, dict[str, float]]], raw: dict[tuple[str, int], Any]) -> list[dict[str, Any]]:
    floors = []
    for floor in plan.table.floors:
        of_other_profile = floor.profile and (floor.profile != plan.profile or plan.overrides)  # a changed profile is another
        if (floor.corpus and floor.corpus != plan.corpus) or of_other_profile:
            continue
        values, column = scaled[floor.key][floor.row], plan.table.column(floor.key)
        bars = dict.fromkeys(values, floor.value)
        if floor.times:
            factors = {s: _value(raw[floor.row, int(s)], dataclasses.replace(column, key=floor.times)) for s in values}
            bars = {seed: floor.value * factor for seed, factor in factors.items() if factor is not None}
        floors.append(dataclasses.asdict(floor) | floor_verdict(floor, values, bars, [str(seed) for seed in plan.seeds]))
    return floors


def _of_smoke(plan: Plan) -> list[str]:
    """What a report of the smoke profile must say first."""
    return ["⚠ Profile smoke tries whether everything runs: its figures, claims and floors mean nothing."] * (plan.profile == "smoke")


def _blind_to_elevation(plan: Plan, rows: list[dict[str, Any]]) -> list[str]:
    """A note for every row and seed that cannot tell up from down, where the table shows it."""
    column = next((c for c in plan.table.columns if c.key == ELEVATION), None)
    if column is None:
        return []
    bar = ELEVATION_BLIND * column.scale
    return [
        f"⚠ {row['label']}, seed {seed}: {column.label} {value:.{column.digits}f} is below {bar:g}: blind to elevation (docs/concepts.md)."
        for row in rows
        if row["run"] and not plan.table.row(row["id"]).metrics  # a guess is no model
        for seed, value in row["cells"][ELEVATION]["values"].items()
        if value < bar
    ]


def _absent(plan: Plan, raw: dict[tuple[str, int], Any]) -> list[str]:
    """A note for the columns that have no figures because no clip has their label (`stages.evaluate`), each reason once."""
    if plan.table.kind == "facts":  # the cells say it
        return []
    reasons = {name: reason for metrics in raw.values() for name, reason in _reasons(metrics)}
    shown = {name: "; ".join(c.label for c in plan.table.columns if _about(c.key, name)) for name in reasons}
    return [f"No figures for {shown[name]}: {reason}." for name, reason in reasons.items() if shown[name]]


def _intervals(stages: list[StageRef], runs: Path) -> dict[str, list[float]]:
    """Metric → its interval over test clips, where the evaluation has them (`evaluation.evaluators: [intervals]`)."""
    details = read_json(runs / stages[-1].run_id / "details.json")
    return details.get("intervals", {}) if isinstance(details, dict) else {}


def _reasons(metrics: dict[str, Any] | None) -> Iterable[tuple[str, str]]:
    """What an evaluation could not measure, and why."""
    return (metrics or {}).get("meta", {}).get("absent", {}).items()


def _lacking(plan: Plan) -> list[str]:
    return [f"Not run: {plan.table.row(row).label}. It needs {needs}." for row, needs in plan.lacking.items()]


def _about(key: str, name: str) -> bool:
    """Whether a metric is, or belongs to, what is absent: localization/doa_mae_deg to localization/direction."""
    if name in ("localization/direction", "localization/distance"):
        return key.startswith("localization/") and (("distance" in key) == (name == "localization/distance"))
    return key == name or key.startswith(name + "/")


def _provenance(plan: Plan, runs: Path) -> dict[str, Any]:
    """Commits, machines, devices, versions and date of all stages, as they recorded them."""
    names = [ref.run_id for ref in plan.stages]
    metas = [meta for name in names if (meta := read_json(runs / name / "meta.json"))]
    finished = [done["finished"] for name in names if (done := read_json(runs / name / "done.json"))]
    date = datetime.fromtimestamp(max(finished), UTC).strftime("%Y-%m-%d") if finished else ""
    facts = [found for name in names if isinstance(found := read_json(runs / name / "facts.json"), dict)]
    return {
        "commits": _distinct(metas, lambda meta: meta.get("commit")),
        "hardware": _distinct(metas, lambda meta: meta.get("hardware")),
        "devices": _distinct(facts, lambda found: found.get("device")),
        "versions": _distinct(metas, lambda meta: meta.get("versions")),
        "date": date,
    }


def _distinct(metas: list[dict[str, Any]], pick: Callable[[dict[str, Any]], Any]) -> list[Any]:
    found: list[Any] = []
    for value in map(pick, metas):
        if value and value not in found:
            found.append(value)
    return found
