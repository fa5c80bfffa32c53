"""Which word was found for which: confusion matrices of the zero-shot attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import as_array, matrix, new_figure

MOST_CLASSES = 8
"""A matrix of more classes (of sounds) cannot be read at this size."""


def draw(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    """One figure per row, a panel per attribute; shades are shares of the true class, numbers are counts."""
    for row, label, details, _ in sources.details("zero_shot"):
        found = {name: one for name, one in details.get("confusion", {}).items() if len(one["labels"]) <= MOST_CLASSES}
        if not found:
            continue
        figure = new_figure(3.2 * len(found), 3.4)
        for axis, (name, one) in zip(np.atleast_1d(figure.subplots(1, len(found))), found.items(), strict=True):
            counts = as_array(one["counts"])
            with np.errstate(invalid="ignore"):
                shares = counts / counts.sum(1, keepdims=True)
            matrix(axis, counts, one["labels"], ".4g", shares)
            axis.set(title=name, xlabel="found", ylabel="true")
        figure.suptitle(label)
        yield row, f"Confusion of the zero-shot attributes: {label}", figure
