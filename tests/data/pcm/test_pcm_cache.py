"""Reading a cache: the bits of the files, in worker processes too; damage and changes are noticed."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.checks import validate
from elsa_lightning.data.clips import prepare, strip_silence
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.datasets import ClipDataset
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pcm import PcmCache, Recipe, build_cache, sounds_of
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import AudioConfig, Experiment, FoleyConfig, ManifestConfig
from elsa_lightning.stages_plan import STAGES, plan_run, stage_config

from .conftest import RATE, all_records


@pytest.fixture
def folder(corpus, recipe, tmp_path):
    """Of the corpus' cache."""
    build_cache(corpus, tmp_path / "cache", recipe, workers=0)
    return tmp_path / "cache"


def test_sounds_are_bit_by_bit_those_of_the_files(corpus, folder, recipe):
    cache = pickle.loads(pickle.dumps(PcmCache(folder, recipe)))
    audio = AudioConfig(sample_rate=RATE, clip_s=0.1, min_s=0.15)
    for record in all_records(corpus):
        direct = corpus.load(record, RATE)
        kept = cache.load(record.audio, corpus.root / record.audio)
        assert kept.dtype == np.float32 and np.array_equal(kept, strip_silence(direct, audio.strip_db))
        clips = [prepare(sound, RATE, audio, np.random.default_rng(3), lead=50) for sound in (direct, kept)]
        assert np.array_equal(*clips)


def test_a_pickled_cache_is_small(folder, recipe):
    assert len(pickle.dumps(PcmCache(folder, recipe))) < 1000


def test_int16_is_near(corpus, tmp_path):
    recipe = Recipe.of(AudioConfig(sample_rate=RATE), "int16")
    build_cache(corpus, tmp_path / "short", recipe, workers=0)
    cache = PcmCache(tmp_path / "short", recipe)
    for record in corpus.records("train"):
        direct = strip_silence(corpus.load(record, RATE), -60.0)
        kept = cache.load(record.audio, corpus.root / record.audio)
        assert 0 < np.abs(kept - direct).max() <= np.abs(direct).max() / 65000


@pytest.mark.parametrize("workers", [0, 2])
def test_training_batches_are_the_same(cfg, corpus, folder, banks, tokenizer, workers):
    cfg.data.workers = workers
    batches = []
    for cache in ("", str(folder)):
        cfg.data.pcm_cache = cache
        data = SpatialAudioText(cfg, corpus, banks, tokenizer)
        batches.append(next(iter(data.train_dataloader())).mono)
    assert torch.equal(*batches) and len(batches[0]) == cfg.trainer.batch_size


def test_no_file_is_decoded(cfg, corpus, folder, monkeypatch):
    cfg.data.pcm_cache = str(folder)
    dataset = ClipDataset(cfg, corpus, "test", np.zeros(4))
    monkeypatch.setattr("elsa_lightning.data.readers.manifest.read_audio", lambda *_: pytest.fail("decoded"))
    assert dataset[0, 0].mono is not None


def test_parts_of_files_and_recordings_come_from_their_files(cfg, root, corpus, recipe, tmp_path):
    whole = corpus.records("train")[0]
    soundfile.write(root / "foa.wav", np.random.default_rng(0).standard_normal((8000, 4)) * 0.1, RATE, subtype="FLOAT")
    part = replace(whole, clip_id="part", start_s=0.05, duration_s=0.1)
    recording = ClipRecord("foa", "train", "dog", ("a dog",), audio="foa.wav", layout="foa_acn_sn3d")
    write_manifest(root / "mixed.jsonl", [whole, part, recording])
    mixed = open_corpus(ManifestConfig(path=str(root / "mixed.jsonl")))
    assert build_cache(mixed, tmp_path / "mixed", recipe, workers=0).files == 1
    cfg.data.pcm_cache = str(tmp_path / "mixed")
    sounds = sounds_of(cfg, mixed)
    for record in (part, recording):
        assert np.array_equal(sounds.load(record, RATE), mixed.load(record, RATE))
    assert len(sounds.load(whole, RATE)) > len(sounds.load(part, RATE)) == 1600
    write_manifest(root / "none.jsonl", [part, recording])
    with pytest.raises(DataError, match="no clips that are whole mono files"):
        build_cache(open_corpus(ManifestConfig(path=str(root / "none.jsonl"))), tmp_path / "none", recipe, workers=0)


