"""The cache is the direct rendering, whoever renders it, and notices damage."""

import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.datasets import CachedDataset
from elsa_lightning.data.feature_cache import FeatureCache, render_cache
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.rendering import Job
from elsa_lightning.data.sampling import EvaluationBatchSampler
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.locks import start_ticks
from elsa_lightning.schema import AugmentationConfig, FoleyConfig


@pytest.mark.parametrize("split", ["train", "test"])
def test_cache_equals_direct_rendering(cfg, corpus, banks, tokenizer, tmp_path, split):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True, noise_snr_db=[5.0, 20.0], mask_frames=5, mel_gain_db=2.0)
    cache = render_cache(cfg, corpus, banks[split], split, tmp_path / split, workers=0)
    stream = SpatialAudioText(cfg, corpus, banks, tokenizer)
    cached = SpatialAudioText(cfg, corpus, banks, tokenizer, {split: cache})
    sampler = EvaluationBatchSampler(len(cache), 7)
    seen = 0
    loaders = (data._loader(split, sampler) for data in (stream, cached))
    for direct, stored in zip(*loaders, strict=True):
        direct, stored = stream.on_after_batch_transfer(direct), cached.on_after_batch_transfer(stored)
        assert direct.captions == stored.captions and direct.clip_id == stored.clip_id and direct.caption_sets == stored.caption_sets
        for name, values in direct.spatial.items():
            assert torch.allclose(values, stored.spatial[name], atol=1e-6)
        for name in ("key", "room", "is_spatial", "version", "label"):
            assert torch.equal(getattr(direct, name), getattr(stored, name))
        assert torch.allclose(direct.features.log_mel, stored.features.log_mel, atol=0.05)
        assert torch.allclose(direct.features.intensity, stored.features.intensity, atol=2e-3)
        seen += len(direct)
    assert seen == len(corpus.records(split)) * 2
    assert stream.test_captions() == cached.test_captions()


def test_processes_do_not_change_it(cfg, corpus, banks, tmp_path):
    cfg.data.versions = 6  # 144 items: two processes
    cfg.augmentation = AugmentationConfig(noise_snr_db=[5.0, 20.0])
    calls = []
    alone = render_cache(cfg, corpus, banks["train"], "train", tmp_path / "a", workers=0)
    many = render_cache(cfg, corpus, banks["train"], "train", tmp_path / "b", progress=lambda *at: calls.append(at), workers=2)
    assert np.abs(alone.log_mel.astype(float) - many.log_mel.astype(float)).max() < 0.1
    assert all(np.array_equal(alone.columns[name], many.columns[name]) for name in alone.columns)
    assert alone.records == many.records == corpus.records("train")
    assert calls[-1] == (144, 144) and len(calls) == 18
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_bank_by_folder_and_second_call(cfg, corpus, banks, tmp_path):
    banks["val"].save(tmp_path / "bank")
    first = render_cache(cfg, corpus, tmp_path / "bank", "val", tmp_path / "val", workers=0)
    stamp = (tmp_path / "val" / "manifest.json").stat().st_mtime_ns
    second = render_cache(cfg, corpus, tmp_path / "bank", "val", tmp_path / "val", workers=0)
    assert stamp == (tmp_path / "val" / "manifest.json").stat().st_mtime_ns
    assert np.array_equal(first.log_mel, second.log_mel) and not (tmp_path / "val" / "bank").exists()


