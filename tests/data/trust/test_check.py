"""Every planted fault is found, and nothing else; on a miniature and on recordings."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from data.test_readers import ESC10
from data.trust.conftest import RATE, Miniature
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.trust.check import check_corpus
from elsa_lightning.data.trust.check_report import check_text
from elsa_lightning.data.trust.examine import Wanted
from elsa_lightning.data.trust.faults import KINDS
from elsa_lightning.schema import Esc50Config, FoleyConfig, ManifestConfig

TRULY_CLIPPED = {"1-32318-A-0", "2-109505-A-21", "2-114280-A-0", "2-117271-A-0", "3-154957-A-1", "5-186924-A-12"}
"""Of ESC-10's recordings: those whose amplitudes pile up below the peak (`pile_up`)."""


def found(checked):
    return {(fault.kind, fault.name) for fault in checked.faults}


def pile_up(samples):
    """How many more samples lie in the top 5 % of the range than in [85 %, 90 %): less than 1 for sounds whose level was not limited."""
    level = np.abs(samples) / np.abs(samples).max()
    return np.mean(level >= 0.95) / np.mean((level >= 0.85) & (level < 0.9))


def plant(corpus):
    """One fault of each kind; gives what a check must name."""
    corpus.cut(1)
    corpus.empty(2)
    corpus.rewrite(3, np.zeros_like)
    corpus.rename(4, "something else" + corpus.path(4).suffix)
    corpus.copy(5, to=6)
    corpus.copy(7, to="copy" + corpus.path(7).suffix)
    corpus.rewrite(8, lambda samples: samples[::6], rate=8000)
    corpus.rewrite(9, lambda samples: np.stack([samples, samples], 1))
    kinds = {1: "truncated", 2: "empty", 3: "silent", 4: "missing", 6: "duplicate", 8: "rate", 9: "channels"}
    audio = corpus.path(0).parent.name
    beside = {(kind, f"{audio}/copy{corpus.path(7).suffix}") for kind in ("duplicate", "unlisted")}
    return (
        {(kind, corpus.names[number]) for number, kind in kinds.items()}
        | beside
        | {("unlisted", f"{audio}/something else{corpus.path(4).suffix}")}
    )


def test_an_untouched_corpus_has_no_fault(miniature):
    checked = check_corpus(miniature.corpus, Wanted())
    assert found(checked) == set() and checked.exit_code == 0
    facts = checked.to_dict()
    assert (facts["clips"], facts["sounds"], facts["rates"], facts["channels"]) == (30, 30, {RATE: 30}, {1: 30})
    assert facts["hours"] == pytest.approx(15 / 3600, abs=1e-6)
    assert check_text(checked).endswith("no faults")


@pytest.mark.parametrize("workers", [0, 2])
def test_every_planted_fault_is_found_and_nothing_else(miniature, workers):
    planted = plant(miniature)
    miniature.rewrite(10, lambda samples: np.where(np.arange(len(samples)) == 9, np.nan, samples), subtype="FLOAT")
    miniature.rewrite(11, lambda samples: np.clip(np.cumsum(samples) / 2, -0.5, 0.5))
    planted |= {("not finite", miniature.names[10]), ("clipped", miniature.names[11])}
    checked = check_corpus(miniature.corpus, Wanted(), workers=workers)
    assert found(checked) == planted and checked.exit_code == 2
    assert checked.unusable == 6
    assert [fault.kind for fault in checked.faults] == sorted((fault.kind for fault in checked.faults), key=list(KINDS).index)
    assert checked == check_corpus(miniature.corpus, Wanted(), workers=0), "whatever the processes do"


def test_faults_that_leave_a_file_usable_have_their_own_exit_code(miniature):
    miniature.copy(0, to=29)
    checked = check_corpus(miniature.corpus, Wanted())
    assert checked.exit_code == 1 and checked.unusable == 0
    (fault,) = checked.faults
    assert fault.name == miniature.names[29] and miniature.names[0] in fault.detail and "one in train, one in test" in fault.detail


def test_rates(miniature):
    assert {kind for kind, _ in found(check_corpus(miniature.corpus, Wanted(min_rate=48000)))} == {"rate"}
    for number in range(3):
        miniature.rewrite(number, lambda samples: samples, rate=48000)
    checked = check_corpus(miniature.corpus, Wanted(min_rate=16000))
    assert found(checked) == {("rate", miniature.names[number]) for number in range(3)}
    assert "27 of 30 files have 44100 Hz" in checked.faults[0].detail


def test_names_that_differ_in_case_or_suffix_are_told(miniature):
    miniature.rename(4, miniature.path(4).stem.upper() + ".WAV.flac")
    miniature.rename(5, miniature.path(5).stem + ".flac")
    details = {fault.name: fault.detail for fault in check_corpus(miniature.corpus, Wanted()).faults}
    assert "but" not in details[miniature.names[4]]
    assert details[miniature.names[5]].endswith("but audio/1-5.flac does")


