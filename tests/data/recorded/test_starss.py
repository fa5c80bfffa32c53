"""STARSS in its own layout: frames, folders, centimetres, overlaps, and what is wrong with a copy of it."""

import math

import pytest

from elsa_lightning.data.recorded import Options, Rule, read_corpus
from elsa_lightning.errors import DataError

from .miniatures import SIX, apart_deg, assert_agree, in_turn, intensity_direction, scene, unit, write

RATE = 24000
SITES = ("dev-train-sony", "dev-train-tau", "dev-test-sony", "dev-test-tau")


def frame_rows(events, kind=1, source=1, distance_cm=None):
    """Rows as the corpus has them: frame, class, source, azimuth, elevation[, distance in cm]."""
    tail = [] if distance_cm is None else [distance_cm]
    return [
        [frame, kind, source, azimuth, elevation, *tail]
        for start, end, azimuth, elevation in events
        for frame in range(round(10 * start), round(10 * end))
    ]


def write_labels(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in sorted(rows, key=lambda row: row[0])))


def recording(root, name, events, rows, duration_s, seed=0):
    write(root / "foa_dev" / f"{name}.wav", scene(events, duration_s, RATE, seed), RATE)
    write_labels(root / "metadata_dev" / f"{name}.csv", rows)


@pytest.fixture(scope="module")
def starss(tmp_path_factory):
    """One recording a site; the first has the six directions with distances, the second (2022) no distances."""
    root = tmp_path_factory.mktemp("starss23")
    events = in_turn(SIX)
    recording(root, "dev-train-sony/fold3_room21_mix001", events, frame_rows(events, 1, 2, 180), 12)
    recording(root, "dev-train-tau/fold3_room4_mix001", events, frame_rows(events, 6, 1), 12, 1)
    left = [(0, 4, 90, 0)]
    both = [*left, (2, 3, -90, 0)]
    recording(root, "dev-test-sony/fold4_room23_mix001", both, frame_rows(left, 3, 0, 100) + frame_rows(both[1:], 3, 0, 250), 4, 2)
    walk = [(i / 10, (i + 1) / 10, -30 + i, 10) for i in range(40)]
    recording(root, "dev-test-tau/fold4_room2_mix001", walk, frame_rows(walk, 0, 5, 200), 4, 3)
    return root


def of(reading, source):
    return [one for one in reading.segments if one.source == f"starss:{source}"]


def test_six_directions_agree_with_their_intensity(starss):
    reading = read_corpus("starss", starss)
    for source in ("fold3_room21_mix001", "fold3_room4_mix001"):
        assert_agree(starss, of(reading, source), SIX)


def test_what_a_segment_says(starss):
    first = of(read_corpus("starss", starss), "fold3_room21_mix001")[0]
    assert (first.audio, first.split, first.room) == ("foa_dev/dev-train-sony/fold3_room21_mix001.wav", "train", "starss:room21")
    assert (first.label, first.licence, first.order, first.normalisation) == ("male speech", "MIT", "acn", "sn3d")
    assert (first.start_s, first.end_s, first.distance_m) == (0, 1.5, pytest.approx(1.8))


def test_2022_has_no_distances(starss):
    segments = of(read_corpus("starss", starss), "fold3_room4_mix001")
    assert len(segments) == 6 and all(math.isnan(one.distance_m) and one.label == "footsteps" for one in segments)


def test_splits_are_the_folders(starss):
    splits = {one.source.split(":")[1]: one.split for one in read_corpus("starss", starss, Options(Rule(0.5))).segments}
    assert splits == {
        "fold3_room21_mix001": "train",
        "fold3_room4_mix001": "train",
        "fold4_room23_mix001": "test",
        "fold4_room2_mix001": "test",
    }


def test_two_sources_of_one_class_and_number_overlap(starss):
    """Loudspeakers share source 0: where a frame has two such rows, two sound."""
    segments = of(read_corpus("starss", starss, Options(Rule(0.5, 0.2))), "fold4_room23_mix001")
    assert [(one.start_s, one.end_s) for one in segments] == [(0, pytest.approx(1.8)), (pytest.approx(3.2), 4)]
    assert all(one.distance_m == pytest.approx(1.0) for one in segments)
    assert_agree(starss, segments, [(90, 0)] * 2)


def test_a_walk_is_cut(starss):
    segments = of(read_corpus("starss", starss, Options(Rule(0.5, 0.2, 10))), "fold4_room2_mix001")
    assert len(segments) == 4 and all(one.end_s - one.start_s < 1.2 for one in segments)
    azimuths = [math.degrees(one.azimuth) for one in segments]
    assert azimuths == pytest.approx([-25, -14, -3, 6], abs=0.6)
    for one in segments:
        assert apart_deg(intensity_direction(starss, one), unit(math.degrees(one.azimuth), math.degrees(one.elevation))) < 3


