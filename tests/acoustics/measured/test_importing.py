"""Simulated rooms, exported and imported: labels and responses come back, whatever the layout, the delay and the noise."""

import math

import numpy as np
import pytest
import soundfile
import soxr
import torch

from elsa_lightning.acoustics.bank import MEASURED, RoomBank
from elsa_lightning.acoustics.engine_pyroomacoustics import render_measured_pyroomacoustics
from elsa_lightning.acoustics.measure import OCTAVE_T30
from elsa_lightning.acoustics.measured.importing import BY_ROOM, Target, _splits, import_folder, save_banks
from elsa_lightning.acoustics.measured.response import Response
from elsa_lightning.acoustics.measured.table import Stated
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.errors import DataError

from .exports import RATE, ROOMS, TARGET, Truth, angle_deg, export, row_of, write_table

PLAIN = Stated(layout="acn_sn3d")


def imported(folder, stated=PLAIN, target=TARGET, split="test", **more):
    return import_folder(folder, target, stated, split, **more).banks[split]


@pytest.mark.parametrize("layout", ["acn_sn3d", "acn_n3d", "fuma"])
def test_labels_and_responses_come_back(tmp_path, truth, layout):
    bank = imported(export(tmp_path, truth, layout, delay=777), Stated(layout=layout))
    assert angle_deg(bank, truth).max() < 0.01
    for name in ("distance_m", "floor_area_m2", "volume_m3"):
        assert torch.allclose(bank.labels[name], truth.labels[name], rtol=1e-5)
    assert (bank.labels["t30_s"] / truth.labels["t30_s"] - 1).abs().max() < 0.005
    assert (bank.labels["c50_db"] - truth.labels["c50_db"]).abs().max() < 0.1
    assert (bank.labels["drr_db"] - truth.labels["drr_db"]).abs().max() < 0.1
    octaves = bank.octave_t30_s / truth.labels[OCTAVE_T30]
    assert octaves.shape == (6, 3) and (octaves - 1).abs().max() < 0.01
    gain = 0.02 * bank.source[MEASURED]["gain"]
    stored = bank.rir(torch.arange(6)) / gain
    for i, true in enumerate(torch.from_numpy(truth.rir)):
        start, part = round(truth.column("distance_m", i) / 343 * RATE) - 8, round(0.3 * RATE)
        errors = [(stored[i].roll(shift, 1) - true)[:, start:part].norm() / true[:, start:part].norm() for shift in (-1, 0, 1)]
        assert min(errors) < 0.003, errors  # the direct sound lies between samples; half precision
    assert bank.sample_rate == RATE and bank.samples.shape == (6, 4, round(ROOMS.rir_s * RATE))


def test_the_direct_sound_lies_where_the_simulator_puts_it(tmp_path, truth):
    bank = imported(export(tmp_path, truth, delay=3000))
    found = bank.rir(torch.arange(6))[:, 0].abs().argmax(1)
    true = torch.from_numpy(truth.rir)[:, 0].abs().argmax(1)
    assert (found - true).abs().max() <= 1
    assert all(one["direction_error_deg"] < 3 for one in bank.source[MEASURED]["responses"])


def test_one_gain_for_all_keeps_levels_and_direction(tmp_path, truth):
    bank = imported(export(tmp_path, truth, gain=0.003))
    levels = bank.rir(torch.arange(6)).abs().amax((1, 2))
    true = torch.from_numpy(truth.rir).abs().amax((1, 2))
    assert levels.max() == pytest.approx(1, rel=1e-3)
    assert torch.allclose(levels / levels[0], true / true[0], rtol=2e-3)


def test_a_response_at_another_rate(tmp_path, truth):
    def faster(rir):
        return soxr.resample(rir.T, RATE, 48000, quality="VHQ").T

    bank = imported(export(tmp_path, truth, rate=48000, change=faster))
    same = imported(export(tmp_path / "same", truth))
    assert (bank.labels["t30_s"] / same.labels["t30_s"] - 1).abs().max() < 0.01
    assert (bank.labels["drr_db"] - same.labels["drr_db"]).abs().max() < 0.2
    assert bank.source[MEASURED]["responses"][0]["sample_rate"] == 48000