def test_a_damaged_shard_is_named_with_the_remedy(corpus, folder, recipe):
    shard = folder / "shards" / "00001.pcm"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    cache, messages = PcmCache(folder, recipe), []
    for record in all_records(corpus):
        try:
            cache.load(record.audio, corpus.root / record.audio)
        except DataError as fault:
            messages.append(str(fault))
    assert len(set(messages)) == 1 and "00001.pcm is damaged" in messages[0] and "delete this file" in messages[0]
    shard.write_bytes(whole[:-8])
    with pytest.raises(DataError, match=r"00001\.pcm has \d+ bytes, not"):
        PcmCache(folder, recipe)
    shard.unlink()
    with pytest.raises(DataError, match=r"00001\.pcm is missing"):
        PcmCache(folder, recipe)
    assert build_cache(corpus, folder, recipe, workers=0).made == 1
    assert shard.read_bytes() == whole


def test_a_changed_source_is_noticed_and_a_new_time_is_not_one(corpus, folder, recipe):
    record = corpus.records("train")[0]
    path = corpus.root / record.audio
    os.utime(path, (1, 1))
    assert len(PcmCache(folder, recipe).load(record.audio, path))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # the size stays
    with pytest.raises(DataError, match=f"{record.audio} has changed") as caught:
        PcmCache(folder, recipe).load(record.audio, path)
    assert "elsa data cache" in caught.value.remedy
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        PcmCache(folder, recipe).load(record.audio, path)


def test_what_is_no_cache_of_this_experiment_is_refused(corpus, folder, recipe, tmp_path):
    with pytest.raises(DataError, match="no complete PCM cache"):
        PcmCache(tmp_path / "none", recipe)
    with pytest.raises(DataError, match=r"strip_db -60\.0, not -40\.0"):
        PcmCache(folder, Recipe.of(AudioConfig(sample_rate=RATE, strip_db=-40), "float32"))
    with pytest.raises(DataError, match="resampler 'soxr"):
        PcmCache(folder, Recipe(RATE, -60.0, "float32", "another"))
    with pytest.raises(DataError, match=r"z\.wav is not in the PCM cache"):
        PcmCache(folder, recipe).load("z.wav", tmp_path / "z.wav")
    (folder / "index.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"index\.npy cannot be read"):
        PcmCache(folder, recipe)


def test_fingerprints_know_the_precision_and_nothing_else_of_it(cfg):
    cfg.data.rendering = "cached"

    def marks():
        return {stage.stage: stage.fingerprint for stage in plan_run(cfg, "corpus")}

    plain = marks()
    assert not any("data.pcm_precision" in stage_config(cfg, stage) for stage in STAGES)
    cfg.data.pcm_cache = "somewhere"
    assert marks() == plain
    cfg.data.pcm_precision = "int16"
    changed = {stage for stage, mark in marks().items() if mark != plain[stage]}
    assert changed == {"features_train", "features_eval", "train", "embed", "evaluate"}


def test_settings_that_make_no_sense(cfg):
    cfg.data.pcm_precision = "int16"
    with pytest.raises(ConfigError, match="sounds come from files"):
        validate(cfg)
    foley = Experiment()
    foley.data.pcm_cache = "somewhere"
    assert isinstance(foley.data.corpus, FoleyConfig)
    with pytest.raises(ConfigError, match=r"`data\.pcm_cache` is 'somewhere', but the corpus foley"):
        validate(foley)
