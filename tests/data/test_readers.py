"""ESC-50's layout, its captions, and foley."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from elsa_lightning.data.readers import corpus_summary, open_corpus
from elsa_lightning.data.readers.esc50_captions import CAPTIONS, captions_for
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import Esc50Config, FoleyConfig

ESC10 = pathlib.Path(__file__).parents[3] / "shared/data/esc10"
SPLITS = ("train", "val", "test")


def test_folds_are_splits(esc50_root):
    corpus = open_corpus(Esc50Config(root=str(esc50_root), val_folds=[4], test_folds=[5]))
    for split, folds in (("train", "123"), ("val", "4"), ("test", "5")):
        records = corpus.records(split)
        assert {record.clip_id[0] for record in records} == set(folds) and len(records) == 8 * len(folds)
    assert corpus.labels == ("clock tick", "dog", "rain", "sea waves")
    assert not corpus.synthetic


def test_sources_never_straddle_splits():
    if not ESC10.exists():
        pytest.skip("no ESC-10 here")
    corpus = open_corpus(Esc50Config(root=str(ESC10)))
    sources = {split: {record.source for record in corpus.records(split)} for split in SPLITS}
    assert [len(corpus.records(split)) for split in ("test",)] == [80]
    assert not sources["train"] & sources["val"] and not sources["train"] & sources["test"]
    assert 0.04 < len(sources["val"]) / (len(sources["train"]) + len(sources["val"])) < 0.2
    sound = corpus.load(corpus.records("val")[0], 16000)
    assert abs(len(sound) - 80000) < 200 and np.abs(sound).max() > 0.01
    assert sum(part["clips"] for part in corpus_summary(corpus)["splits"].values()) == 400


def test_captions_cover_esc50():
    assert len(CAPTIONS) == 50
    for category, captions in CAPTIONS.items():
        assert len(set(captions)) == len(captions) >= 10, category
        assert all(caption == caption.strip(" .") and caption for caption in captions)


def test_five_different_captions_by_file():
    chosen = [captions_for("dog", f"{i}.wav") for i in range(30)]
    assert all(len(set(captions)) == 5 for captions in chosen)
    assert len({frozenset(captions) for captions in chosen}) > 15
    assert captions_for("dog", "3.wav") == chosen[3]
    assert len(set(captions_for("garden_gnome", "x"))) == 5
    assert all("garden gnome" in caption for caption in captions_for("garden_gnome", "x"))


def write_table(root, text):
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text(text)
    return Esc50Config(root=str(root))


def test_faulty_tables(tmp_path):
    with pytest.raises(DataError, match=r"esc50\.csv does not exist"):
        open_corpus(Esc50Config(root=str(tmp_path)))
    with pytest.raises(ConfigError, match="root is empty"):
        open_corpus(Esc50Config())
    with pytest.raises(ConfigError, match=r"folds \[5\]"):
        open_corpus(Esc50Config(root=str(tmp_path), val_folds=[5]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("filename,fold\na.wav,1\n", "no column category, src_file"),
        ("filename,fold,category,src_file\na.wav,one,dog,7\n", "line 2: fold is 'one'"),
        ("filename,fold,category,src_file\na.wav,1,dog,7\nb.wav,1,,7\n", "line 3 lacks a value"),
        ("filename,fold,category,src_file\n", "has no clips"),
    ],
)
def test_faulty_rows(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        open_corpus(write_table(tmp_path, table))


def test_a_table_that_is_not_utf_8_is_named(tmp_path):
    cfg = write_table(tmp_path, "")
    (tmp_path / "meta" / "esc50.csv").write_bytes("filename,fold,category,src_file\na.wav,1,caf\u00e9,7\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"esc50\.csv is not UTF-8"):
        open_corpus(cfg)


def test_missing_audio_is_found_before_training(tmp_path):
    corpus = open_corpus(write_table(tmp_path, "filename,fold,category,src_file\na.wav,1,dog,7\n"))
    with pytest.raises(DataError, match=r"a\.wav"):
        corpus.content_hash  # noqa: B018
    with pytest.raises(DataError, match=r"a\.wav does not exist"):
        corpus.load(next(iter(corpus.records("train") or corpus.records("val"))), 16000)


def test_foley_records_have_the_captions_of_their_sound():
    from elsa_lightning import foley

    corpus = open_corpus(FoleyConfig(train_clips=len(foley.CLASSES), val_clips=2, test_clips=3))
    assert corpus.synthetic and len(corpus.records("test")) == 3
    for index in (0, 7, 23):
        record = corpus.records("train")[index]
        clip = foley.draw(0, index, "train")
        assert tuple(record.captions) == clip.captions and record.label == clip.label
        assert np.array_equal(corpus.load(record, 16000), clip.audio)
    assert open_corpus(FoleyConfig(seed=1)).content_hash != open_corpus(FoleyConfig()).content_hash


def test_readers_and_captions_import_no_torch():
    code = "import sys, elsa_lightning.data.readers, elsa_lightning.captions, elsa_lightning.data.clips; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
