"""A small corpus of files of several rates and lengths, with silence at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pcm import Recipe
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.schema import AudioConfig, ManifestConfig

RATE = 16000
FILES = 9


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Several shards in a miniature."""
    monkeypatch.setattr("elsa_lightning.data.pcm.build.CLIPS_PER_SHARD", 3)


@pytest.fixture
def root(tmp_path):
    """Nine files, flac and wav, 16 bit and float, with a manifest in which two clips share a file."""
    root = tmp_path / "corpus"
    root.mkdir()
    rng, records = np.random.default_rng(5), []
    for i in range(FILES):
        sound = np.concatenate([np.zeros(300 + 40 * i), 0.2 * rng.standard_normal(4000 + 900 * i), np.zeros(200)])
        name, subtype = (f"{i}.flac", "PCM_24") if i % 2 else (f"{i}.wav", "FLOAT")
        soundfile.write(root / name, sound, (16000, 22050, 44100)[i % 3], subtype=subtype)
        split = ("train", "train", "train", "val", "test")[i % 5]
        records.append(ClipRecord(f"c{i}", split, "dog", (f"dog {i}",), audio=name))
    records.append(ClipRecord("again", "train", "dog", ("a dog",), audio="0.wav"))
    write_manifest(root / "m.jsonl", records)
    return root


@pytest.fixture
def corpus(root):
    """It."""
    return open_corpus(ManifestConfig(path=str(root / "m.jsonl")))


@pytest.fixture
def recipe():
    """Of the corpus' cache."""
    return Recipe.of(AudioConfig(sample_rate=RATE), "float32")


def all_records(corpus):
    """Of every split."""
    return [record for split in ("train", "val", "test") for record in corpus.records(split)]


def content(folder):
    """File → bytes of a cache."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
