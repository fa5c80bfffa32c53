"""The localisation error by what the scene is like: mean, spread and number in each bin (paper, table A6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.evaluators.localization import known_in_test, nothing_to_probe, probed
from elsa_lightning.metrics.localization import angles_deg, direction_errors
from elsa_lightning.schema import BreakdownConfig


@dataclass(frozen=True)
class Bins:
    """One quantity's bins.

    Attributes:
        index: `(n,)` bin of each example, −1 for none.
        names: of the bins.
        bounds: lower and upper bound of each; None: the bins are classes.
    """

    index: Tensor
    names: list[str]
    bounds: list[tuple[float, float]] | None


def evaluate(embedded: Embedded) -> Found:
    """The direction probe's errors in the bins of azimuth, elevation, distance, floor area, T30 and class."""
    found = Found()
    if reason := nothing_to_probe(embedded, "direction"):
        for name in ("azimuth", "elevation", "distance", "floor_area_m2", "t30", "class"):
            found.absent[name] = reason
        return found
    there = known_in_test(embedded, "direction")
    answer = probed(embedded, "direction", embedded.tensors["test/audio"][there])
    break_down(answer, {name: values[there] for name, values in embedded.of("test").items()}, embedded, found)
    return found


def break_down(answer: Tensor, labels: dict[str, Tensor], embedded: Embedded, found: Found) -> None:
    """Errors of directions `(n, 3)` by bins of the labels `(n,)` of the same examples, into `found`."""
    errors = direction_errors(answer, labels["direction"])
    for name, bins in all_bins(labels, embedded.evaluation.breakdown, embedded.classes).items():
        if not (bins.index >= 0).any():
            found.absent[name] = "no test clip has a class" if bins.bounds is None else f"no test clip has a {name} within the bins"
            continue
        rows = [_bin(errors, bins.index == i) for i in range(len(bins.names))]
        bounds = bins.bounds or [(None, None)] * len(rows)
        found.details[name] = [
            {"low": low, "high": high, "label": label, **row} for (low, high), label, row in zip(bounds, bins.names, rows, strict=True)
        ]
        _flatten(found, name, bins, rows)


def _flatten(found: Found, name: str, bins: Bins, rows: list[dict[str, Any]]) -> None:
    """A quantity's figures as metrics, and why there is none."""
    for label, row in zip(bins.names, rows, strict=True):
        for key in ("n", "mean", "sd", "median"):
            if row[key] is not None:
                found.metrics[f"{name}/{label}/{key}"] = float(row[key])
            else:
                found.absent[f"{name}/{label}/{key}"] = f"{'one test clip lies' if row['n'] else 'no test clip lies'} in this bin"
    means = [row["mean"] for row in rows if row["n"]]
    found.metrics[f"{name}/spread"] = max(means) - min(means)
    if bins.bounds is None:
        return
    if len(means) > 2 and (middle := sum(means[1:-1]) / (len(means) - 2)) > 0:
        found.metrics[f"{name}/ends_ratio"] = (means[0] + means[-1]) / 2 / middle
    else:
        found.absent[f"{name}/ends_ratio"] = "no bins, or no error, between the first and the last"


def all_bins(labels: dict[str, Tensor], cfg: BreakdownConfig, classes: list[str]) -> dict[str, Bins]:
    """Quantity → bins, of labels `(n,)`."""
    azimuth, elevation = angles_deg(labels["direction"])
    values = {
        "azimuth": (azimuth, cfg.azimuth_deg),
        "elevation": (elevation, cfg.elevation_deg),
        "distance": (labels["distance_m"], cfg.distance_m),
        "floor_area_m2": (labels["floor_area_m2"], cfg.floor_area_m2),
        "t30": (labels["t30_s"], cfg.t30_s),
    }
    found = {name: Bins(bin_of(value, bounds), *_named(bounds)) for name, (value, bounds) in values.items()}
    names = classes or [str(i) for i in range(int(labels["label"].max()) + 1)]
    return found | {"class": Bins(labels["label"], names, None)}


def bin_of(values: Tensor, bounds: list[float]) -> Tensor:
    """`(n,)` index of the bin with low ≤ value < high (of the last one ≤ high), −1 for none and for NaN. Values are rounded to 1e-4."""
    values = (values.double() * 1e4).round() / 1e4  # a float32 angle of 45° is not 45
    index = torch.bucketize(values, torch.tensor(bounds, dtype=torch.float64), right=True) - 1
    index[values == bounds[-1]] = len(bounds) - 2
    outside = (index < 0) | (index > len(bounds) - 2) | values.isnan()
    return torch.where(outside, -1, index)


def _named(bounds: list[float]) -> tuple[list[str], list[tuple[float, float]]]:
    pairs = list(pairwise(bounds))
    return [f"{low:g}..{high:g}" for low, high in pairs], pairs


def _bin(errors: dict[str, Tensor], here: Tensor) -> dict[str, Any]:
    """Figures of one bin, degrees; None where there are too few examples for them."""
    angle = errors["doa"][here]
    if not len(angle):
        return {"n": 0, **dict.fromkeys(("mean", "sd", "median", "azimuth_mean", "elevation_mean"))}
    spread = angle.std(correction=1).item() if len(angle) > 1 else math.nan
    return {
        "n": len(angle),
        "mean": angle.mean().item(),
        "sd": None if math.isnan(spread) else spread,
        "median": angle.quantile(0.5).item(),
        "azimuth_mean": errors["azimuth"][here].mean().item(),
        "elevation_mean": errors["elevation"][here].mean().item(),
    }
