"""`elsa rooms`: from a drawn room to a verified bank and a figure; what is wrong is said."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.bank_check import AGREEMENT_DB, resimulate, rooms_of
from elsa_lightning.cli import main
from elsa_lightning.errors import DataError
from elsa_lightning.rooms_figure import decay_of, directions_over_time, fit_times
from elsa_lightning.rooms_report import UNITS, table

SMALL = ["--profile", "smoke", "--set", "rooms.rir_s=0.3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rooms") / "bank"
    assert main(["rooms", "bank", str(path), "--split", "test", "--count", "5", *SMALL]) == 0
    return path


def test_sample_prints_one_room_a_line(capsys):
    assert main(["rooms", "sample", "--count", "3", "--measure", *SMALL]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 3 and all(heading in head for heading, _ in UNITS.values())
    measured = [float(row.split()[-3]) for row in rows]
    assert main(["rooms", "sample", "--count", "2", *SMALL]) == 0
    again = capsys.readouterr().out.splitlines()
    assert "T30" not in again[0] and again[1].split()[:7] == rows[0].split()[:7]  # room 0 does not depend on how many there are
    assert all(0.05 < value < 4 for value in measured)


def test_a_bank_is_simulated_and_described(folder, capsys):
    assert len(RoomBank.load(folder)) == 5
    assert main(["rooms", "inspect", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "5 rooms (test)" in printed and "T30, s" in printed


def test_one_room_has_octaves_and_a_figure(folder, tmp_path, capsys):
    figure = tmp_path / "room.png"
    pytest.importorskip("matplotlib")
    assert main(["rooms", "inspect", str(folder), "--room", "2", "--figure", str(figure)]) == 0
    printed = capsys.readouterr().out
    assert "T30 by octave" in printed and "2000 Hz" in printed
    assert figure.read_bytes().startswith(b"\x89PNG") and figure.stat().st_size > 20000


def test_the_figures_direction_begins_at_the_source(folder):
    bank = RoomBank.load(folder)
    for room in range(len(bank)):
        azimuth, elevation, energy = directions_over_time(bank.rir(torch.tensor([room]))[0], bank.sample_rate)
        loudest = int(energy.argmax())
        turn = torch.remainder(azimuth[loudest] - bank.labels["azimuth"][room] + torch.pi, 2 * torch.pi) - torch.pi
        assert turn.abs() < 0.5 and (elevation[loudest] - bank.labels["elevation"][room]).abs() < 0.5


def test_the_figures_line_is_the_fit_of_the_labels_t30(folder):
    """It lies in the decay, not beside it; the curve holds what the stored response was cut of."""
    bank = RoomBank.load(folder)
    for room in range(len(bank)):
        decay, t30 = decay_of(bank, room), bank.labels["t30_s"][room].item()
        start, end = fit_times(decay, bank.sample_rate, t30)
        assert end - start == pytest.approx(t30 / 2)
        time = torch.arange(len(decay)) / bank.sample_rate
        off = (decay + 5 + (time - start) * 60 / t30)[(decay <= -5) & (decay >= -35)]
        assert off.mean().abs() < 0.01 and off.abs().max() < 4
        last = decay[-len(decay) // 10 :]
        assert last[0] - last[-1] < 3 * 60 / t30 * len(last) / bank.sample_rate  # the cut alone would fall without end
    exact = -60 * torch.arange(8000) / 16000 / 0.4
    assert fit_times(exact, 16000, 0.4) == pytest.approx((0.4 * 5 / 60, 0.4 * 35 / 60), abs=1e-4)
    assert fit_times(exact[:100], 16000, 0.4) == pytest.approx((0.4 * 5 / 60, 0.4 * 35 / 60), abs=1e-4)  # cut before −5 dB


def test_verify_finds_the_same_bits(folder, capsys):
    assert main(["rooms", "verify", str(folder), "--count", "3"]) == 0
    assert "3 of 3 rooms are what the manifest says" in capsys.readouterr().out
    found = resimulate(RoomBank.load(folder), torch.tensor([4, 0]))
    assert found.same_bits.all() and found.agrees.all()


def changed(folder, tmp_path, change):
    """A copy of the bank with changed tensors and a manifest that vouches for them."""
    bank = RoomBank.load(folder)
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / "bank.safetensors").items()}
    change(tensors)
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    save_file(tensors, copy / "bank.safetensors")
    manifest = json.loads((copy / "manifest.json").read_text())
    other = RoomBank.load(copy, verify=False)
    assert other.content_hash != bank.content_hash
    manifest["content_hash"] = other.content_hash
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_verify_finds_another_response(folder, tmp_path, capsys):
    copy = changed(folder, tmp_path, lambda tensors: tensors["rir"][0].mul_(0.9))
    assert main(["rooms", "verify", str(copy)]) == DataError.exit_code
    assert "room 0: differs by -19 dB" in capsys.readouterr().out
    slightly = resimulate(RoomBank.load(changed(folder, tmp_path / "b", lambda t: t["rir"][0].mul_(1.0005))), torch.tensor([0]))
    assert not slightly.same_bits[0] and slightly.error_db[0] < AGREEMENT_DB and slightly.agrees[0]


def test_verify_finds_another_room(folder, tmp_path, capsys):
    copy = changed(folder, tmp_path, lambda tensors: tensors["scene.source"][1].add_(0.01))
    assert main(["rooms", "verify", str(copy)]) == DataError.exit_code
    assert "room 1: another room than the manifest's" in capsys.readouterr().out


@pytest.mark.parametrize(
    "source", [{}, {"rooms": {}, "split": "test"}, {"rooms": {"ranges": {}, "test_ranges": {}, "wood": 1}, "split": "test"}]
)
def test_a_manifest_that_does_not_say_how_is_refused(source):
    with pytest.raises(DataError, match="how it was built"):
        rooms_of(source)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "nowhere"], "no room bank"),
        (["verify", "nowhere"], "no room bank"),
        (["sample", "--count", "0"], "above 0"),
        (["bench", "--batch", "0"], "above 0"),
        (["bench", "--device", "cuda"], "no GPU"),
    ],
)
def test_faults_are_one_message(arguments, words, capsys):
    if words == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["rooms", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_faults_about_a_bank(folder, tmp_path, capsys):
    assert main(["rooms", "inspect", str(folder), "--room", "5"]) == 2 and "choose 0 to 4" in capsys.readouterr().err
    assert main(["rooms", "inspect", str(folder), "--figure", "x.png"]) == 2 and "--room 0" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert main(["rooms", "bank", str(tmp_path / "mine"), "--count", "1", *SMALL]) == 2
    assert "is no room bank" in capsys.readouterr().err and (tmp_path / "mine" / "thesis.txt").exists()


def test_nothing_but_a_bank_is_ever_replaced(folder, tmp_path, capsys):
    """A folder with anybody's manifest.json was taken for a bank and deleted with all that was in it."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "manifest.json").write_text('{"name": "my web app"}')
    assert main(["rooms", "bank", str(mine), "--count", "1", "--overwrite", *SMALL]) == 2 and (mine / "manifest.json").exists()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "room0.png").write_text("a figure")
    assert main(["rooms", "bank", str(copy), "--count", "1", "--overwrite", *SMALL]) == 2 and (copy / "room0.png").exists()
    (copy / "room0.png").unlink()
    capsys.readouterr()
    assert main(["rooms", "bank", str(copy), "--count", "1", *SMALL]) == 2 and "--overwrite" in capsys.readouterr().err
    assert len(RoomBank.load(copy)) == 5
    assert main(["rooms", "bank", str(copy), "--count", "1", "--overwrite", *SMALL]) == 0 and len(RoomBank.load(copy)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"order": "FuMa"},
        {"normalisation": "N3D"},
        {"rooms": 4},
        {"source": None},
        {"source": {"by": "me"}},
        {"source": {"rooms": [], "split": "test"}},
    ],
)
def test_a_manifest_that_lies_is_refused(folder, tmp_path, capsys, change):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | change))
    for command in (["inspect", str(copy)], ["inspect", str(copy), "--room", "0"], ["verify", str(copy)]):
        assert main(["rooms", *command]) == 2 and capsys.readouterr().err.startswith("elsa: ")


@pytest.mark.parametrize(
    "change", [{"rir_s": "long"}, {"engine": "odeon"}, {"bands_hz": "all"}, {"ranges": {"t30_s": 3}, "test_ranges": {}}]
)
def test_a_configuration_of_another_kind_is_refused(folder, change):
    source = RoomBank.load(folder).source
    with pytest.raises(DataError, match="how it was built"):
        rooms_of({**source, "rooms": {**source["rooms"], **change}})


@pytest.mark.parametrize("name", ["room", "room.txt", ""])
def test_a_figure_needs_a_figures_name(folder, tmp_path, capsys, name):
    assert main(["rooms", "inspect", str(folder), "--room", "0", "--figure", str(tmp_path / name)]) == 2
    assert ".png" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_bench_prints_json(capsys):
    assert main(["rooms", "bench", "--rate", "16000", "--length", "0.2", "--batch", "2", "--repeats", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rooms_per_s"] > 0 and found["batch"] == 2 and found["bands"] == 6


def test_columns_are_aligned():
    assert table({"a": ["1", "22"], "bbb": ["x", "y"]}) == [" a  bbb", " 1    x", "22    y"]