@pytest.mark.parametrize("below_db", [65, 75])
def test_noise_is_cut_off_and_the_t30_holds(tmp_path, truth, below_db):
    rng = np.random.default_rng(3)

    def noisy(rir):
        return rir + np.abs(rir[0]).max() * 10 ** (-below_db / 20) * rng.standard_normal(rir.shape)

    bank = imported(export(tmp_path, truth, change=noisy, delay=500))
    facts = bank.source[MEASURED]["responses"]
    known = bank.labels["t30_s"].isfinite()
    assert known.sum() >= 3
    assert (bank.labels["t30_s"] / truth.labels["t30_s"] - 1)[known].abs().max() < 0.02
    for i, fact in enumerate(facts):
        assert fact["meets_noise_s"] is not None
        end = round(fact["meets_noise_s"] * RATE)
        assert not bank.rir(torch.tensor([i]))[0, :, end + 2 :].any()  # no noise is convolved with anything
        assert known[i] == (fact["decay_range_db"] >= 40)
    assert angle_deg(bank, truth).max() < 0.01


def test_a_noise_that_hides_the_decay_leaves_t30_unknown(tmp_path, truth):
    rng = np.random.default_rng(4)
    bank = imported(export(tmp_path, truth, change=lambda rir: rir + 0.03 * np.abs(rir[0]).max() * rng.standard_normal(rir.shape)))
    assert bank.labels["t30_s"].isnan().all() and bank.octave_t30_s.isnan().all()
    assert bank.labels["drr_db"].isfinite().all()


def test_pyroomacoustics_as_the_measured_room(tmp_path):
    scene = draw_rooms(3, ROOMS.ranges, ROOMS, 5, "train", RATE)
    rir, labels = render_measured_pyroomacoustics(scene, ROOMS, RATE, octaves=True)
    truth = Truth(rir.numpy(), labels)
    bank = imported(export(tmp_path, truth, delay=100))
    assert angle_deg(bank, truth).max() < 0.01
    assert all(one["direction_error_deg"] < 10 for one in bank.source[MEASURED]["responses"])
    assert (bank.labels["t30_s"] / labels["t30_s"] - 1).abs().max() < 0.02
    assert (bank.labels["c50_db"] - labels["c50_db"]).abs().max() < 0.2


def test_unknown_labels_are_nan_and_the_direct_sound_tells_nothing(tmp_path, truth):
    folder = export(tmp_path, truth, delay=50)
    write_table(folder, [row_of(truth, i, distance_m="", floor_area_m2="", volume_m3="") for i in range(6)])
    bank = imported(folder)
    for name in ("distance_m", "floor_area_m2", "volume_m3"):
        assert bank.labels[name].isnan().all()
    assert bank.labels["t30_s"].isfinite().all() and bank.labels["azimuth"].isfinite().all()
    loudest = bank.rir(torch.arange(6))[:, 0].abs().argmax(1) - 2.0 / 343 * RATE
    true = torch.from_numpy(truth.rir)[:, 0].abs().argmax(1) - truth.labels["distance_m"] / 343 * RATE
    assert (loudest - true).abs().max() <= 1.5  # samples after the direct sound, which lies at 2 m in all