def test_a_flat_copy_is_split_by_fold(tmp_path):
    events = [(0, 2, 30, 10)]
    for fold in (3, 4):
        recording(tmp_path, f"fold{fold}_room1_mix001", events, frame_rows(events), 2)
    recording(tmp_path, "fold1_room1_mix001", events, frame_rows(events), 2)
    reading = read_corpus("starss", tmp_path)
    assert [one.split for one in reading.segments] == ["train", "test"]
    assert [(one.path, one.reason) for one in reading.left_out] == [
        ("metadata_dev/fold1_room1_mix001.csv", "neither its folder nor its fold is a split")
    ]


def damaged(root):
    """Faults beside one good recording."""
    events = [(0, 2, 30, 10)]
    folder = "dev-test-tau/fold4_room2_mix00"
    foa = scene(events, 2, RATE)
    for number in range(8):
        recording(root, f"{folder}{number}", events, frame_rows(events), 2)
    write(root / "foa_dev" / f"{folder}1.wav", foa[:2], RATE)
    write(root / "foa_dev" / f"{folder}2.wav", foa, 48000)
    (root / "foa_dev" / f"{folder}3.wav").unlink()
    (root / "metadata_dev" / f"{folder}4.csv").unlink()
    write_labels(root / "metadata_dev" / f"{folder}5.csv", [[3, 1, 1, 200, 0]])
    write_labels(root / "metadata_dev" / f"{folder}6.csv", [[3, 1, 1, 0, 0, 100, 1]])
    (root / "foa_dev" / f"{folder}7.wav").write_bytes(b"RIFF")
    write_labels(root / "metadata_dev" / "dev-test-tau/._fold4_room2_mix000.csv", [["Mac OS X"]])
    return f"foa_dev/{folder}"


def test_every_faulty_file_is_named(tmp_path):
    stem = damaged(tmp_path)
    reading = read_corpus("starss", tmp_path)
    assert {one.source for one in reading.segments} == {"starss:fold4_room2_mix000"} and reading.recordings == 1
    reasons = {one.path: one.reason for one in reading.left_out}
    assert set(reasons) == {f"{stem}{number}.wav" for number in range(1, 8)}
    for number, reason in (
        (1, "2 channel"),
        (2, "48000 Hz, not 24000 Hz"),
        (3, "the audio is missing"),
        (4, "no label file"),
        (5, "line 1: azimuth is '200'"),
        (6, "7 columns"),
        (7, "cannot be decoded"),
    ):
        assert reason in reasons[f"{stem}{number}.wav"]
    assert any("hidden" in note for note in reading.notes)


def test_strict_stops_at_the_first(tmp_path):
    damaged(tmp_path)
    with pytest.raises(DataError, match=r"mix00\d"):
        read_corpus("starss", tmp_path, Options(strict=True))


def test_a_resampled_copy(tmp_path):
    recording(tmp_path, "dev-test-tau/fold4_room2_mix001", [], [], 2)
    write(tmp_path / "foa_dev/dev-test-tau/fold4_room2_mix001.wav", scene([(0, 2, 30, 10)], 2, 16000), 16000)
    with pytest.raises(DataError, match="16000 Hz, not 24000 Hz"):
        read_corpus("starss", tmp_path)
    assert read_corpus("starss", tmp_path, Options(rate=16000)).recordings == 1


def test_labels_past_the_end_are_cut_and_noted(tmp_path):
    events = [(0, 4, 30, 10)]
    recording(tmp_path, "dev-test-tau/fold4_room2_mix001", [(0, 2.5, 30, 10)], frame_rows(events), 2.5)
    reading = read_corpus("starss", tmp_path)
    assert [(one.start_s, one.end_s) for one in reading.segments] == [(0, 2.5)]
    assert any("1.5 s past the end" in note for note in reading.notes)


@pytest.mark.parametrize(
    "row", [["x", 1, 1, 0, 0], [1.5, 1, 1, 0, 0], [-1, 1, 1, 0, 0], [1, 13, 1, 0, 0], [1, 1, 1, 0, -91], [1, 1, 1, 0, 0, -5]]
)
def test_impossible_rows(tmp_path, row):
    recording(tmp_path, "dev-test-tau/fold4_room2_mix001", [], [row], 1)
    with pytest.raises(DataError, match="line 1"):
        read_corpus("starss", tmp_path, Options(strict=True))


@pytest.mark.parametrize("missing", ["foa_dev", "metadata_dev"])
def test_a_missing_folder(tmp_path, missing):
    for name in {"foa_dev", "metadata_dev"} - {missing}:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=missing):
        read_corpus("starss", tmp_path)
