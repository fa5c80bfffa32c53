"""Each layout in miniature: which clips, in which split, with which captions, source and licence."""

import pytest

from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.data.layouts import LAYOUTS, layout_of
from elsa_lightning.data.layouts.rules import captions_of, split_of
from elsa_lightning.data.manifest import read_manifest
from elsa_lightning.data.prepare import prepare
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.readers.esc50 import Esc50Corpus
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import Esc50Config, ManifestConfig

from .miniatures import MINIATURES, NAMINGS, audiocaps, fsd50k, pairs, sound, table, text, wavcaps


def clips(manifest):
    return {record.clip_id: record for record in read_manifest(manifest)}


def test_every_layout_has_a_miniature():
    assert {layout for layout, _ in MINIATURES.values()} == set(LAYOUTS)


@pytest.mark.parametrize("name", MINIATURES)
def test_every_clip_of_the_manifest_loads_with_its_length(prepared, name):
    _, manifest, found = prepared(name)
    corpus = open_corpus(ManifestConfig(path=str(manifest)))
    records = [record for split in ("train", "val", "test") for record in corpus.records(split)]
    assert len(records) == len(found.records) > 7
    for record in records:
        assert len(corpus.load(record, record.sample_rate)) == pytest.approx(record.duration_s * record.sample_rate, abs=0.1)
        assert record.captions and record.duration_s == pytest.approx(0.3, abs=1e-4)


def test_audiocaps(prepared):
    _, manifest, found = prepared("audiocaps")
    got = clips(manifest)
    assert {split: sizes["clips"] for split, sizes in found.splits.items()} == {"train": 4, "val": 2, "test": 2}
    assert {split: sizes["captions"] for split, sizes in found.splits.items()} == {"train": 4, "val": 10, "test": 10}
    assert got["ttttttttttt_30"].source == "youtube:ttttttttttt" and len(set(got["ttttttttttt_30"].captions)) == 5
    assert found.missing == ["gone0000000_35"] and (found.expected, found.present) == (10, 9)
    shared = {"clip_id": "leaked00000_34", "split": "train", "kept_in": "test", "by": "youtube:leaked00000"}
    assert found.shared == [shared] and got["leaked00000_34"].split == "test"
    assert all("  " not in caption for record in got.values() for caption in record.captions)


