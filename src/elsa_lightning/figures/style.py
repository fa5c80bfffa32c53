"""One look for all figures: colours, markers, hatches, and files that do not change from call to call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elsa_lightning.errors import DataError

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")
SETTINGS = {
    "svg.hashsalt": "elsa-lightning",
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""Of matplotlib, while a figure is made and while it is written."""

PNG_DPI = 130


def new_figure(width: float, height: float) -> Any:
    """An empty figure, inches; it belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png` without date or version.

    Raises:
        DataError: a file cannot be written.
    """
    import matplotlib

    without_date = {"svg": {"metadata": {"Date": None, "Creator": None}}, "png": {"metadata": {"Software": None}, "dpi": PNG_DPI}}
    with matplotlib.rc_context(SETTINGS):
        for kind, options in without_date.items():
            path = stem.parent / f"{stem.name}.{kind}"
            try:
                figure.savefig(path, format=kind, **options)
            except OSError as fault:
                raise DataError(f"the figure {path} could not be written ({fault})", "make room, or give another --results") from fault


def matrix(axis: Any, values: np.ndarray, labels: list[str], fmt: str, shares: np.ndarray | None = None) -> None:
    """A square matrix as shades of one colour with its numbers written in: readable without the colour.

    Args:
        axis: to draw on.
        values: `(C, C)` to write; NaN stays empty of colour and says "–".
        labels: of rows and columns.
        fmt: of a number.
        shares: `(C, C)` in [0, 1], the shade; None: the values themselves.
    """
    shades = np.nan_to_num(values if shares is None else shares)
    axis.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    for (i, j), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else format(value, fmt)
        axis.text(j, i, text, ha="center", va="center", color="white" if shades[i, j] > 0.55 else "black")
    places = range(len(labels))
    axis.set_xticks(places, labels, rotation=30 if max(map(len, labels)) > 6 else 0)
    axis.set_yticks(places, labels)
    axis.tick_params(length=0)


def as_array(rows: Any) -> np.ndarray:
    """Nested lists in which `null` means "no number"."""
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)
