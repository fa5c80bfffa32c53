"""Where the localisation error comes from: its mean and spread by azimuth, elevation, distance, floor area, T30 and class (paper, A6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import COLOURS, HATCHES, new_figure

AXES = {
    "azimuth": "azimuth, °",
    "elevation": "elevation, °",
    "distance": "distance, m",
    "floor_area_m2": "floor area, m²",
    "t30": "T30, s",
    "class": "class of sound",
}
MOST_BINS = 24
"""Classes beyond so many are left out, those with the fewest clips first."""


def draw(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    """One figure per row, a panel per quantity: bars are means, whiskers one standard deviation, N stands in the bar."""
    for row, label, details, _ in sources.details("breakdown"):
        panels = {name: [one for one in details[name] if one["n"]] for name in AXES if details.get(name)}
        panels = {name: bins for name, bins in panels.items() if bins}
        if not panels:
            continue
        figure = new_figure(12, 3.1 * -(-len(panels) // 2))
        axes = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).flatten()
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        for axis, (number, (name, bins)) in zip(axes, enumerate(panels.items()), strict=False):
            _bars(axis, bins, name, number)
        figure.suptitle(label)
        yield row, f"Great-circle error by what may matter, mean and standard deviation: {label}", figure


def _bars(axis: Any, bins: list[dict[str, Any]], name: str, number: int) -> None:
    if len(bins) > MOST_BINS:
        kept = sorted(bins, key=lambda one: -one["n"])[:MOST_BINS]
        bins = [one for one in bins if one in kept]
    means = [one["mean"] for one in bins]
    spread = [one["sd"] or 0.0 for one in bins]
    low = [min(mean, sd) for mean, sd in zip(means, spread, strict=True)]  # an error is never negative
    options = {"color": COLOURS[number % 6], "hatch": HATCHES[number % len(HATCHES)], "edgecolor": "black", "linewidth": 0.6, "alpha": 0.75}
    axis.bar(range(len(bins)), means, yerr=[low, spread], capsize=2, error_kw={"linewidth": 0.8}, **options)
    for i, one in enumerate(bins):
        axis.annotate(
            f"N {one['n']}", (i, 0), (0, 2), textcoords="offset points", ha="center", fontsize=6, rotation=90 if len(bins) > 9 else 0
        )
    axis.set_xticks(range(len(bins)), [str(one["label"]) for one in bins], rotation=60 if len(bins) > 6 else 20, ha="right", fontsize=7)
    axis.set(xlabel=AXES[name], ylabel="error, °")
