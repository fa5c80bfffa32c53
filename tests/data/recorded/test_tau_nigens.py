"""TAU-NIGENS of both years: the year decides the classes, folder or fold the split."""

import pytest

from elsa_lightning.data.recorded import Options, Rule, read_corpus
from elsa_lightning.errors import DataError

from .miniatures import SIX, assert_agree, in_turn, scene, write
from .test_starss import RATE, frame_rows, write_labels


def recording(root, name, events, rows, duration_s):
    write(root / "foa_dev" / f"{name}.wav", scene(events, duration_s, RATE), RATE)
    write_labels(root / "metadata_dev" / f"{name}.csv", rows)


@pytest.mark.parametrize(
    ("name", "kind", "label", "split"),
    [
        ("fold1_room1_mix001_ov1", 13, "piano", "test"),
        ("fold2_room7_mix003_ov2", 4, "engine", "val"),
        ("fold6_room1_mix001_ov1", 7, "fire", "train"),
        ("dev-train/fold1_room1_mix001", 4, "female scream", "train"),
        ("dev-val/fold5_room1_mix001", 7, "knock", "val"),
        ("dev-test/fold6_room1_mix001", 11, "piano", "test"),
        ("fold6_room1_mix001", 11, "piano", "test"),
    ],
)
def test_six_directions(tmp_path, name, kind, label, split):
    events = in_turn(SIX)
    recording(tmp_path, name, events, frame_rows(events, kind, 0), 12)
    reading = read_corpus("tau-nigens", tmp_path)
    assert_agree(tmp_path, reading.segments, SIX)
    year = "2020" if "_ov" in name else "2021"
    for one in reading.segments:
        assert (one.label, one.split, one.order, one.normalisation, one.licence) == (label, split, "acn", "sn3d", "CC BY-NC 4.0")
        assert one.source == f"tau-nigens-{year}:{name.split('/')[-1]}" and one.room.startswith(f"tau-nigens-{year}:room")


def test_moving_sources_and_overlaps(tmp_path):
    """20° a second from 0 to 60°, another event in the middle second."""
    walk = [(i / 10, (i + 1) / 10, 2 * i, 0) for i in range(30)]
    other = [(1.0, 2.0, -120, -30)]
    recording(tmp_path, "dev-train/fold1_room1_mix001", walk + other, frame_rows(walk, 9, 0) + frame_rows(other, 1, 1), 3)
    reading = read_corpus("tau-nigens", tmp_path, Options(Rule(0.3, 0.1, 10)))
    assert [(round(one.start_s, 3), round(one.end_s, 3), one.label) for one in reading.segments] == [
        (0, 0.6, "male speech"),
        (0.6, 0.9, "male speech"),
        (2.1, 2.7, "male speech"),
        (2.7, 3.0, "male speech"),
    ]
    assert_agree(tmp_path, reading.segments, [(5, 0), (14, 0), (47, 0), (56, 0)])
    assert reading.tally.overlapping == pytest.approx(1.0)


def test_2021_has_fewer_classes(tmp_path):
    recording(tmp_path, "dev-train/fold1_room1_mix001", [], [[0, 12, 0, 0, 0]], 1)
    with pytest.raises(DataError, match="class is 12"):
        read_corpus("tau-nigens", tmp_path, Options(strict=True))


def test_distances_are_no_column_of_these_years(tmp_path):
    recording(tmp_path, "dev-train/fold1_room1_mix001", [], [[0, 1, 0, 0, 0, 150]], 1)
    with pytest.raises(DataError, match="6 columns"):
        read_corpus("tau-nigens", tmp_path, Options(strict=True))


def test_names_and_folds_that_tell_nothing(tmp_path):
    events = [(0, 1.5, 10, 0)]
    for name in ("mix001", "fold7_room1_mix001_ov1", "fold1_room1_mix001_ov1"):
        recording(tmp_path, name, events, frame_rows(events), 2)
    (tmp_path / "metadata_eval").mkdir()
    reading = read_corpus("tau-nigens", tmp_path)
    assert [one.source for one in reading.segments] == ["tau-nigens-2020:fold1_room1_mix001_ov1"]
    assert {one.path: one.reason for one in reading.left_out} == {
        "metadata_dev/mix001.csv": "its name is not fold…_room…_mix…[_ov…]",
        "metadata_dev/fold7_room1_mix001_ov1.csv": "fold 7 belongs to no split of the development set",
    }
    assert any("metadata_eval is not read" in note for note in reading.notes)
