"""Training curves: the losses of every row, and what validation said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import COLOURS, LINES, MARKERS, new_figure

PANELS = {
    "loss/total": "total loss",
    "loss/clip": "contrastive",
    "loss/direction": "direction, 1 − cos",
    "loss/distance": "distance",
    "loss/area": "floor area",
    "val/retrieval/map10": "validation mAP@10",
}
"""Logged name → its panel's title; a panel without any curve is left out."""

WINDOW = 0.05
"""Share of a curve's points over which its line is a running mean."""


def draw(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    """One figure for the table."""
    rows = list(sources.curves())
    panels = [name for name in PANELS if any(len(values.get(name, ())) > 1 for _, values in rows)]
    if not panels:
        return
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = new_figure(4.2 * columns, 2.9 * lines + 0.3 * len(rows) + 0.3)
    axes = np.atleast_1d(figure.subplots(lines, columns)).flatten()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, name in zip(axes, panels, strict=False):
        for i, (label, values) in enumerate(rows):
            if len(values.get(name, ())) > 1:
                _curve(axis, values[name], i, label)
        axis.set(title=PANELS[name], xlabel="step")
    handles = {text: line for axis in axes[: len(panels)] for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=1, frameon=False)
    yield "", "Training curves, first seed of each row (running means)", figure


def _curve(axis: Any, points: np.ndarray, number: int, label: str) -> None:
    steps, values = points.T
    width = max(1, round(WINDOW * len(values)))
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    axis.plot(
        steps[width - 1 :],
        smooth,
        color=COLOURS[number % len(COLOURS)],
        linestyle=LINES[(number + number // len(COLOURS)) % len(LINES)],
        marker=MARKERS[number % len(MARKERS)],
        markevery=max(1, len(smooth) // 6),
        markersize=4,
        linewidth=1.3,
        label=label,
    )