@pytest.mark.parametrize("naming", NAMINGS)
def test_audiocaps_by_any_downloader(tmp_path, naming):
    audiocaps(tmp_path, naming)
    found = prepare("audiocaps", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert (len(found.records), found.missing, found.unlisted, found.several) == (8, ["gone0000000_35"], [], [])


def test_two_clips_of_one_video_are_told_apart(tmp_path):
    rows = [[1, "v", 10, "first"], [2, "v", 50, "second"]]
    table(tmp_path / "train.csv", "audiocap_id,youtube_id,start_time,caption", rows)
    for name in ("v", "Yv", "v_50"):
        sound(tmp_path / "train" / f"{name}.wav")
    found = prepare("audiocaps", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [(record.clip_id, record.audio) for record in found.records] == [("v_50", "train/v_50.wav")]
    assert found.missing == ["v_10"] and found.missing_tables == ["val.csv", "test.csv"] and len(found.unlisted) == 2


def test_the_versions_of_audiocaps_are_not_mixed_up(tmp_path):
    audiocaps(tmp_path, tables="dataset")
    with pytest.raises(DataError, match=r"holds none of train\.csv, val\.csv, test\.csv"):
        prepare("audiocaps2", tmp_path, tmp_path / "m.jsonl", workers=0)
    table(
        tmp_path / "dataset2.0/train.csv",
        "audiocap_id,youtube_id,start_time,caption",
        [[1, "bbbbbbbbbbb", 31, "one"], [2, "bbbbbbbbbbb", 31, "two"]],
    )
    found = prepare("audiocaps2", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [record.captions for record in found.records] == [("one", "two")]


def test_clotho(prepared):
    _, manifest, found = prepared("clotho")
    got = clips(manifest)
    assert found.expected == 9 and found.missing == [] and [one["clip_id"] for one in found.shared] == ["development/leak.wav"]
    assert [got[f"{name}/Same.wav"].split for name in ("development", "validation", "evaluation")] == ["train", "val", "test"]
    assert got["evaluation/Same.wav"].audio == "root/evaluation/Same.wav"
    assert got["validation/Tür.wav"].licence == "licence of 202" and got["validation/Tür.wav"].source == "freesound:202"
    assert (
        got["development/x.y.wav"].source == ""
        and got["development/ Ambience.wav"].captions[2] == "Caption 3 of development, Ambience.wav."
    )


def test_clotho_takes_no_file_of_another_split(tmp_path):
    """Same.wav is in all three; the evaluation's is missing."""
    MINIATURES["clotho"][1](tmp_path)
    (tmp_path / "evaluation" / "Same.wav").unlink()
    found = prepare("clotho", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert found.missing == ["evaluation/Same.wav"]


def test_freesound_in_folders_and_in_tars(prepared):
    _, manifest, found = prepared("freesound")
    got = clips(manifest)
    assert set(got) == {f"{'train' if number < 9 else 'test'}/{number}" for number in range(1, 12)}
    assert all((record.split == "test") == place.startswith("test/") for place, record in got.items())
    assert got["train/3"].captions == ("rain 1003.", "Rain 1003.") and got["train/3"].source == "freesound:1003"
    _, _, tars = prepared("freesound tars")
    known = {record.source: (record.split, record.captions) for record in found.records}
    assert {record.source: (record.split, record.captions) for record in tars.records} == known and tars.unlisted == []
    assert "no validation split on disk" in tars.notes[0]


def test_freesound_without_splits_gets_all_three_and_keeps_those_it_has(tmp_path):
    validating = next(number for number in range(9999) if split_of(f"freesound:{number}") == "val")
    testing = next(number for number in range(9999) if split_of(f"freesound:{number}") == "test")
    for number in (validating, testing, testing + 1):
        pairs(tmp_path / "flat", range(number, number + 1), 0)
    found = prepare("freesound", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert {record.source: record.split for record in found.records} == {
        f"freesound:{validating}": "val",
        f"freesound:{testing}": "test",
        f"freesound:{testing + 1}": "train",
    }
    (tmp_path / "flat").rename(tmp_path / "train")
    found = prepare("freesound", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [record.split for record in found.records] == ["train", "train", "val"]
    pairs(tmp_path / "valid", range(1), 77)
    found = prepare("freesound", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [record.split for record in found.records] == ["train", "train", "train", "val"] and found.notes == []


def test_freesound_names_what_makes_no_clip(tmp_path):
    pairs(tmp_path / "train", range(1, 4), 1)
    (tmp_path / "train/2.flac").unlink()
    (tmp_path / "train/3.json").write_text('{"text": [". ", ""]}')
    (tmp_path / "train/4.json").write_text("{")
    sound(tmp_path / "train/5.flac")
    found = prepare("freesound", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [record.clip_id for record in found.records] == ["train/1"] and found.missing == ["train/2"]
    assert [fault.clip_id for fault in found.faults] == ["train/3", "train/4"]
    assert "no caption" in found.faults[0].message and "not JSON" in found.faults[1].message
    assert [path.rpartition("/")[2] for path in found.unlisted] == ["3.flac", "5.flac"]


def test_one_recording_falls_into_one_split_wherever_it_is_found():
    sources = [f"freesound:{number}" for number in range(20000)]
    whole, rest = [split_of(source) for source in sources], [split_of(source, "train") for source in sources]
    assert 150 < whole.count("val") < 250 and 150 < whole.count("test") < 250
    assert {a for a, b in zip(whole, rest, strict=True) if b == "val"} == {"val"}
    assert [split_of("freesound:1")] * 3 == [split_of("freesound:1") for _ in range(3)]


def test_wavcaps(prepared):
    _, manifest, found = prepared("wavcaps")
    got = clips(manifest)
    assert len(got) == 8 and found.missing == found.faults == found.unlisted == []
    assert got["AudioSet_SL/Yaaaaaaaaaaa"].source == "youtube:aaaaaaaaaaa" and got["BBC_Sound_Effects/07070068"].source == "bbc:07070068"
    assert "SoundBible_flac" in got["SoundBible/7"].audio and "FreeSound_flac" in got["FreeSound/7"].audio
    assert got["SoundBible/7"].captions == ("Sound 7 of SoundBible.",)
    assert all(record.split == split_of(record.source) for record in got.values())


def test_wavcaps_takes_no_file_of_another_part(tmp_path):
    wavcaps(tmp_path)
    for path in tmp_path.rglob("SoundBible_flac/*.flac"):
        path.unlink()
    assert prepare("wavcaps", tmp_path, tmp_path / "m.jsonl", workers=0).missing == ["SoundBible/7", "SoundBible/2219"]


def test_wavcaps_as_the_bare_list_of_its_first_version(tmp_path):
    text(tmp_path / "sb_final.json", [{"id": "1", "caption": "A bell rings."}, {"id": "2", "caption": " "}, "no entry"])
    sound(tmp_path / "SoundBible" / "1.flac")
    found = prepare("wavcaps", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [record.captions for record in found.records] == [("A bell rings.",)] and len(found.faults) == 2
    assert found.missing_tables == ["as_final.json", "bbc_final.json", "fsd_final.json"]


def test_fsd50k(prepared):
    _, manifest, found = prepared("fsd50k")
    got = clips(manifest)
    assert {fname: record.split for fname, record in got.items()} == {
        **dict.fromkeys(("64760", "5312", "9", "10", "11"), "train"),
        "12": "val",
        **dict.fromkeys(("37199", "37200"), "test"),
    }
    assert got["64760"].captions == captions_of(["electric guitar"]) and got["64760"].label == "electric guitar"
    assert got["5312"].captions[1] == "the sound of electric guitar and bass guitar"
    assert got["10"].captions[0] == "keyboard" and got["12"].captions[0] == "water" and got["37200"].captions[0] == "music"
    assert got["64760"].source == "freesound:64760" and got["37199"].licence == "by 37199"
    assert all(len(set(record.captions)) >= 3 for record in got.values())
    assert got["64760"].audio == "root/FSD50K.dev_audio/64760.wav" and got["64760"].sample_rate == 44100
    assert found.several == [] and found.missing_tables == []


def test_ancestors_are_told_from_classes_that_merely_sound_together(tmp_path):
    """Thunder and rain always sound together here, so neither is taken for the other's ancestor."""
    fsd50k(tmp_path)
    rows = [["1", "Rain,Thunder,Water", "m", "train"], ["2", "Rain,Thunder,Water", "m", "train"], ["3", "Water", "m", "train"]]
    table(tmp_path / "FSD50K.ground_truth/dev.csv", "fname,labels,mids,split", rows)
    (tmp_path / "FSD50K.ground_truth/eval.csv").unlink()
    for row in rows:
        sound(tmp_path / f"FSD50K.dev_audio/{row[0]}.wav")
    found = prepare("fsd50k", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [record.captions[0] for record in found.records] == ["rain and thunder", "rain and thunder", "water"]


def test_esc50_is_what_its_reader_reads(prepared):
    root, manifest, _ = prepared("esc50")
    reader = Esc50Corpus(Esc50Config(root=str(root)))
    for split in ("train", "val", "test"):
        mine = [record for record in read_manifest(manifest) if record.split == split]
        assert [(record.clip_id, tuple(record.captions), record.label) for record in mine] == sorted(
            (record.clip_id, tuple(record.captions), record.label) for record in reader.records(split)
        )
        assert all(record.source == f"freesound:{record.clip_id.split('-')[1]}" for record in mine)


def test_urbansound8k(prepared):
    _, manifest, found = prepared("urbansound8k")
    got = clips(manifest)
    assert {split: sizes["clips"] for split, sizes in found.splits.items()} == {"train": 16, "val": 2, "test": 2}
    assert {record.label for record in got.values()} == {"dog bark"} and "the sound of dog bark" in got["101-3-0-0.wav"].captions
    assert got["101-3-0-1.wav"].source == "freesound:101" and got["101-3-0-1.wav"].licence == "CC BY-NC 3.0"
    assert got["102-3-0-0.wav"].audio == "mono/audio/fold2/102-3-0-0.wav.flac"
    assert read_audio(manifest.parent / got["102-3-0-0.wav"].audio, 44100).shape == (13230,)


def test_unknown_layouts_and_wrong_folders_say_so(tmp_path):
    with pytest.raises(ConfigError, match="no layout is called 'audiocap'"):
        layout_of("audiocap")
    with pytest.raises(DataError, match=r"holds none of UrbanSound8K\.csv"):
        prepare("urbansound8k", tmp_path, tmp_path / "m.jsonl")
    table(tmp_path / "a/UrbanSound8K.csv", "slice_file_name,fold,class", [])
    with pytest.raises(DataError, match=r"UrbanSound8K\.csv has no column fsID"):
        prepare("urbansound8k", tmp_path, tmp_path / "m.jsonl")
    table(tmp_path / "b/UrbanSound8K.csv", "slice_file_name,fold,class", [])
    with pytest.raises(DataError, match="is there twice"):
        prepare("urbansound8k", tmp_path, tmp_path / "m.jsonl")
    for corpus, name in (
        ("freesound", "no pair"),
        ("wavcaps", "as_final"),
        ("esc50", "esc50.csv"),
        ("clotho", "clotho_captions"),
        ("fsd50k", "dev"),
    ):
        with pytest.raises(DataError, match=name):
            prepare(corpus, tmp_path, tmp_path / "m.jsonl")
    with pytest.raises(DataError, match="is no folder"):
        prepare("clotho", tmp_path / "none", tmp_path / "m.jsonl")
