"""TUT Sound Events 2018 in its own layout: descriptions of events beside folders of WAV."""

import pytest

from elsa_lightning.data.recorded import Options, read_corpus
from elsa_lightning.errors import DataError

from .miniatures import SIX, TO_LAYOUT, assert_agree, in_turn, scene, write

RATE = 44100
HEADER = "sound_event_recording,start_time,end_time,ele,azi,dist"


def describe(root, which, name, rows, header=HEADER):
    path = root / f"desc_{which}" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")


def recording(root, which, name, events, sound="speech012.wav", distance=1, convert=None):
    foa = scene(events, max(end for _, end, *_ in events) + 0.2, RATE)
    write(root / f"wav_{which}_30db" / f"{name}.wav", foa, RATE, convert)
    describe(root, which, name, [f"{sound},{start},{end},{float(el)},{float(az)},{distance}" for start, end, az, el in events])


@pytest.mark.parametrize("layout", ["acn sn3d", "acn n3d", "fuma fuma"])
@pytest.mark.parametrize("folder", ["", "REAL/ov1_split1"])
def test_six_directions(tmp_path, layout, folder):
    """Whatever the normalisation, which is not stated; and in FuMa order if the user says so."""
    recording(tmp_path / folder, "ov1_split1", "train_0_desc_30_100", in_turn(SIX), "102305-6-0-0.wav", 2, TO_LAYOUT[layout])
    order = layout.split()[0] if layout.startswith("fuma") else ""
    reading = read_corpus("tut2018", tmp_path, Options(order=order))
    assert_agree(tmp_path, reading.segments, SIX)
    one = reading.segments[0]
    assert (one.label, one.split, one.distance_m, one.normalisation) == ("gun shot", "train", 2, "unknown")
    assert one.source == f"tut2018:{folder + '/' if folder else ''}desc_ov1_split1/train_0_desc_30_100"


def test_events_that_overlap_are_cut(tmp_path):
    events = [(0.1234, 2.5, 90, 20), (2.0, 4.5, -90, -20)]
    recording(tmp_path, "ov2_split3", "test_7_desc_30_100", events, "keysDrop101.wav")
    segments = read_corpus("tut2018", tmp_path).segments
    assert [(one.start_s, one.end_s) for one in segments] == [(0.1234, 1.8), (2.7, 4.5)]
    assert {(one.split, one.label) for one in segments} == {("test", "keys dropped")}
    assert_agree(tmp_path, segments, [(90, 20), (-90, -20)])


def test_columns_are_found_by_name(tmp_path):
    recording(tmp_path, "ov1_split1", "train_0_desc_30_100", [(0, 1.5, 90, 20)])
    describe(
        tmp_path, "ov1_split1", "train_0_desc_30_100", ["cough,0,1.5,90,20,1"], "sound_event_recording,start_time,end_time,azi,ele,dist"
    )
    (one,) = read_corpus("tut2018", tmp_path).segments
    assert_agree(tmp_path, [one], [(90, 20)])
    assert one.label == "cough"


@pytest.mark.parametrize(
    ("row", "header", "message"),
    [
        ("speech012.wav,0,1,10,190,1", HEADER, "line 2: azi is '190'"),
        ("speech012.wav,0,1,100,10,1", HEADER, "line 2: ele is '100'"),
        ("speech012.wav,2,1,10,10,1", HEADER, "it ends at 1 s"),
        ("whistle012.wav,0,1,10,10,1", HEADER, "no class follows from 'whistle012.wav'"),
        ("speech012.wav,0,1,10,10", HEADER, "line 2 has 5 columns"),
        ("speech012.wav,0,1,10,10,1", HEADER.replace("azi", "angle"), "its columns are .*angle"),
        ("speech012.wav,0,1,10,10,1,5,7,8", HEADER + ",ele_dir,azi_dir,ang_vel", "its columns are"),
    ],
)
def test_faulty_descriptions(tmp_path, row, header, message):
    recording(tmp_path, "ov1_split1", "train_0_desc_30_100", [(0, 1.5, 90, 20)])
    recording(tmp_path, "ov1_split1", "train_1_desc_30_100", [(0, 1.5, 90, 20)])
    describe(tmp_path, "ov1_split1", "train_1_desc_30_100", [row], header)
    (left,) = read_corpus("tut2018", tmp_path).left_out
    assert left.path == "wav_ov1_split1_30db/train_1_desc_30_100.wav"
    with pytest.raises(DataError, match=message):
        read_corpus("tut2018", tmp_path, Options(strict=True))


def test_folders_of_the_layout(tmp_path):
    with pytest.raises(DataError, match="no folder desc_ov"):
        read_corpus("tut2018", tmp_path)
    describe(tmp_path, "ov1_split1", "train_0_desc_30_100", [])
    with pytest.raises(DataError, match="found none"):
        read_corpus("tut2018", tmp_path)
    for level in (0, 30):
        (tmp_path / f"wav_ov1_split1_{level}db").mkdir()
    with pytest.raises(DataError, match="wav_ov1_split1_0db, wav_ov1_split1_30db"):
        read_corpus("tut2018", tmp_path)


def test_one_fold_of_the_cross_validation(tmp_path):
    for split in (1, 2):
        recording(tmp_path, f"ov1_split{split}", "test_0_desc_30_100", [(0, 1.5, 90, 20)])
    reading = read_corpus("tut2018", tmp_path, Options(only="*_split2/*"))
    assert [one.source for one in reading.segments] == ["tut2018:desc_ov1_split2/test_0_desc_30_100"]
    assert "1 of 2 recordings match --only *_split2/*" in reading.notes
