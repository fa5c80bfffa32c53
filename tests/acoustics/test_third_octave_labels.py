"""Third octaves of a bank's rooms: against one room filtered in time, and measured again after kills."""

import dataclasses
import math
import os
import random
import signal as signals
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import signal

from elsa_lightning.acoustics import third_octave_labels
from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.acoustics.bank import MEASURED, RoomBank, build_bank, saved_hash
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND
from elsa_lightning.acoustics.measure import OCTAVE_T30
from elsa_lightning.acoustics.measured.conform import conform
from elsa_lightning.acoustics.measured.response import Response
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.third_octave_labels import FILE, ThirdOctaves, measure_bank, measure_rooms
from elsa_lightning.acoustics.third_octaves import THIRD_OCTAVES_HZ, tellable, third_octave_t30_s
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RangeConfig, RoomsConfig

RATE = 16000
ROOMS = RoomsConfig(train=9, rir_s=0.3, bands_hz=[125.0, 500.0, 2000.0], ranges=RangeConfig(floor_area_m2=[13.3, 80.0], t30_s=[0.5, 0.9]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooms") / "train"
    build_bank(ROOMS, RATE, "train").save(folder)
    return folder


@pytest.fixture(scope="module")
def bank(folder):
    return RoomBank.load(folder)


@pytest.fixture(scope="module")
def whole(bank, folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("whole")
    return measure_bank(bank, saved_hash(folder), ROOMS, place), (place / FILE).read_bytes()


def filtered(response, hz):
    """A third octave of one response (T,), by scipy's causal filter, in double precision, with what rings on after the end."""
    edges = (hz * 10**-0.05, hz * 10**0.05)
    return signal.sosfilt(signal.butter(3, edges, "bandpass", fs=RATE, output="sos"), np.pad(response.double().numpy(), (0, RATE // 2)))


def regressed_t30(band):
    """Schroeder's curve and its line from −5 to −35 dB, with loops in place of masks."""
    energy, level, time = 0.0, [], []
    total = float(np.square(band).sum())
    for n in range(len(band) - 1, -1, -1):
        energy += band[n] ** 2
        db = 10 * np.log10(energy / total)
        if -35 <= db <= -5:
            level.append(db)
            time.append(n / RATE)
    return -60 / np.polyfit(time, level, 1)[0]


def test_rooms_that_ring_on_after_the_bank_agree_with_their_whole_responses(bank, whole):
    room, scene = 4, bank.scene.select(slice(4, 5))
    stored = bank.rir(torch.tensor([room]))[:, W]
    assert third_octave_t30_s(stored, RATE)[0, :19].isnan().any()  # the bank's 0.3 s alone cannot tell
    long = render_rir(scene, RATE, 2.4, ROOMS.bands_hz, ROOMS.air, ROOMS.high_pass_hz)[0, W]
    for band in (4, 8, 11, 15, 18):
        wanted = regressed_t30(filtered(long, THIRD_OCTAVES_HZ[band])[: len(long)])
        assert whole[0].t30_s[room, band].item() == pytest.approx(wanted, rel=0.04), band


def test_the_ratios_are_those_of_the_stored_response_split_where_the_direct_sound_is(bank, whole):
    for room in range(2):
        response = bank.rir(torch.tensor([room]))[0, W]
        at = round(bank.labels["distance_m"][room].item() / SPEED_OF_SOUND * RATE)
        direct, after = response.clone(), response.clone()
        direct[: at - 40], direct[at + 41 :], after[: at + 41] = 0, 0, 0  # 2.5 ms are 40 samples
        for band in range(0, 19, 3):
            early, late = (np.square(filtered(part, THIRD_OCTAVES_HZ[band])).sum() for part in (direct, after))
            assert whole[0].drr_db[room, band].item() == pytest.approx(
                10 * np.log10(early / late), abs=0.2
            )  # scipy bends bands near Nyquist


def test_every_room_has_its_labels_in_the_bands_of_its_rate(whole):
    labels, known = whole[0], tellable(RATE)
    assert len(labels) == 9 and labels.drr_db.shape == labels.t30_s.shape == (9, 20)
    assert labels.t30_s[:, known].isfinite().all() and labels.drr_db[:, known].isfinite().all()
    assert labels.t30_s[:, ~known].isnan().all() and labels.drr_db[:, ~known].isnan().all()


def test_a_room_is_measured_alike_alone_and_in_any_batch(bank, whole):
    alone = measure_rooms(bank, torch.tensor([5]), ROOMS)
    assert torch.allclose(alone.t30_s[0], whole[0].t30_s[5], rtol=1e-4, equal_nan=True)
    assert torch.allclose(alone.drr_db[0], whole[0].drr_db[5], atol=1e-3, equal_nan=True)


def measured_bank(bank, distance_m=1.7):
    """Four simulated rooms, then two that were measured: a decay of 0.3 s in white noise and, the other, in a rumble too."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    rows = []
    for rumble in (0.0, 1.0):
        w = rng.standard_normal(RATE) * 10 ** (-3 * time / 0.3) + 10 ** (-70 / 20) * rng.standard_normal(RATE)
        w += rumble * 0.003 * np.sin(2 * np.pi * 100 * time + rng.uniform(0, 6))
        w[0] = 8.0
        foa = np.zeros((4, 480 + RATE), np.float32)
        foa[:2, 480:] = w, w
        rows.append(conform(Response("r", "room", foa, RATE, math.pi / 2, 0.0, distance_m), RATE, ROOMS.rir_s * 2, ROOMS.bands_hz))
    simulated = render_rir(bank.scene.select(slice(0, 4)), RATE, ROOMS.rir_s * 2, ROOMS.bands_hz, ROOMS.air, ROOMS.high_pass_hz)
    rir = torch.cat([simulated, torch.from_numpy(np.stack([r.rir for r in rows]))])
    labels = {name: torch.cat([values[:4], torch.tensor([r.labels[name] for r in rows])]) for name, values in bank.labels.items()}
    labels[OCTAVE_T30] = torch.zeros(6, 3)
    return RoomBank.of(bank.scene.select(slice(0, 6)), rir, labels, RATE, {MEASURED: {"first": 4}})


def test_a_measured_rooms_noise_fakes_no_decay(bank, whole):
    mixed = measured_bank(bank)
    labels = measure_rooms(mixed, torch.arange(6), dataclasses.replace(ROOMS, rir_s=0.6))
    assert torch.allclose(labels.t30_s[:4, :19], whole[0].t30_s[:4, :19], rtol=0.05)
    plain, rumbling = labels.t30_s[4], labels.t30_s[5]
    told = plain.isfinite()
    assert told[8:19].all() and ((plain[told] / 0.3 - 1).abs() < 0.25).all() and (plain[12:19].mean() / 0.3 - 1).abs() < 0.05
    assert rumbling[0].isnan() and rumbling[12:19].isfinite().all()
    naive = third_octave_t30_s(mixed.rir(torch.tensor([5]))[:, W], RATE)[0, 0]
    assert naive > 0.45  # what the rumble would have faked


def test_the_direct_sound_of_an_unknown_distance_is_where_the_import_puts_it(bank):
    near, unknown = (measure_rooms(measured_bank(bank, metres), torch.tensor([4]), ROOMS) for metres in (0.9, math.nan))
    assert torch.allclose(near.drr_db, unknown.drr_db, atol=0.05, equal_nan=True) and near.drr_db[0, :19].isfinite().all()


def small_parts(monkeypatch):
    monkeypatch.setattr(third_octave_labels, "PART", 2)
    monkeypatch.setattr(third_octave_labels, "_BATCH", 1)


def counted(monkeypatch):
    """Rooms measured from now on, in order."""
    rooms, measure = [], third_octave_labels.measure_rooms
    monkeypatch.setattr(
        third_octave_labels, "measure_rooms", lambda bank, rows, cfg: rooms.extend(rows.tolist()) or measure(bank, rows, cfg)
    )
    return rooms


CHILD = """
import os, signal, sys
from pathlib import Path
from elsa_lightning.acoustics import third_octave_labels as module
from elsa_lightning.acoustics.bank import RoomBank, saved_hash
from test_third_octave_labels import ROOMS
import torch
torch.set_num_threads(1)
folder, place, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
module.PART, module._BATCH, measure, calls = 2, 1, module.measure_rooms, []
def dying(*arguments):
    calls.append(1)
    if len(calls) > last:
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(*arguments)
module.measure_rooms = dying
module.measure_bank(RoomBank.load(folder), saved_hash(folder), ROOMS, place)
"""


def test_a_killed_measurement_goes_on_and_ends_alike(bank, folder, whole, tmp_path, monkeypatch):
    last = random.Random(8).randrange(3, 8)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
    child = subprocess.run([sys.executable, "-c", CHILD, folder, tmp_path, str(last)], env=environment, capture_output=True, check=False)
    assert child.returncode == -signals.SIGKILL, child.stderr.decode()
    kept = last // 2
    assert {path.name for path in tmp_path.iterdir()} == {f"part-{i:04d}.safetensors" for i in range(kept)}
    small_parts(monkeypatch)
    rooms = counted(monkeypatch)
    done = []
    labels = measure_bank(bank, saved_hash(folder), ROOMS, tmp_path, lambda *at: done.append(at))
    assert rooms == list(range(2 * kept, 9)) and done[-1] == (9, 9)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert torch.allclose(labels.t30_s, whole[0].t30_s, rtol=1e-4, equal_nan=True)
    assert torch.equal(ThirdOctaves.load(tmp_path, saved_hash(folder)).drr_db.nan_to_num(), labels.drr_db.nan_to_num())


def test_what_is_done_is_not_measured_again(bank, folder, whole, tmp_path, monkeypatch):
    (tmp_path / FILE).write_bytes(whole[1])
    rooms = counted(monkeypatch)
    again = measure_bank(bank, saved_hash(folder), ROOMS, tmp_path)
    assert rooms == [] and torch.equal(again.t30_s.nan_to_num(), whole[0].t30_s.nan_to_num())


def test_damaged_parts_and_those_of_other_banks_are_measured_again(bank, folder, whole, tmp_path, monkeypatch):
    small_parts(monkeypatch)
    two = ThirdOctaves(torch.zeros(2, 20), torch.zeros(2, 20))
    two.save(tmp_path / "part-0000.safetensors", "another bank")
    (tmp_path / "part-0001.safetensors").write_bytes(b"\x08" + bytes(20))
    ThirdOctaves(torch.zeros(1, 20), torch.zeros(1, 20)).save(tmp_path / "part-0002.safetensors", saved_hash(folder))
    two.save(tmp_path / "part-0003.safetensors", saved_hash(folder))  # the only one that is whole and of this bank
    rooms = counted(monkeypatch)
    labels = measure_bank(bank, saved_hash(folder), ROOMS, tmp_path)
    assert rooms == [0, 1, 2, 3, 4, 5, 8] and (labels.t30_s[6:8] == 0).all()


def test_labels_of_another_bank_and_missing_ones_are_refused(whole, tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        ThirdOctaves.load(tmp_path, "x")
    (tmp_path / FILE).write_bytes(whole[1])
    with pytest.raises(DataError, match="another bank"):
        ThirdOctaves.load(tmp_path, "x")
    (tmp_path / FILE).write_bytes(whole[1][:-50])
    with pytest.raises(DataError, match="cannot be read"):
        ThirdOctaves.load(tmp_path, "x")
