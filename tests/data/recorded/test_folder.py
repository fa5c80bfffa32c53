"""Any folder with a table of directions: the layout must be stated, columns must be known."""

import math

import pytest

from elsa_lightning.data.recorded import Options, read_corpus, write_doctor_csv
from elsa_lightning.errors import ConfigError, DataError

from .miniatures import SIX, TO_LAYOUT, assert_agree, in_turn, scene, write

RATE = 48000
LAYOUT = Options(order="acn", normalisation="sn3d")


def write_table(root, rows, header="audio,azimuth_deg,elevation_deg,start_s,end_s"):
    (root / "labels.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "a b.wav", scene(in_turn(SIX), 12, RATE), RATE, subtype="FLOAT")
    write_table(tmp_path, [f"a b.wav,{az},{el},{start},{end}" for start, end, az, el in in_turn(SIX)])
    return tmp_path


def test_six_directions(root):
    segments = read_corpus("folder", root, LAYOUT).segments
    assert_agree(root, segments, SIX)
    assert {(one.split, one.source, one.label) for one in segments} == {("test", "a b.wav", "")}


def test_fuma_and_clockwise(tmp_path):
    write(tmp_path / "x.flac", scene(in_turn(SIX), 12, RATE), RATE, TO_LAYOUT["fuma fuma"])
    write_table(tmp_path, [f"x.flac,{-az},{el},{start},{end}" for start, end, az, el in in_turn(SIX)])
    options = Options(order="fuma", normalisation="fuma", clockwise=True)
    assert_agree(tmp_path, read_corpus("folder", tmp_path, options).segments, SIX)


def test_the_table_may_say_all(tmp_path):
    write(tmp_path / "in" / "x.wav", scene([(0, 2, 45, 10)], 2, RATE), RATE)
    header = "audio,azimuth_deg,elevation_deg,distance_m,label,split,source,room,licence,order,normalisation"
    write_table(tmp_path, ["in/x.wav,45,10,2.5,dog,train,session 1,hall,CC0,acn,n3d"], header)
    (one,) = read_corpus("folder", tmp_path).segments
    assert (one.distance_m, one.label, one.split, one.source) == (2.5, "dog", "train", "session 1")
    assert (one.room, one.licence, one.order, one.normalisation) == ("hall", "CC0", "acn", "n3d")
    assert (one.start_s, one.end_s) == (0, 2)


def test_rows_that_overlap_are_cut(tmp_path):
    write(tmp_path / "x.wav", scene([(0, 6, 45, 10), (2, 3, -45, 0)], 6, RATE), RATE)
    write_table(tmp_path, ["x.wav,45,10,,", "x.wav,315,0,2,3"])
    segments = read_corpus("folder", tmp_path, LAYOUT).segments
    assert [(one.start_s, one.end_s) for one in segments] == [(0, 1.8), (3.2, 6)]
    assert_agree(tmp_path, segments, [(45, 10)] * 2)


def test_the_doctors_table_is_a_table_of_directions(root):
    segments = read_corpus("folder", root, LAYOUT).segments
    write_doctor_csv(root / "doctor.csv", segments)
    again = read_corpus("folder", root, Options(order="acn", normalisation="sn3d", labels=root / "doctor.csv")).segments
    assert [one.to_dict() for one in again] == [one.to_dict() for one in segments]


def test_the_layout_must_be_stated(root):
    with pytest.raises(ConfigError, match="order is ''") as fault:
        read_corpus("folder", root)
    assert "--order" in fault.value.remedy
    with pytest.raises(ConfigError, match="normalisation is ''"):
        read_corpus("folder", root, Options(order="acn"))


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("audio,azimuth,elevation_deg", ["a b.wav,0,0"], "has no column azimuth_deg"),
        ("audio,azimuth_deg,elevation_deg,start", ["a b.wav,0,0,1"], "unknown column start"),
        ("audio,azimuth_deg,elevation_deg", [], "has no rows"),
        ("audio,azimuth_deg,elevation_deg", ["a b.wav,0"], "line 2 does not fit"),
        ("audio,azimuth_deg,elevation_deg", ["a b.wav,0,0,0"], "line 2 does not fit"),
    ],
)
def test_tables_that_cannot_be_read(root, header, rows, message):
    write_table(root, rows, header)
    with pytest.raises(DataError, match=message):
        read_corpus("folder", root, LAYOUT)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("audio,azimuth_deg,elevation_deg", "x.wav,361,0", "azimuth_deg is '361'"),
        ("audio,azimuth_deg,elevation_deg", "x.wav,0,-91", "elevation_deg is '-91'"),
        ("audio,azimuth_deg,elevation_deg", "x.wav,left,0", "azimuth_deg is 'left'"),
        ("audio,azimuth_deg,elevation_deg,start_s,end_s", "x.wav,0,0,2,1", "it ends at 1 s"),
        ("audio,azimuth_deg,elevation_deg,split", "x.wav,0,0,dev", "split is 'dev'"),
        ("audio,azimuth_deg,elevation_deg", "none.wav,0,0", "missing"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, header, row, message):
    if row.startswith("x.wav"):
        write(tmp_path / "x.wav", scene([], 2, RATE), RATE)
    write_table(tmp_path, [row], header)
    with pytest.raises(DataError, match=message):
        read_corpus("folder", tmp_path, Options(order="acn", normalisation="sn3d", strict=True))


def test_rows_of_one_file_agree(tmp_path):
    write(tmp_path / "x.wav", scene([], 2, RATE), RATE)
    write_table(tmp_path, ["x.wav,0,0,train", "x.wav,0,0,test"], "audio,azimuth_deg,elevation_deg,split")
    with pytest.raises(DataError, match="'test' and 'train'"):
        read_corpus("folder", tmp_path, Options(order="acn", normalisation="sn3d", strict=True))


def test_audio_without_a_row_is_named(root):
    write(root / "in" / "new.wav", scene([], 1, RATE), RATE)
    assert [(one.path, one.reason) for one in read_corpus("folder", root, LAYOUT).left_out] == [("in/new.wav", "it has no label")]


def test_azimuths_beyond_a_half_turn(tmp_path):
    write(tmp_path / "x.wav", scene([(0, 2, -90, 0)], 2, RATE), RATE)
    write_table(tmp_path, ["x.wav,270,0"], "audio,azimuth_deg,elevation_deg")
    (one,) = read_corpus("folder", tmp_path, LAYOUT).segments
    assert math.degrees(one.azimuth) == pytest.approx(-90)
    assert_agree(tmp_path, [one], [(-90, 0)])
