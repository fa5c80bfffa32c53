"""Everything that a call leaves of a table: its report as JSON and Markdown, its figures, TensorBoard. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import read_json
from elsa_lightning.corpora import described
from elsa_lightning.figures import VERSION, draw_all
from elsa_lightning.report import collect, write
from elsa_lightning.tables import Plan
from elsa_lightning.tensorboard_projector import write_projector
from elsa_lightning.tensorboard_report import write_tensorboard
from elsa_lightning.tensorboard_view import BOARD, link_curves


def publish(plan: Plan, runs: Path, results: Path) -> tuple[dict[str, Any], list[Path]]:
    """Write the report of what is done.

    Args:
        plan: of the table.
        runs: folder of all runs.
        results: folder of the reports.

    Returns:
        The report, and the files.

    Raises:
        RunError: a finished run is damaged, or the disk is full.
    """
    report = with_figures(plan, collect(plan, runs, [described(cfg) for cfg in plan.corpora]), runs, results)
    paths = [*write(report, results, plan.name), *(results / one["file"] for one in report.get("figures", []))]
    board = runs / BOARD / plan.name
    write_tensorboard(report, board, results)
    for row, seed in _first_done(plan, report):
        (embed,) = [ref for ref in plan.runs[row, seed] if ref.stage == "embed"]
        write_projector(board / f"{row}.{seed}", runs / embed.run_id)
    link_curves(plan, runs)
    return report, paths


def _first_done(plan: Plan, report: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """(row, seed): the first finished seed of each row that embeds clips."""
    for row in (r for r in report["rows"] if r["run"]):
        for seed in plan.seeds:
            stages = [ref.stage for ref in plan.runs.get((row["id"], seed), [])]
            if row["states"].get(str(seed)) == "done" and "embed" in stages:
                yield row["id"], seed
                break


def with_figures(plan: Plan, report: dict[str, Any], runs: Path, results: Path) -> dict[str, Any]:
    """The report with its figures, which are drawn unless those of the same report lie there already."""
    if not plan.table.figures:
        return report
    report = report | {"figures_version": VERSION}
    before = read_json(results / f"{plan.name}.json")
    if isinstance(before, dict) and "figures" in before:
        drawn, lacking = before.pop("figures"), before.pop("figures_lacking", [])
        if before == report and not lacking and all(path.exists() for one in drawn for path in files_of(one, results)):
            return report | {"figures": drawn}
    drawn, lacking = draw_all(plan, report, runs, results)
    return report | {"figures": drawn} | ({"figures_lacking": lacking} if lacking else {})


def files_of(figure: dict[str, str], results: Path) -> list[Path]:
    """SVG and PNG of a figure."""
    return [results / figure["file"], results / (figure["file"].removesuffix("svg") + "png")]
