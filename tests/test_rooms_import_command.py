"""`elsa rooms import`: from a folder of WAVs to a training that hears measured rooms; inspect and verify say what such a bank is."""

import csv
import json
import math

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.measure import render_measured
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.cli import main
from elsa_lightning.schema import RangeConfig, RoomsConfig

RATE = 16000
SMALL = ["--profile", "smoke", "--set", "rooms.rir_s=0.3"]


@pytest.fixture(scope="module")
def measurements(tmp_path_factory):
    """Eight responses of four rooms, with a little noise; no room's floor is known, two distances are not."""
    folder = tmp_path_factory.mktemp("in") / "house"
    folder.mkdir()
    rooms = RoomsConfig(rir_s=0.8, ranges=RangeConfig(floor_area_m2=[13.3, 60.0], t30_s=[0.2, 0.4]))
    rir, labels = render_measured(draw_rooms(8, rooms.ranges, rooms, 1, "train", RATE), rooms, RATE)
    rng = np.random.default_rng(0)
    with open(folder / "responses.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "azimuth_deg", "elevation_deg", "distance_m", "room", "split"])
        for i, response in enumerate(rir.numpy()):
            soundfile.write(folder / f"{i}.wav", (response + 1e-5 * rng.standard_normal(response.shape)).T, RATE, subtype="FLOAT")
            angles = [math.degrees(labels[name][i].item()) for name in ("azimuth", "elevation")]
            distance = "" if i < 2 else labels["distance_m"][i].item()
            table.writerow([f"{i}.wav", *angles, distance, f"room {i // 2}", "test" if i >= 4 else "train"])
    return folder


@pytest.fixture(scope="module")
def banks(measurements, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "measured"
    assert main(["rooms", "import", str(measurements), str(out), "--layout", "acn_sn3d", *SMALL]) == 0
    return out


def test_import_says_what_it_made(measurements, tmp_path, capsys):
    out = tmp_path / "m"
    assert main(["rooms", "import", str(measurements), str(out), "--layout", "acn_sn3d", *SMALL]) == 0
    printed = capsys.readouterr().out
    assert "8 responses imported" in printed and "4 responses of 2 measured rooms (room 0, room 1)" in printed
    assert {path.name for path in out.iterdir()} == {"train", "test"} and len(RoomBank.load(out / "train")) == 4
    assert main(["rooms", "import", str(measurements), str(out), "--layout", "acn_sn3d", "--split", "val", *SMALL]) == 2
    assert "--overwrite" in capsys.readouterr().err
    arguments = ["--layout", "acn_sn3d", "--split", "val", "--overwrite", *SMALL]
    assert main(["rooms", "import", str(measurements), str(out), *arguments]) == 0
    assert {path.name for path in out.iterdir()} == {"val"} and len(RoomBank.load(out / "val")) == 8


def test_inspect_and_verify(banks, tmp_path, capsys):
    assert main(["rooms", "inspect", str(banks / "train")]) == 0
    printed = capsys.readouterr().out
    assert "4 rooms (train), 16000 Hz, 0.3 s, measured responses" in printed and "unknown" in printed
    area = next(line for line in printed.splitlines() if "floor area" in line)
    assert area.split()[-6:] == ["–", "–", "–", "–", "–", "4"]
    assert main(["rooms", "inspect", str(banks / "train"), "--room", "1"]) == 0
    printed = capsys.readouterr().out
    assert "room 1: 1.wav, measured in room 0 at 16000 Hz" in printed and "its decay meets the noise at" in printed
    assert "floor area, m²     unknown" in printed and "T30 by octave" in printed
    assert main(["rooms", "verify", str(banks / "train")]) == 0
    assert "4 measured responses have the content that the manifest says" in capsys.readouterr().out
    manifest = banks / "train" / "manifest.json"
    said = manifest.read_text()
    manifest.write_text(json.dumps({**json.loads(said), "content_hash": "0" * 32}))
    try:
        assert main(["rooms", "verify", str(banks / "train")]) == 2 and "hash" in capsys.readouterr().err
    finally:
        manifest.write_text(said)


def test_a_measured_room_has_a_figure(banks, tmp_path):
    pytest.importorskip("matplotlib")
    assert main(["rooms", "inspect", str(banks / "train"), "--room", "0", "--figure", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 20000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing says its channel layout"),
        (["--layout", "fuma"], "from the stated directions"),
        (["--layout", "acn_sn3d", "--clockwise"], "from the stated directions"),
        (["--layout", "acn_sn3d", "--shares", "0", "0", "0"], "--shares"),
        (["--layout", "acn_sn3d", "--labels", "nowhere.csv"], "cannot be read"),
    ],
)
def test_faults_are_one_message_and_write_nothing(measurements, tmp_path, capsys, arguments, words):
    assert main(["rooms", "import", str(measurements), str(tmp_path / "out"), *arguments, *SMALL]) == 2
    error = capsys.readouterr().err
    assert error.startswith("elsa: ") and words in error and not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_left_alone(measurements, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert main(["rooms", "import", str(measurements), str(tmp_path), "--layout", "acn_sn3d", "--overwrite", *SMALL]) == 2
    assert "holds more than banks" in capsys.readouterr().err and (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["rooms.measured.share=0.5"], "`rooms.measured.path` is empty"),
        (["rooms.measured.test=both"], "`rooms.measured.path` is empty"),
        (["rooms.measured.share=1.5", "rooms.measured.path=x"], "between 0 and 1"),
        (["rooms.measured.share=0.5", "rooms.measured.path=nowhere"], "no bank of measured train rooms"),
        (["rooms.measured.test=real", "rooms.measured.path=x"], "simulated, measured"),
        (["rooms.measured.test=both", "rooms.measured.path=x", "data.eval_versions=1"], "every other version"),
    ],
)
def test_a_faulty_configuration_is_refused_before_anything_runs(values, words, tmp_path, capsys):
    assert main(["train", "--profile", "smoke", "--runs", str(tmp_path / "runs"), "--set", *values]) == 2
    assert words in capsys.readouterr().err


def test_the_import_fits_the_experiment(banks):
    bank = RoomBank.load(banks / "test")
    assert bank.samples.shape == (4, 4, round(0.3 * RATE)) and bank.labels["t30_s"].isfinite().all()
    assert bank.labels["distance_m"].isfinite().all() and torch.isnan(RoomBank.load(banks / "train").labels["distance_m"]).sum() == 2
