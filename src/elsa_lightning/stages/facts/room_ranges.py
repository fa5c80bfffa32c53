"""Stage `room_ranges`: what the simulated rooms span (the paper's table A2), read off the banks' labels, not off what was asked for."""

from __future__ import annotations

import math

from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.facts import write_facts
from elsa_lightning.stages.rooms import load_banks

QUANTITIES = {
    "floor_area": ("floor_area_m2", 1.0),
    "azimuth": ("azimuth", math.degrees(1)),
    "elevation": ("elevation", math.degrees(1)),
    "distance": ("distance_m", 1.0),
    "t30": ("t30_s", 1000.0),
}
"""Row → label of the bank, and the factor from its unit to the row's (m², degrees, m, ms)."""

COLUMNS = ("rooms", "low", "median", "high")


def run(stage: Stage) -> dict:
    """`<quantity>/<split>_<rooms, low, median, high>` of the training, validation and test rooms."""
    metrics = {}
    for split, bank in load_banks(stage).items():
        metrics |= {f"{row}/{split}_{name}": value for row, found in spans(bank).items() for name, value in found.items()}
    return write_facts(stage, metrics)


def spans(bank: RoomBank) -> dict[str, dict[str, float]]:
    """Of each quantity: in how many rooms it is known, its least, middle and greatest value, in the row's unit."""
    return {row: _span(bank.labels[label], factor) for row, (label, factor) in QUANTITIES.items()}


def _span(values: Tensor, factor: float) -> dict[str, float]:
    values = values[~values.isnan()].double() * factor
    found = (len(values), values.min().item(), values.median().item(), values.max().item())
    return dict(zip(COLUMNS, found, strict=True))
