import math
import pathlib

import numpy as np
import pytest
import torch
from torch import nn

from elsa_lightning.evaluators import EVALUATORS
from elsa_lightning.evaluators.breakdown import bin_of
from elsa_lightning.figures.breakdown import AXES
from elsa_lightning.metrics.localization import great_circle_deg
from elsa_lightning.table_file import load_table

ROOT = pathlib.Path(__file__).parents[2]


class Read(nn.Module):
    """A probe that reads a direction or a distance off fixed components."""

    def __init__(self, turn_deg=0.0, distance=None):
        super().__init__()
        angle = math.radians(turn_deg)
        self.turn = torch.tensor([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
        self.distance = distance

    def forward(self, embedding):
        if self.distance is not None:
            return torch.full((len(embedding),), self.distance)
        return nn.functional.normalize(embedding[:, :3].float() @ self.turn, dim=1)


def test_edges_belong_to_the_upper_bin_and_the_last_one_is_closed():
    values = torch.tensor([-181.0, -180, -90.00000001, 0, 89.99, 90, 180, 180.1, math.nan])
    assert bin_of(values, [-180, -90, 0, 90, 180]).tolist() == [-1, 0, 1, 2, 2, 3, 3, -1, -1]
    exact = torch.rad2deg(torch.deg2rad(torch.tensor([45.0, 135.0])).float())
    assert bin_of(exact, [0, 45, 135, 180]).tolist() == [1, 2]


def test_bins_against_loops(world):
    world.fits["direction"] = Read()
    noise = 0.3 * torch.randn(world.tensors["test/audio"].shape, generator=torch.Generator().manual_seed(0))
    world.tensors["test/audio"] = world.tensors["test/audio"] + noise
    found = EVALUATORS["breakdown"](world)
    error = great_circle_deg(world.tensors["test/audio"][:, :3], world.tensors["test/direction"]).numpy()
    labels = {
        "azimuth": torch.rad2deg(world.tensors["test/azimuth"]).numpy(),
        "elevation": torch.rad2deg(world.tensors["test/elevation"]).numpy(),
        "distance": world.tensors["test/distance_m"].numpy(),
        "floor_area_m2": world.tensors["test/floor_area_m2"].numpy(),
        "t30": world.tensors["test/t30_s"].numpy(),
    }
    for quantity, rows in found.details.items():
        counted = sum(row["n"] for row in rows)
        assert counted == 96, quantity
        assert sum(row["n"] * row["mean"] for row in rows if row["n"]) / 96 == pytest.approx(error.mean())
        for number, row in enumerate(rows):
            if quantity == "class":
                here = world.tensors["test/label"].numpy() == number
            else:
                value = (labels[quantity] + 180) % 360 - 180 if quantity == "azimuth" else labels[quantity]
                here = (value >= row["low"] - 1e-5) & (value < row["high"] - 1e-5)
            if here.sum() > 1:
                wanted = [here.sum(), error[here].mean(), error[here].std(ddof=1), np.median(error[here])]
                assert [row[key] for key in ("n", "mean", "sd", "median")] == pytest.approx(wanted), (quantity, row)
                assert found.metrics[f"{quantity}/{row['label']}/mean"] == row["mean"]
    means = [row["mean"] for row in found.details["t30"] if row["n"]]
    assert found.metrics["t30/spread"] == pytest.approx(max(means) - min(means))
    assert found.metrics["t30/ends_ratio"] == pytest.approx((means[0] + means[-1]) / 2 / np.mean(means[1:-1]))


def test_azimuth_and_elevation_errors_are_apart(world):
    world.fits["direction"] = Read(turn_deg=30)
    found = EVALUATORS["breakdown"](world)
    rows = [row for row in found.details["azimuth"] if row["n"]]
    assert [row["azimuth_mean"] for row in rows] == pytest.approx([30] * len(rows), abs=1e-3)
    assert [row["elevation_mean"] for row in rows] == pytest.approx([0] * len(rows), abs=1e-3)
    assert all(row["mean"] < 29 for row in rows)  # a turn about the vertical is less at 45° of elevation


def test_empty_bins_and_missing_labels(world):
    world.fits["direction"] = Read()
    world.tensors["test/floor_area_m2"] = torch.full((96,), math.nan)
    found = EVALUATORS["breakdown"](world)
    assert "floor_area_m2" in found.absent and "floor_area_m2" not in found.details
    empty = found.details["distance"][-1]
    assert empty == {"low": 4.0, "high": 6.0, "label": "4..6", "n": 0} | dict.fromkeys(
        ("mean", "sd", "median", "azimuth_mean", "elevation_mean")
    )
    assert [key for key in found.metrics if key.startswith("distance/4..6/")] == ["distance/4..6/n"]
    world.tensors["test/direction"] = torch.full((96, 3), math.nan)
    assert EVALUATORS["breakdown"](world).absent["azimuth"] == "no test clip has a known direction"


def test_the_mean_intensity_is_the_baseline(world):
    found = EVALUATORS["intensity_baseline"](world)
    assert found.metrics["doa_mae_deg"] == pytest.approx(0, abs=1e-4) and found.metrics["without_direction"] == 0
    turned = world.tensors["intensity/active"].roll(1, dims=1)
    world.tensors["intensity/active"] = turned
    turned[:10] = 0
    found = EVALUATORS["intensity_baseline"](world)
    wanted = great_circle_deg(turned[10:], world.tensors["test/direction"][10:]).mean().item()
    assert found.metrics["doa_mae_deg"] == pytest.approx(wanted) and found.metrics["without_direction"] == 10
    assert sum(row["n"] for row in found.details["breakdown"]["azimuth"]) == 86


def test_probes_read_captions(world):
    world.fits |= {"direction": Read(), "distance": Read(distance=1.2)}
    found = EVALUATORS["text_probes"](world)
    assert found.metrics["direction/accuracy"] == found.metrics["elevation/balanced_accuracy"] == 1
    near = (world.tensors["test/distance_m"][::2] < 1).sum().item()
    far = (world.tensors["test/distance_m"][::2] > 2).sum().item()
    assert found.metrics["distance/accuracy"] == pytest.approx(near / (near + far)) and found.metrics["distance/balanced_accuracy"] == 0.5
    assert found.details["distance"] == {"labels": ["near", "far"], "counts": [[near, 0], [far, 0]]}
    world.fits["direction"] = Read(turn_deg=90)
    found = EVALUATORS["text_probes"](world)
    counts = found.details["direction"]["counts"]
    assert found.metrics["direction/accuracy"] == 0 and counts[0][1] == sum(counts[0]) > 0  # front is read as left


def test_centred_captions_are_where_the_audio_is(world):
    """An offset of all captions alike is taken away."""
    world.fits |= {"direction": Read(), "distance": Read(distance=1.2)}
    world.tensors["retrieval/text"] = world.tensors["retrieval/text"] + torch.tensor([3.0, 0, 0] + [0] * 24)
    found = EVALUATORS["text_probes"](world)
    assert found.metrics["direction/balanced_accuracy"] == 0.25 and found.metrics["centred/direction/accuracy"] > 0.6


def test_what_is_broken_down_is_what_the_table_and_its_figure_ask_for(world):
    """Names of three places that must agree; a row of another name would read "not measured" for ever."""
    found = EVALUATORS["breakdown"](world)
    assert set(AXES) == set(found.details)
    asked = {metric for row in load_table(ROOT / "ablations/doa_error_breakdown.yaml").rows for metric in row.metrics.values()}
    known = {f"breakdown/{name}" for name in [*found.metrics, *found.absent]}
    assert asked and asked <= known, asked - known
