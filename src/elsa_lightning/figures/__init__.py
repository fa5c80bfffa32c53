"""Figures beside the tables: drawn from a report and from the files of its finished runs, never from a model. Imports no torch.

Every figure is an SVG and a PNG, the same bytes whenever they are drawn from the same runs with the same matplotlib. Colours are Okabe and
Ito's, which readers with any colour vision tell apart; markers, line styles and hatches say the same in black and white.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import disk_faults
from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import SETTINGS, save
from elsa_lightning.tables import Plan

VERSION = 1
"""Raised when figures look different: they are drawn again."""

MISSING = "Figures were not drawn: matplotlib is not installed (pip install 'elsa-lightning[figures]')."


def draw_all(plan: Plan, report: dict[str, Any], runs: Path, folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Draw the figures that a table names.

    Args:
        plan: of the table.
        report: as collected.
        runs: folder of all runs.
        folder: for the files, `<plan>.<figure>[.<row>].{svg,png}`.

    Returns:
        For each figure its SVG's name and a caption; and why some are missing.
    """
    if not plan.table.figures:
        return [], []
    try:
        import matplotlib
    except ImportError:
        return [], [MISSING]
    drawn, lacking = [], []
    with disk_faults(folder), matplotlib.rc_context(SETTINGS):
        folder.mkdir(parents=True, exist_ok=True)
        for name in plan.table.figures:
            found = list(_figures(name, Sources(plan, report, runs)))
            for suffix, caption, figure in found:
                stem = ".".join([plan.name, name, *([suffix] if suffix else [])])
                save(figure, folder / stem)
                drawn.append({"file": f"{stem}.svg", "caption": caption})
            lacking += [] if found else [f"No figure {name.replace('_', ' ')} yet: no finished run of this table holds what it shows."]
    return drawn, lacking


def _figures(name: str, sources: Sources) -> Iterator[tuple[str, str, Any]]:
    from elsa_lightning.figures import breakdown, confusion, curves, embedding_map, pipeline, swap

    painters: dict[str, Callable[[Sources], Iterator[tuple[str, str, Any]]]] = {
        "pipeline": pipeline.draw,
        "curves": curves.draw,
        "confusion": confusion.draw,
        "error_breakdown": breakdown.draw,
        "embedding_map": embedding_map.draw,
        "swap_matrix": swap.draw,
    }
    yield from painters[name](sources)
