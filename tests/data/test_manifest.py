"""JSONL manifests: round trip, and errors with file and line."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.manifest import ClipRecord, read_manifest, write_manifest
from elsa_lightning.data.readers import corpus_summary, open_corpus
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import ManifestConfig

GOOD = {"audio": "a.wav", "captions": ["a dog"], "split": "train"}


def test_round_trip(tmp_path):
    records = [ClipRecord(f"c{i}", "test", "hund", ("ein Hund", "ein „Bellen“"), "src", "CC0", f"{i}.wav") for i in range(3)]
    records.append(ClipRecord("c3", "train", "", ("x",), "freesound:7", "", "/elsewhere/c.flac", 4.25, 44100))
    write_manifest(tmp_path / "m.jsonl", records)
    assert "duration_s" not in (tmp_path / "m.jsonl").read_text().splitlines()[0]  # nor changes it a corpus' hash
    assert read_manifest(tmp_path / "m.jsonl") == records
    assert list(tmp_path.iterdir()) == [tmp_path / "m.jsonl"]


FAULTS = {
    "not json": ('{"audio": ', "is not JSON"),
    "a list": ("[1]", "is a list"),
    "no audio": (json.dumps({**GOOD, "audio": ""}), "no 'audio'"),
    "no split": (json.dumps({k: v for k, v in GOOD.items() if k != "split"}), "split is None"),
    "wrong split": (json.dumps({**GOOD, "split": "dev"}), "split is 'dev'"),
    "no captions": (json.dumps({k: v for k, v in GOOD.items() if k != "captions"}), "no caption"),
    "empty list": (json.dumps({**GOOD, "captions": []}), "no caption"),
    "blank caption": (json.dumps({**GOOD, "captions": ["a dog", "  "]}), "no caption"),
    "number as label": (json.dumps({**GOOD, "label": 3}), "'label' is not text"),
    "text as duration": (json.dumps({**GOOD, "duration_s": "4 s"}), "'duration_s' is '4 s'"),
    "negative rate": (json.dumps({**GOOD, "sample_rate": -1}), "'sample_rate' is -1"),
    "half a hertz": (json.dumps({**GOOD, "sample_rate": 44100.5}), r"'sample_rate' is 44100\.5"),
    "same id": (json.dumps({**GOOD, "clip_id": "first.wav"}), r"'first.wav' was used in line 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_names_file_and_line(tmp_path, fault):
    line, message = FAULTS[fault]
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({**GOOD, "audio": "first.wav"}) + "\n\n" + line + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert f"{path}, line 3" in caught.value.message


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"source": "freesound 7"}, {"source": "freesound 7", "audio": "b.wav"}, "source 'freesound 7'"),
        ({"clip_id": "1"}, {"clip_id": "2", "audio": "./a.wav"}, r"audio 'a\.wav'"),
    ],
)
def test_a_recording_in_two_splits_is_refused(tmp_path, first, second, words):
    path = tmp_path / "m.jsonl"
    lines = [{**GOOD, **first}, {**GOOD, "audio": "c.wav"}, {**GOOD, "split": "test", **second}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match=f"line 3: {words} is in split test, but in split train in line 1"):
        read_manifest(path)
    path.write_text("".join(json.dumps({**line, "split": "val"}) + "\n" for line in lines))
    assert len(read_manifest(path)) == 3


def test_a_manifest_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "m.jsonl").write_bytes(json.dumps({**GOOD, "captions": ["caf\u00e9"]}, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(DataError, match=r"m\.jsonl is not UTF-8"):
        read_manifest(tmp_path / "m.jsonl")


def test_missing_and_empty_manifest(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_manifest(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="is a folder"):
        read_manifest(tmp_path)
    (tmp_path / "m.jsonl").write_text("\n")
    with pytest.raises(DataError, match="has no clips"):
        read_manifest(tmp_path / "m.jsonl")
    with pytest.raises(ConfigError, match=r"data\.corpus\.path"):
        open_corpus(ManifestConfig())


def test_corpus_by_manifest(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(800) * 0.1, 8000)
    write_manifest(tmp_path / "m.jsonl", [ClipRecord("x", "train", "dog", ("a dog",), audio="a.wav", licence="CC0")])
    corpus = open_corpus(ManifestConfig(path=str(tmp_path / "m.jsonl")))
    assert corpus.load(corpus.records("train")[0], 16000).shape == (1600,)
    sizes = corpus_summary(corpus)["splits"]["train"]
    assert [sizes[name] for name in ("clips", "captions", "different_captions", "labels")] == [1, 1, 1, {"dog": 1}]
    assert (corpus.labels, corpus.licence, corpus.synthetic) == (("dog",), "CC0", False)
    first = corpus.content_hash
    write_manifest(tmp_path / "m.jsonl", [dataclasses.replace(corpus.records("train")[0], duration_s=0.1, sample_rate=8000)])
    assert open_corpus(ManifestConfig(path=str(tmp_path / "m.jsonl"))).content_hash == first  # facts of the file are no content
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("a.wav", "m.jsonl"):
        (tmp_path / name).rename(moved / name)
    again = open_corpus(ManifestConfig(path=str(moved / "m.jsonl")))
    assert again.content_hash == first
    (moved / "a.wav").unlink()
    with pytest.raises(DataError, match=r"a\.wav .*does not exist"):
        open_corpus(ManifestConfig(path=str(moved / "m.jsonl"))).content_hash  # noqa: B018
