"""The manifest's columns for recorded ambisonics: byte-identical round trip, hashes of old manifests, errors with line and field."""

import json

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.manifest import ClipRecord, read_manifest, write_manifest
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.spatial_columns import AXES, LABELS, LAYOUTS
from elsa_lightning.errors import DataError
from elsa_lightning.schema import ManifestConfig

FOA = {"audio": "a.wav", "captions": ["a dog"], "split": "train", "layout": "foa_acn_sn3d"}


def read_one(tmp_path, **columns):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({**FOA, "audio": "first.wav"}) + "\n" + json.dumps({**FOA, **columns}) + "\n")
    return read_manifest(path)[1]


def test_round_trip_is_byte_identical(tmp_path):
    plain = {"label": "dog", "captions": ("a dog",), "split": "test"}
    records = [
        ClipRecord("mono", audio="0.wav", **plain),
        ClipRecord("part of a mono file", audio="1.wav", start_s=1.5, duration_s=2.0, **plain),
        ClipRecord("nothing known", audio="2.wav", layout="foa_acn_n3d", **plain),
        ClipRecord(
            "all known",
            audio="3.wav",
            layout="foa_fuma",
            axes="front-right-up",
            start_s=0.0,
            duration_s=1.25,
            **{name: 0.1 * i + 0.05 for i, name in enumerate(LABELS)},
            spatial_captions=("ein Hund „links“", "a dog on the left"),
            **plain,
        ),
        ClipRecord("zeros are values", audio="4.wav", layout="foa_acn_sn3d", azimuth_deg=0.0, elevation_deg=0.0, drr_db=0.0, **plain),
    ]
    first, second = tmp_path / "m.jsonl", tmp_path / "n.jsonl"
    write_manifest(first, records)
    assert read_manifest(first) == records
    write_manifest(second, read_manifest(first))
    assert second.read_bytes() == first.read_bytes()
    lines = [json.loads(line) for line in first.read_text().splitlines()]
    assert not set(lines[0]) & {"layout", "axes", "start_s", "spatial_captions", *LABELS}
    assert set(lines[2]) - set(lines[0]) == {"layout"}
    assert set(lines[4]) - set(lines[2]) == {"azimuth_deg", "elevation_deg", "drr_db"}
    assert [record.recorded for record in records] == [False, False, True, True, True]


FAULTS = {
    "layout": ("wxyz", r"layout is 'wxyz'"),
    "axes": ("front-back-up", "axes is 'front-back-up'"),
    "start_s": (-1, "'start_s' is -1"),
    "azimuth_deg": (181, "'azimuth_deg' is 181"),
    "elevation_deg": (-90.5, r"'elevation_deg' is -90\.5"),
    "distance_m": (0, "'distance_m' is 0"),
    "floor_area_m2": (-3, "'floor_area_m2' is -3"),
    "volume_m3": ("82 m3", "'volume_m3' is '82 m3'"),
    "t30_s": (True, "'t30_s' is True"),
    "c50_db": (float("inf"), "'c50_db' is inf"),
    "drr_db": (None, "'drr_db' is None"),
    "spatial_captions": (["a dog", " "], "'spatial_captions' is no list"),
    "azimuth": (90, "no column 'azimuth'"),
    "distance": (2, "no column 'distance'"),
    "end_s": (2, "no column 'end_s'"),
}


@pytest.mark.parametrize("field", FAULTS)
def test_a_fault_names_line_and_field(tmp_path, field):
    value, message = FAULTS[field]
    with pytest.raises(DataError, match=message) as caught:
        read_one(tmp_path, **{field: value})
    assert "line 2" in caught.value.message and caught.value.remedy


def test_layouts_that_are_not_known_are_refused_with_the_list_and_stereo_with_a_reason(tmp_path):
    for layout in LAYOUTS:
        assert read_one(tmp_path, layout=layout).layout == layout
    with pytest.raises(DataError) as caught:
        read_one(tmp_path, layout="foa_wxyz")
    assert all(layout in caught.value.remedy for layout in LAYOUTS)
    for layout in ("stereo", "binaural"):
        with pytest.raises(DataError) as caught:
            read_one(tmp_path, layout=layout)
        assert "front from back" in caught.value.remedy


@pytest.mark.parametrize("columns", [{"azimuth_deg": 3}, {"axes": "front-left-up"}, {"spatial_captions": ["a dog on the left"]}])
def test_a_mono_clip_has_no_place_of_its_own(tmp_path, columns):
    with pytest.raises(DataError, match=f"line 2: '{next(iter(columns))}' is said of a mono clip"):
        read_one(tmp_path, layout="mono", **columns)


def test_other_columns_of_the_user_are_left_alone(tmp_path):
    assert read_one(tmp_path, fold=3, comment="loud", room="kitchen").clip_id == "a.wav"
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio": "a.wav", "captions": "a dog", "split": "test", "start": 3, "volume": 11}))
    assert read_manifest(tmp_path / "m.jsonl")[0].start_s is None


def test_axes_are_the_48_ways_to_hold_a_microphone():
    assert len(set(AXES)) == 48 and AXES[0] == "front-left-up"


def corpus(tmp_path, **columns):
    record = ClipRecord("x", "train", "dog", ("a dog",), "freesound:7", "CC0", "a.wav", **columns)
    write_manifest(tmp_path / "m.jsonl", [record])
    return open_corpus(ManifestConfig(path=str(tmp_path / "m.jsonl")))


def test_hashes_of_old_manifests_stay_and_labels_count(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.linspace(-0.5, 0.5, 800), 8000)
    old = corpus(tmp_path).content_hash
    assert old == "0eb5944e48d98f9a"  # as the commits before these columns gave it
    assert corpus(tmp_path, duration_s=0.1, sample_rate=8000).content_hash == old
    foa = {"layout": "foa_acn_sn3d"}
    part = {"start_s": 0.0, "duration_s": 0.05}
    variants = [foa, {**foa, "azimuth_deg": 0.0}, {**foa, "axes": "front-right-up"}, part, {**part, "duration_s": 0.06}]
    hashes = {old, *(corpus(tmp_path, **columns).content_hash for columns in variants)}
    assert len(hashes) == len(variants) + 1
