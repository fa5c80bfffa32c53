"""Training and test in measured rooms, which the command line imports."""

import csv
import json
import math

import pytest
import soundfile
from test_stages import SMALL, elsa, losses_of, metrics_of

from elsa_lightning.acoustics.measure import render_measured
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.schema import RangeConfig, RoomsConfig
from in_process import train_here


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder as `elsa rooms import` writes it, from six responses whose distances and floor areas nobody knows."""
    root = tmp_path_factory.mktemp("measured")
    rooms = RoomsConfig(rir_s=0.6, ranges=RangeConfig(floor_area_m2=[13.3, 60.0], t30_s=[0.2, 0.4]))
    rir, labels = render_measured(draw_rooms(6, rooms.ranges, rooms, 1, "train", 16000), rooms, 16000)
    (root / "in").mkdir()
    with open(root / "in" / "responses.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "azimuth_deg", "elevation_deg", "room", "split"])
        for i, response in enumerate(rir.numpy()):
            soundfile.write(root / "in" / f"{i}.wav", response.T, 16000, subtype="FLOAT")
            angles = [math.degrees(labels[name][i].item()) for name in ("azimuth", "elevation")]
            table.writerow([f"{i}.wav", *angles, f"room {i}", "train" if i < 3 else "test"])
    elsa("rooms", "import", root / "in", root / "banks", "--layout", "acn_sn3d", "--profile", "smoke")
    return root / "banks"


def run(runs, measured, *values):
    values = (f"rooms.measured.path={measured}", "rooms.measured.share=0.5", *values)
    train_here(runs, *SMALL, *values)
    return metrics_of(runs)["metrics"], losses_of(next((runs / "train").iterdir()))


def test_training_with_a_share_of_measured_rooms_and_figures_apart(measured, tmp_path):
    metrics, losses = run(tmp_path / "a", measured, "rooms.measured.test=both", "data.rendering=cached", "pretraining.steps=2")
    assert len(losses) and all(math.isfinite(loss) for loss in losses)
    for kind in ("simulated", "measured"):
        assert metrics[f"{kind}/localization/n"] == 8 and 0 < metrics[f"{kind}/localization/doa_mae_deg"] < 180
    assert metrics["localization/n"] == 16
    halves = [metrics[f"{kind}/localization/doa_mae_deg"] for kind in ("simulated", "measured")]
    assert metrics["localization/doa_mae_deg"] == pytest.approx(sum(halves) / 2, rel=1e-5)
    assert "simulated/localization/distance_mae_m" in metrics and "measured/localization/distance_mae_m" not in metrics
    manifest = json.loads(next((tmp_path / "a" / "rooms").glob("*/train/manifest.json")).read_text())
    assert manifest["rooms"] == 11 and manifest["source"]["measured"]["first"] == 8


def test_a_streamed_pool_with_measured_rooms_and_a_test_in_measured_rooms_alone(measured, tmp_path):
    metrics, losses = run(tmp_path / "b", measured, "rooms.measured.test=measured", "rooms.mode=pool")
    assert all(math.isfinite(loss) for loss in losses) and metrics["localization/n"] == 16
    assert not any(name.startswith("measured/") for name in metrics) and "localization/distance_mae_m" not in metrics
