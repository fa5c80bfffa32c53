"""What figures are drawn from: details.json, map.npz and metrics.jsonl of a table's finished runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elsa_lightning.atomic import read_json
from elsa_lightning.runs import Run
from elsa_lightning.tables import Plan


@dataclass(frozen=True)
class Sources:
    """A table's report and its runs.

    Attributes:
        plan: of the table.
        report: as collected.
        runs: folder of all runs.
    """

    plan: Plan
    report: dict[str, Any]
    runs: Path

    def finished(self) -> Iterator[tuple[str, str, Path]]:
        """Of each row that has a finished run: its id, its label and the folder of the first such seed's last stage; equal runs once, by their
        first row's names. Where all rows read one run, as bins of its errors do, its names are `all` and the table's title."""
        rows: dict[Path, list[Any]] = {}
        for row in self.plan.table.rows:
            for seed in self.plan.seeds:
                stages = self.plan.runs.get((row.id, seed), [])
                if stages and Run(folder := self.runs / stages[-1].run_id).done:
                    rows.setdefault(folder, []).append(row)
                    break
        for folder, readers in rows.items():
            together = len(rows) == 1 and len(readers) > 1
            yield ("all", self.plan.table.title, folder) if together else (readers[0].id, readers[0].label, folder)

    def details(self, evaluator: str) -> Iterator[tuple[str, str, Any, Path]]:
        """Of each row whose evaluation has details of an evaluator: its id, its label, the details and the run's folder."""
        for row, label, folder in self.finished():
            content = read_json(folder / "details.json")
            if isinstance(content, dict) and content.get(evaluator):
                yield row, label, content[evaluator], folder

    def curves(self) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Of each row with a finished training: its label, and metric → `(steps, 2)` step and value, as logged."""
        seen = set()
        for row in self.plan.table.rows:
            for seed in self.plan.seeds:
                refs = [ref for ref in self.plan.runs.get((row.id, seed), []) if ref.stage == "train"]
                if refs and Run(folder := self.runs / refs[0].run_id).done:
                    if folder not in seen:
                        yield row.label, logged(folder / "metrics.jsonl")
                    seen.add(folder)
                    break


def logged(path: Path) -> dict[str, np.ndarray]:
    """Metric → `(n, 2)` step and value of a metrics.jsonl; nothing where there is no file."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        step = entry.get("step")
        for name, value in entry.items():
            if name not in ("step", "epoch", "time") and isinstance(value, int | float) and step is not None:
                found.setdefault(name, []).append((step, value))
    return {name: np.array(values, dtype=float) for name, values in found.items()}
