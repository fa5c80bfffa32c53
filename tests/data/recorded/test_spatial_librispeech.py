"""Spatial LibriSpeech: radians, whole files, many of them not downloaded."""

import math
import sys

import pytest

from elsa_lightning.data.recorded import Options, read_corpus, spatial_librispeech
from elsa_lightning.errors import DataError

from .miniatures import SIX, assert_agree, scene, write

RATE = 16000
META = "speech/librispeech_metadata/"


def table(directions=SIX, **change):
    """Columns as in metadata.parquet."""
    count = len(directions)
    return {
        "sample_id": list(range(count)),
        "split": ["train", "test"] * (count // 2),
        "speech/azimuth": [math.radians(azimuth) for azimuth, _ in directions],
        "speech/elevation": [math.radians(elevation) for _, elevation in directions],
        "speech/distance": [1.5] * count,
        "room/room_id": list(range(40, 40 + count)),
        META + "reader_id": [7] * count,
        META + "chapter_id": [8] * count,
        META + "sequence_number": list(range(count)),
        "lite_version": [i < 2 for i in range(count)],
    } | change


@pytest.fixture
def root(tmp_path):
    for sample, direction in enumerate(SIX):
        write(tmp_path / "ambisonics" / f"{sample:06}.flac", scene([(0, 2, *direction)], 2, RATE, sample), RATE)
    return tmp_path


@pytest.fixture
def metadata(monkeypatch):
    """Stands in for pyarrow, which need not be installed: the columns of a table."""

    def use(columns):
        monkeypatch.setattr(spatial_librispeech, "read_table", lambda path, names: {name: columns[name] for name in names})

    return use


def check(root):
    reading = read_corpus("spatial-librispeech", root)
    assert_agree(root, reading.segments, SIX)
    one = reading.segments[3]
    assert (one.audio, one.split, one.label, one.distance_m) == ("ambisonics/000003.flac", "test", "speech", 1.5)
    assert (one.start_s, one.end_s, one.room, one.source) == (0, 2, "spatial-librispeech:43", "librispeech:7-8-0003")
    assert (one.order, one.normalisation, one.licence) == ("acn", "unknown", "CC BY 4.0")


def test_six_directions(root, metadata):
    metadata(table())
    check(root)


def test_a_real_parquet_file(root):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(table()), root / "metadata.parquet")
    check(root)
    parquet.write_table(pyarrow.table({"sample_id": [1]}), root / "metadata.parquet")
    with pytest.raises(DataError, match="has no column split, speech/azimuth"):
        read_corpus("spatial-librispeech", root)
    (root / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"metadata.parquet cannot be read"):
        read_corpus("spatial-librispeech", root)
    (root / "metadata.parquet").unlink()
    with pytest.raises(DataError, match=r"metadata.parquet does not exist"):
        read_corpus("spatial-librispeech", root)


def test_without_pyarrow(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="pyarrow") as fault:
        read_corpus("spatial-librispeech", root)
    assert "pip install" in fault.value.remedy


def test_files_that_were_not_downloaded(root, metadata):
    metadata(table())
    (root / "ambisonics" / "000004.flac").unlink()
    write(root / "ambisonics" / "000123.flac", scene([], 1, RATE), RATE)
    reading = read_corpus("spatial-librispeech", root)
    assert reading.recordings == 5
    assert {one.path: one.reason for one in reading.left_out} == {
        "ambisonics/000004.flac": "the audio is missing",
        "ambisonics/000123.flac": "it is not in the metadata",
    }


def test_the_lite_version(root, metadata):
    metadata(table())
    reading = read_corpus("spatial-librispeech", root, Options(lite=True, strict=True))
    assert [one.audio for one in reading.segments] == ["ambisonics/000000.flac", "ambisonics/000001.flac"]
    assert not reading.left_out and "4 files are not in the lite version" in reading.notes[0]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("speech/azimuth", 90.0, "are these degrees"),
        ("speech/elevation", 1.6, "speech/elevation is 1.6"),
        ("speech/elevation", math.nan, "speech/elevation is nan"),
        ("speech/distance", -1.0, "speech/distance is -1"),
        ("split", "dev", "its split is 'dev'"),
    ],
)
def test_faulty_rows(root, metadata, column, value, reason):
    rows = table()
    rows[column] = [value, *rows[column][1:]]
    metadata(rows)
    (left,) = read_corpus("spatial-librispeech", root).left_out
    assert left.path == "ambisonics/000000.flac"
    with pytest.raises(DataError) as fault:
        read_corpus("spatial-librispeech", root, Options(strict=True))
    assert reason in str(fault.value)
