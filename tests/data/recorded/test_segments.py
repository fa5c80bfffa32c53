"""Segments as text: stable, checked, whole or not at all."""

import csv
import json
import math
import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_lightning.data.recorded.segments import FoaSegment, read_segments, write_doctor_csv, write_segments
from elsa_lightning.errors import DataError

SEGMENT = FoaSegment(
    "foa_dev/a.wav", 1.5, 3.25, "door", math.radians(-90), math.radians(30), 1.8, "test", "starss:a", "r1", "MIT", "acn", "sn3d"
)

angles = st.floats(-math.pi, math.pi)
segments = st.builds(
    FoaSegment,
    audio=st.just("ü b.wav"),
    start_s=st.floats(0, 100),
    end_s=st.floats(101, 200),
    label=st.sampled_from(("", "dog, barking", 'a "quoted" sound')),
    azimuth=angles,
    elevation=st.floats(-math.pi / 2, math.pi / 2),
    distance_m=st.one_of(st.just(math.nan), st.floats(0, 100)),
    split=st.sampled_from(("train", "val", "test")),
    source=st.just("s"),
    room=st.just(""),
    licence=st.just("CC0"),
    order=st.sampled_from(("acn", "fuma")),
    normalisation=st.sampled_from(("sn3d", "unknown")),
)


def test_a_line(tmp_path):
    write_segments(tmp_path / "new" / "s.jsonl", [SEGMENT])
    assert json.loads((tmp_path / "new" / "s.jsonl").read_text()) == {
        "audio": "foa_dev/a.wav",
        "start_s": 1.5,
        "end_s": 3.25,
        "label": "door",
        "azimuth_deg": -90.0,
        "elevation_deg": 30.0,
        "distance_m": 1.8,
        "split": "test",
        "source": "starss:a",
        "room": "r1",
        "licence": "MIT",
        "order": "acn",
        "normalisation": "sn3d",
    }


@settings(deadline=None, max_examples=100)
@given(st.lists(segments, min_size=1, max_size=4))
def test_writing_what_was_read_changes_nothing(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("segments")
    write_segments(folder / "a.jsonl", written)
    read = read_segments(folder / "a.jsonl")
    for before, after in zip(written, read, strict=True):
        assert after.start_s == pytest.approx(before.start_s, abs=1e-4) and after.label == before.label
        assert math.cos(after.azimuth - before.azimuth) > 1 - 1e-9 and after.elevation == pytest.approx(before.elevation, abs=1e-4)
        assert math.isnan(after.distance_m) == math.isnan(before.distance_m)
    write_segments(folder / "b.jsonl", read)
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
    assert b"-180.0" not in (folder / "a.jsonl").read_bytes() and b"NaN" not in (folder / "a.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("azimuth", "written"), [(-math.pi, "180.0"), (math.radians(-179.9999), "180.0"), (-1e-9, "0.0"), (-0.5, "-28.648")]
)
def test_an_angle_is_written_one_way(azimuth, written):
    line = json.dumps(replace(SEGMENT, azimuth=azimuth, elevation=-1e-9).to_dict())
    assert f'"azimuth_deg": {written}, "elevation_deg": 0.0,' in line


def test_the_doctors_table(tmp_path):
    write_doctor_csv(tmp_path / "labels.csv", [SEGMENT])
    with open(tmp_path / "labels.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {"audio": "foa_dev/a.wav", "azimuth_deg": "-90.0", "elevation_deg": "30.0", "start_s": "1.5", "end_s": "3.25"}


def test_a_kill_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "s.jsonl"
    write_segments(target, [SEGMENT])
    before = target.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_segments(target, [SEGMENT, SEGMENT])
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "dev"}, "split is 'dev'"),
        ({"order": "wyzx"}, "order is 'wyzx'"),
        ({"azimuth_deg": 200}, "'azimuth_deg' is 200"),
        ({"elevation_deg": None}, "'elevation_deg' is None"),
        ({"end_s": 1.0}, "ends at 1 s"),
        ({"distance_m": -1}, "'distance_m' is -1"),
        ({"source": 3}, "'source' is 3"),
    ],
)
def test_faulty_lines(tmp_path, change, message):
    (tmp_path / "s.jsonl").write_text(json.dumps(SEGMENT.to_dict() | change) + "\n")
    with pytest.raises(DataError, match=message) as fault:
        read_segments(tmp_path / "s.jsonl")
    assert "line 1" in fault.value.message and fault.value.remedy


@pytest.mark.parametrize("text", ["", "[1]\n", "{\n"])
def test_files_that_hold_no_segments(tmp_path, text):
    (tmp_path / "s.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"s\.jsonl"):
        read_segments(tmp_path / "s.jsonl")
    with pytest.raises(DataError, match="cannot be read"):
        read_segments(tmp_path / "none.jsonl")