def test_a_room_is_in_one_split(tmp_path, truth):
    folder = export(tmp_path, truth)
    write_table(folder, [row_of(truth, i, room=f"hall {i // 2}") for i in range(6)])
    whole = import_folder(folder, TARGET, PLAIN, shares=(0.4, 0.3, 0.3)).banks
    rooms = [set(bank.source[MEASURED]["rooms"]) for bank in whole.values()]
    assert set.union(*rooms) == {"hall 0", "hall 1", "hall 2"} and sum(map(len, rooms)) == 3
    assert all(len(bank) == 2 * len(bank.source[MEASURED]["rooms"]) for bank in whole.values())
    write_table(folder, [row_of(truth, i, split=("train", "val", "test")[i // 2]) for i in range(6)])
    stated = import_folder(folder, TARGET, PLAIN).banks
    assert [bank.source[MEASURED]["rooms"] for bank in stated.values()] == [["hall 0"], ["hall 1"], ["hall 2"]]
    write_table(folder, [row_of(truth, i, split=("train", "test")[i % 2]) for i in range(6)])
    with pytest.raises(DataError, match="room 'hall 0' is in the splits test and train"):
        import_folder(folder, TARGET, PLAIN)


def test_rooms_without_a_split_follow_from_their_names():
    def response(room, split=""):
        return Response("", str(room), np.empty((0, 0), np.float32), RATE, 0.0, 0.0, split=split)

    many = [response(room) for room in range(600) for _ in range(2)]
    found = _splits(many, BY_ROOM, (0.5, 0.2, 0.3))
    assert found[::2] == found[1::2]  # two responses of a room
    assert [found.count(split) / 1200 for split in ("train", "val", "test")] == pytest.approx([0.5, 0.2, 0.3], abs=0.05)
    assert _splits(many[100:], BY_ROOM, (0.5, 0.2, 0.3)) == found[100:]  # whatever else is there
    one_says_it = _splits([response(0), response(0, "test"), response(0)], BY_ROOM, (1, 0, 0))
    assert one_says_it == ["test"] * 3


def test_files_of_one_folder_are_one_room(tmp_path, truth):
    folder = export(tmp_path / "corridor", truth)
    write_table(folder, [row_of(truth, i, room="") for i in range(6)])
    banks = import_folder(folder, TARGET, PLAIN).banks
    assert len(banks) == 1 and next(iter(banks.values())).source[MEASURED]["rooms"] == ["corridor"]


def test_saved_banks_are_read_as_any_other(tmp_path, truth):
    banks = import_folder(export(tmp_path / "in", truth), TARGET, PLAIN, "train").banks
    save_banks(banks, tmp_path / "out")
    save_banks(banks, tmp_path / "out")  # replaces
    read = RoomBank.load(tmp_path / "out" / "train")
    assert read.content_hash == banks["train"].content_hash and read.simulated == 0 and len(read.measured_rooms()) == 6
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="more than banks: thesis"):
        save_banks(banks, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").exists() and sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_the_same_files_give_the_same_bank(tmp_path, truth):
    folder = export(tmp_path, truth)
    assert imported(folder).content_hash == imported(folder).content_hash
    assert imported(folder, target=Target(RATE, 0.5, ROOMS.bands_hz)).samples.shape[-1] == RATE // 2


# what is wrong is said


def wrong_layout(folder, truth):
    return Stated(layout="fuma")


def two_channels(folder, truth):
    soundfile.write(folder / "r3.wav", truth.rir[3][:2].T, RATE, subtype="FLOAT")


def no_direction(folder, truth):
    write_table(folder, [row_of(truth, i) | ({"azimuth_deg": ""} if i == 2 else {}) for i in range(6)])


def unknown_layout(folder, truth):
    write_table(folder, [row_of(truth, i, layout="ambix2" if i == 2 else "") for i in range(6)])


def no_layout(folder, truth):
    return Stated()


def not_in_the_table(folder, truth):
    soundfile.write(folder / "stray.wav", truth.rir[3].T, RATE, subtype="FLOAT")


def missing(folder, truth):
    (folder / "r4.wav").unlink()


def broken(folder, truth):
    (folder / "r4.wav").write_bytes(b"RIFF")


def silent(folder, truth):
    soundfile.write(folder / "r4.wav", np.zeros((RATE, 4)), RATE, subtype="FLOAT")


def noise_alone(folder, truth):
    soundfile.write(folder / "r4.wav", np.random.default_rng(0).standard_normal((RATE, 4)) / 10, RATE, subtype="FLOAT")


def odd_number(folder, truth):
    write_table(folder, [row_of(truth, i) | ({"distance_m": "far"} if i == 2 else {}) for i in range(6)])


FAULTS = [
    (two_channels, r"r3\.wav: it has 2 channel\(s\)"),
    (no_direction, r"line 4: no direction for r2\.wav"),
    (unknown_layout, r"r2\.wav: its layout is 'ambix2'"),
    (not_in_the_table, r"stray\.wav: responses\.csv has no direction for it"),
    (missing, r"r4\.wav: the file is missing"),
    (broken, r"r4\.wav: it cannot be decoded"),
    (silent, r"r4\.wav: its omnidirectional channel is silent"),
    (noise_alone, r"r4\.wav: its peak is less than 20 dB above its end"),
    (odd_number, r"line 4: distance_m is 'far'"),
]


@pytest.mark.parametrize(("plant", "words"), FAULTS)
def test_a_faulty_response_is_named_or_left_out(tmp_path, truth, plant, words):
    folder = export(tmp_path, truth)
    plant(folder, truth)
    with pytest.raises(DataError, match=words):
        import_folder(folder, TARGET, PLAIN, "test")
    found = import_folder(folder, TARGET, PLAIN, "test", skip_faulty=True)
    assert len(found.faults) == 1 and len(found.banks["test"]) == (6 if plant is not_in_the_table else 5)


@pytest.mark.parametrize(("plant", "words"), [(wrong_layout, "from the stated directions"), (no_layout, "6 responses cannot be used")])
def test_a_wrong_or_missing_layout_is_refused(tmp_path, truth, plant, words):
    folder = export(tmp_path, truth)
    with pytest.raises(DataError, match=words):
        import_folder(folder, TARGET, plant(folder, truth), "test")


def test_clockwise_azimuths_must_be_said(tmp_path, truth):
    folder = export(tmp_path, truth)
    write_table(folder, [{**(row := row_of(truth, i)), "azimuth_deg": -row["azimuth_deg"]} for i in range(6)])
    assert angle_deg(imported(folder, Stated(layout="acn_sn3d", clockwise=True)), truth).max() < 0.01
    with pytest.raises(DataError, match="direct sounds lie") as caught:
        imported(folder)
    assert "--clockwise" in caught.value.remedy
    assert angle_deg(imported(folder, any_direction=True), truth).median() > 30


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("file,azimuth_deg\nr0.wav,1\n", "no column elevation_deg"),
        ("file,azimuth_deg,elevation_deg,mood\nr0.wav,1,1,good\n", "unknown column mood"),
        ("file,azimuth_deg,elevation_deg\n", "has no rows"),
        (None, "cannot be read"),
    ],
)
def test_faulty_tables(tmp_path, truth, table, words):
    folder = export(tmp_path, truth)
    (folder / "responses.csv").unlink()
    if table is not None:
        (folder / "responses.csv").write_text(table)
    with pytest.raises(DataError, match=words):
        import_folder(folder, TARGET, PLAIN, "test")


def test_an_empty_folder_and_none_at_all(tmp_path):
    with pytest.raises(DataError, match=r"no \.wav, \.flac or \.sofa file"):
        import_folder(tmp_path, TARGET, PLAIN, "test")
    with pytest.raises(DataError, match="is no folder"):
        import_folder(tmp_path / "nowhere", TARGET, PLAIN, "test")


def test_nothing_that_can_be_used(tmp_path, truth):
    folder = export(tmp_path, truth)
    with pytest.raises(DataError, match="none of its responses can be used"):
        import_folder(folder, TARGET, Stated(), "test", skip_faulty=True)


def test_more_channels_than_first_order(tmp_path, truth):
    folder = export(tmp_path, truth)
    second = np.concatenate([truth.rir[1], np.zeros((5, truth.rir.shape[2]), np.float32)])
    soundfile.write(folder / "r1.wav", 0.02 * second.T, RATE, subtype="FLOAT")
    assert math.isfinite(imported(folder).labels["t30_s"][1])