def test_what_the_manifest_says_is_held_against_the_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(RATE) * 0.1, RATE)
    soundfile.write(tmp_path / "b.wav", np.random.default_rng(1).standard_normal(RATE) * 0.1, RATE)
    right = {"split": "train", "label": "", "sample_rate": RATE, "duration_s": 1.04}
    write_manifest(
        tmp_path / "m.jsonl",
        [
            ClipRecord(clip_id="a", captions=("a dog", "a cat"), audio="a.wav", **right),
            ClipRecord(
                clip_id="b", captions=("A dog.", "a cat", "a  dog"), audio="b.wav", **right | {"sample_rate": 8000, "duration_s": 3.0}
            ),
            ClipRecord(clip_id="c", captions=("the !",), audio="b.wav", **right),
        ],
    )
    checked = check_corpus(open_corpus(ManifestConfig(path=str(tmp_path / "m.jsonl"))), Wanted())
    assert [(fault.kind, fault.name) for fault in checked.faults] == [
        ("rate", "b.wav"),
        ("length", "b.wav"),
        ("duplicate", "b.wav"),
        ("no caption", "c"),
        ("repeated caption", "b"),
    ]
    assert "8000 Hz" in checked.faults[0].detail and "1.00 s; the table says 3.00 s" in checked.faults[1].detail
    assert checked.clips == 3 and len(checked.sounds) == 2 and checked.exit_code == 1


def test_foa_is_wanted_where_it_is_asked_for(miniature):
    miniature.rewrite(0, lambda samples: np.stack([samples] * 4, 1))
    assert {name for _, name in found(check_corpus(miniature.corpus, Wanted(channels=4)))} == set(miniature.names[1:])


def test_synthesised_clips_are_made_and_checked():
    class Broken(type(open_corpus(FoleyConfig()))):
        def load(self, record, sample_rate):
            return np.zeros(9) if record.clip_id.endswith("2") else super().load(record, sample_rate)

    sizes = FoleyConfig(train_clips=3, val_clips=1, test_clips=1)
    checked = check_corpus(open_corpus(sizes), Wanted(render_rate=16000), workers=1)
    assert checked.exit_code == 0 and len(checked.sounds) == checked.clips == 5 and checked.root == ""
    broken = Broken(sizes)
    assert found(check_corpus(broken, Wanted(render_rate=16000))) == {("silent", "foley-train-000002")}


def test_the_text_names_ten_and_the_json_all(miniature):
    for number in range(12):
        miniature.path(number).unlink()
    checked = check_corpus(miniature.corpus, Wanted())
    text = check_text(checked)
    assert "missing (12)" in text and "… and 2 more" in text and text.endswith("12 cannot be used, 0 more have faults")
    assert miniature.names[9] in text and miniature.names[10] not in text
    assert [fault["name"] for fault in json.loads(json.dumps(checked.to_dict()))["faults"]] == miniature.names[:12]


needs_esc10 = pytest.mark.skipif(not ESC10.exists(), reason="no ESC-10 here")


@needs_esc10
@pytest.mark.slow
def test_untouched_recordings_have_the_faults_that_they_truly_have():
    checked = check_corpus(open_corpus(Esc50Config(root=str(ESC10))), Wanted(), workers=2)
    assert found(checked) == {("clipped", f"audio/{name}.ogg") for name in TRULY_CLIPPED}
    assert len(checked.sounds) == 400 and checked.exit_code == 1
    for name in TRULY_CLIPPED:
        assert pile_up(soundfile.read(ESC10 / "audio" / f"{name}.ogg")[0]) > 1.5


@needs_esc10
def test_damaged_recordings_are_found(tmp_path):
    with open(ESC10 / "meta" / "esc50.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["filename"][:-4] not in TRULY_CLIPPED][::16]
    for name in ("meta", "audio"):
        (tmp_path / name).mkdir()
    with open(tmp_path / "meta" / "esc50.csv", "w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    for row in rows:
        shutil.copy(ESC10 / "audio" / row["filename"], tmp_path / "audio")
    corpus = Miniature(tmp_path, [f"audio/{row['filename']}" for row in rows])
    assert found(check_corpus(corpus.corpus, Wanted())) == set()
    planted = plant(corpus)
    assert found(check_corpus(corpus.corpus, Wanted())) == planted


def test_parts_of_recordings(tmp_path):
    """Parts of one file are no duplicates and have their own length; what lies behind the end, and wrong channels, cannot be used."""
    noise = np.random.default_rng(0).standard_normal((4, 16000, 4)) * 0.1
    for name, sound in zip("abc", (noise[0], noise[1], noise[2][:, :2]), strict=True):
        soundfile.write(tmp_path / f"{name}.wav", sound, 16000)
    about = {"split": "train", "label": "", "captions": ("noise",), "layout": "foa_acn_sn3d"}
    records = [
        ClipRecord("a0", audio="a.wav", start_s=0.0, duration_s=0.4, **about),
        ClipRecord("a1", audio="a.wav", start_s=0.4, duration_s=0.65, **about),  # a label's frame that is not full
        ClipRecord("a2", audio="a.wav", start_s=0.4, duration_s=0.65, **about),
        ClipRecord("b", audio="b.wav", start_s=0.5, duration_s=0.7, **about),
        ClipRecord("b1", audio="b.wav", start_s=1.0, **about),
        ClipRecord("c", audio="c.wav", **about),
    ]
    write_manifest(tmp_path / "m.jsonl", records)
    found = check_corpus(open_corpus(ManifestConfig(path=str(tmp_path / "m.jsonl"))), Wanted())
    assert [(fault.kind, fault.name, fault.detail.split(",")[0]) for fault in found.faults] == [
        ("truncated", "b.wav", "clip b is the part from 0.5 s to 1.2 s"),
        ("truncated", "b.wav", "clip b1 is the part from 1 s"),
        ("channels", "c.wav", "2 channel(s)"),
        ("duplicate", "a.wav", "clip a2 has the same file as clip a1"),
    ]
    assert found.unusable == 2
