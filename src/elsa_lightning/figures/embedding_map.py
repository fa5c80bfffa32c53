"""Maps of the embeddings by direction (paper, F-UMAP): supervised, unsupervised, and supervised on shuffled labels as a control."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import COLOURS, MARKERS, new_figure

MAPS = {"supervised": "supervised (paper)", "unsupervised": "unsupervised", "shuffled": "control: shuffled labels"}
MOST_POINTS = 400
"""Points of a set that are drawn, evenly spaced in order: more hide each other."""


def draw(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    """One figure per row: test audio filled, captions hollow; below, the training clips of the fit."""
    for row, label, details, folder in sources.details("embedding_map"):
        path = folder / "map.npz"
        if not path.exists():
            continue
        points = dict(np.load(path))
        maps = [name for name in MAPS if f"{name}/test" in points]
        figure = new_figure(4.2 * len(maps), 7.6)
        axes = figure.subplots(2, len(maps), squeeze=False)
        for column, name in enumerate(maps):
            _panel(axes[0, column], points, name, ("test", "captions"), details["labels"])
            _panel(axes[1, column], points, name, ("train",), details["labels"])
            said = details["accuracy"][name]
            axes[0, column].set_title(
                f"{MAPS[name]}\nneighbours' vote: test {_percent(said['test'])}, captions {_percent(said['captions'])}"
            )
            axes[1, column].set_title(f"clips of the fit, {_percent(said['train'])}")
        handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=max(1, len(handles) // 2), frameon=False)
        figure.suptitle(label)
        yield row, f"UMAP by direction, fitted on training clips: {label}", figure


def _panel(axis: Any, points: dict[str, np.ndarray], name: str, sets: tuple[str, ...], labels: list[str]) -> None:
    for which in sets:
        places, words = points[f"{name}/{which}"], points[f"{which}/word"]
        chosen = np.unique(np.linspace(0, len(places) - 1, min(MOST_POINTS, len(places))).round().astype(int))
        places, words = places[chosen], words[chosen]
        for i, label in enumerate(labels):
            here, colour = places[words == i], COLOURS[i % len(COLOURS)]
            face = "none" if which == "captions" else colour
            size = 10 if which == "train" else 22
            kind = {"test": "audio", "captions": "captions", "train": "training audio"}[which]
            axis.scatter(
                *here.T,
                s=size,
                marker=MARKERS[i % len(MARKERS)],
                facecolors=face,
                edgecolors=colour,
                linewidths=0.8,
                label=f"{label}, {kind}",
            )
    axis.set(xticks=[], yticks=[])


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
