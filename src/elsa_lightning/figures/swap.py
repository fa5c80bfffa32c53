"""Direction swap: which share of the clips of one direction is heard at another after the swap (paper, A11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import as_array, matrix, new_figure


def draw(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    """One figure per row: the swap beside what the classifier says without any."""
    for row, label, details, _ in sources.details("direction_swap"):
        figure = new_figure(8.2, 4.1)
        left, right = figure.subplots(1, 2)
        counts = as_array(details["classifier"]["counts"])
        with np.errstate(invalid="ignore"):
            shares = counts / counts.sum(1, keepdims=True)
        matrix(left, 100 * shares, details["classifier"]["labels"], ".1f", shares)
        left.set(title="before: classified as, %", xlabel="found", ylabel="true")
        reached = as_array(details["reached"])
        matrix(right, 100 * reached, details["labels"], ".1f", reached)
        right.set(title="after the swap: arrived, %", xlabel="new direction", ylabel="old direction")
        figure.suptitle(f"{label} (n = {details['n']})")
        yield row, f"Direction swap, correctly classified clips; the diagonal is unswapped: {label}", figure