def damage_columns(folder):
    data = bytearray((folder / "columns.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "columns.npz").write_bytes(data)


def shorten(folder):
    data = (folder / "intensity.npy").read_bytes()
    (folder / "intensity.npy").write_bytes(data[: len(data) // 2])


DAMAGES = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: no feature cache here"),
    "columns": (damage_columns, "columns.npz is not the file"),
    "cut": (shorten, "intensity.npy cannot be read"),
    "shape": (lambda folder: np.save(folder / "log_mel.npy", np.zeros((3, 1, 2, 2), np.float16)), "log_mel.npy has shape"),
    "records": (lambda folder: (folder / "records.jsonl").unlink(), "records.jsonl cannot be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed(cfg, corpus, banks, tmp_path, damage):
    render_cache(cfg, corpus, banks["val"], "val", tmp_path / "val", workers=0)
    act, message = DAMAGES[damage]
    act(tmp_path / "val")
    with pytest.raises(DataError, match=message) as caught:
        FeatureCache.load(tmp_path / "val")
    assert str(tmp_path / "val") in caught.value.message


class Broken:
    """The corpus with one clip that cannot be read."""

    def __init__(self, corpus, fault):
        self.corpus, self.fault = corpus, fault
        self.name, self.labels, self.synthetic, self.records, self.content_hash = corpus.name, corpus.labels, False, corpus.records, "x"

    def load(self, record, sample_rate):
        if record.clip_id.endswith("A-2.wav"):
            raise self.fault
        return self.corpus.load(record, sample_rate)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_faulty_clip_is_named_and_leaves_nothing_behind(cfg, corpus, banks, tmp_path, workers):
    cfg.data.versions = 6
    broken = Broken(corpus, DataError("audio file dog.wav is truncated", "copy it again"))
    with pytest.raises(DataError, match=r"^audio file dog.wav is truncated\n  → copy it again$"):
        render_cache(cfg, broken, banks["train"], "train", tmp_path / "train", workers=workers)
    assert list(tmp_path.iterdir()) == []


def test_no_space_is_one_message(cfg, corpus, banks, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(RunError, match="GB are needed in"):
        render_cache(cfg, corpus, banks["val"], "val", tmp_path / "val", workers=0)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_call_left_is_removed(cfg, corpus, banks, tmp_path):
    (tmp_path / ".val-dead").mkdir()
    (tmp_path / ".val-dead" / "log_mel.npy").write_bytes(b"half")
    render_cache(cfg, corpus, banks["val"], "val", tmp_path / "val", workers=0)
    assert [path.name for path in tmp_path.iterdir()] == ["val"]


POOL = """
import os, pickle, sys, time
from concurrent.futures import ProcessPoolExecutor
from elsa_lightning.data import rendering
from elsa_lightning.data.processes import worker_context

if __name__ == "__main__":
    job = pickle.load(open(sys.argv[1], "rb"))
    pool = ProcessPoolExecutor(2, mp_context=worker_context(), initializer=rendering.start, initargs=(job,))
    for future in [pool.submit(time.sleep, 0.3) for _ in range(2)]:
        future.result()
    print(*pool._processes, flush=True)
    time.sleep(60)
"""


def test_workers_end_with_a_killed_parent(cfg, corpus, banks, tmp_path):
    banks["val"].save(tmp_path / "bank")
    (tmp_path / "pool.py").write_text(POOL)
    (tmp_path / "job").write_bytes(pickle.dumps(Job(cfg, corpus, tmp_path / "bank", "val", tmp_path)))
    parent = subprocess.Popen([sys.executable, tmp_path / "pool.py", tmp_path / "job"], stdout=subprocess.PIPE, text=True)
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2 and all(start_ticks(pid) for pid in workers)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.time() + 20
    while any(start_ticks(pid) for pid in workers) and time.time() < end:
        time.sleep(0.1)
    assert not any(start_ticks(pid) for pid in workers)


def test_cache_of_other_clips_is_refused(cfg, corpus, banks, tmp_path):
    cache = render_cache(cfg, corpus, banks["val"], "val", tmp_path / "val", workers=0)
    with pytest.raises(DataError, match="other clips than the corpus 'foley'"):
        CachedDataset(cfg, open_corpus(FoleyConfig(val_clips=8)), cache)


def test_drawn_captions_are_stored(cfg, banks, tmp_path):
    corpus = open_corpus(FoleyConfig(val_clips=3))
    cache = render_cache(cfg, corpus, banks["val"], "val", tmp_path / "val", workers=0)
    assert [record.captions for record in cache.records] == [tuple(record.captions) for record in corpus.records("val")]
