"""Batches lie in memory that is used again: never while anybody holds a part of one."""

import gc

import numpy as np
import pytest
import torch

from elsa_lightning.data import stacking
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.datasets import ClipDataset
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pairing import Pairing
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.stacking import BatchMemory
from elsa_lightning.schema import ManifestConfig

from .test_clips import plainly_prepared


def slow_mono(cfg, corpus, steps):
    """(B, P + T) of each step: from the corpus, one clip after the other, in memory of its own."""
    records, lead = corpus.records("train"), round(cfg.rooms.rir_s * cfg.audio.sample_rate)
    pairing = Pairing(cfg, records, "train", np.zeros(40), distance=np.ones(40))
    for ats in steps:
        items = [pairing.item(index, epoch) for epoch, index in ats]
        sounds = [corpus.load(records[item.clip], cfg.audio.sample_rate) for item in items]
        clips = [
            plainly_prepared(sound, cfg.audio.sample_rate, cfg.audio, item.crop, lead) for sound, item in zip(sounds, items, strict=True)
        ]
        yield torch.from_numpy(np.stack(clips))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_is_held_of_a_batch_stays_what_it_was(cfg, corpus, banks, tokenizer, workers):
    cfg.data.workers = workers
    loader = SpatialAudioText(cfg, corpus, banks, tokenizer).train_dataloader()
    held = []
    for step, batch in enumerate(loader):
        row = step % len(batch)
        wholly = step % 3 == 0
        held.append(batch.mono if wholly else batch.mono[row] if step % 3 == 1 else batch.mono.numpy()[row, 100:])
    wanted = list(slow_mono(cfg, corpus, loader.batch_sampler))
    assert len(held) == len(wanted) == 12
    for step, (found, whole) in enumerate(zip(held, wanted, strict=True)):
        row = step % len(whole)
        part = whole if step % 3 == 0 else whole[row] if step % 3 == 1 else whole[row, 100:]
        torch.testing.assert_close(torch.as_tensor(found), part, rtol=3e-7, atol=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_of_batches_that_nobody_holds_is_used_again(cfg, corpus, banks, tokenizer, workers):
    cfg.data.workers, cfg.trainer.steps = workers, 24
    loader = SpatialAudioText(cfg, corpus, banks, tokenizer).train_dataloader()
    loader.collate_fn = Counted(loader.collate_fn)
    most = 0
    for batch, pieces in loader:
        most = max(most, pieces)
        del batch
    assert 1 <= most <= stacking.KEPT + 4  # in the queue, here, and being filled


class Counted:
    """A collate function that adds how many pieces its process has."""

    def __init__(self, collate):
        self.collate = collate

    def __call__(self, examples):
        return self.collate(examples), len(stacking.MEMORY)


def test_a_piece_is_free_when_the_last_view_is_gone():
    memory = BatchMemory()
    first = memory.take((2, 5))
    place = first.data_ptr()
    first.fill_(7)
    view, second = first[1:].numpy(), memory.take((2, 5))
    del first
    gc.collect()
    assert second.data_ptr() != place and memory.take((3,)).data_ptr() != place and view.tolist() == [[7.0] * 5]
    del view
    assert memory.take((2, 5)).data_ptr() == place  # and it is free again at once
    for _ in range(3):
        memory.take((2, 5))
    assert len(memory) <= 3


def test_an_end_that_comes_late_frees_no_newer_batch():
    memory = BatchMemory()
    first = memory.take((4,))
    piece = memory.piece_of(first)
    number = int(stacking._number(piece)[0])
    stacking._number(piece)[0] = 0  # as another process would
    second = memory.take((4,))
    assert second.data_ptr() == first.data_ptr()
    del first
    assert int(stacking._number(piece)[0]) > number  # still the second's


def test_pieces_that_were_needed_once_are_given_back():
    memory = BatchMemory()
    held = [memory.take((n + 1,)) for n in range(10)]
    assert len(memory) == 10
    del held
    memory.take((3,))
    assert len(memory) == stacking.KEPT + 1


def test_a_fault_leaves_no_piece_behind(cfg, corpus, banks, tokenizer, monkeypatch):
    dataset = SpatialAudioText(cfg, corpus, banks, tokenizer).dataset("train")
    monkeypatch.setattr(stacking, "MEMORY", memory := BatchMemory())
    monkeypatch.setattr("elsa_lightning.data.datasets.MEMORY", memory)
    ats = [(0, i) for i in range(4)]
    assert len(dataset.__getitems__(ats)) == 4
    monkeypatch.setattr(ClipDataset, "_prepared", lambda *_: (_ for _ in ()).throw(stacking_fault()))
    for _ in range(3):
        assert len(dataset.__getitems__(ats)) == 1
        gc.collect()  # an exception holds on to the frames it came through
    assert len(memory) == 1


def stacking_fault():
    from elsa_lightning.errors import DataError

    return DataError("broken", "mend it")


def test_recordings_and_cached_features_come_through_workers_as_they_are(cfg, banks, tokenizer, tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    records = []
    for i in range(12):
        channels = 4 if i % 3 else 1
        soundfile.write(tmp_path / f"{i}.wav", rng.standard_normal((9000, channels)) * 0.1, 16000)
        foa = {"layout": "foa_acn_sn3d", "azimuth_deg": 10.0 * i} if channels == 4 else {}
        records.append(ClipRecord(f"c{i}", "train", "", ("a dog",), audio=f"{i}.wav", **foa))
    write_manifest(tmp_path / "m.jsonl", records)
    cfg.data.corpus = ManifestConfig(path=str(tmp_path / "m.jsonl"))
    corpus = open_corpus(cfg.data.corpus)
    caches = [None, {"train": render_cache(cfg, corpus, banks["train"], "train", tmp_path / "c", workers=0)}]
    for cache in caches:
        found = []
        for workers in (0, 2):
            cfg.data.workers = workers
            found.append(list(SpatialAudioText(cfg, corpus, banks, tokenizer, cache).train_dataloader()))
        for alone, by_workers in zip(*found, strict=True):
            assert alone.clip_id == by_workers.clip_id
            for name in ("key", "render_key", "clip", "version", "label", "room", "is_spatial", "mono", "recordings"):
                one, other = getattr(alone, name), getattr(by_workers, name)
                assert (one is None and other is None) or (torch.equal(one, other) and one.dtype == other.dtype), name
            assert (alone.features is None) == (cache is None) == (by_workers.features is None)
            if cache is not None:
                assert torch.equal(alone.features.log_mel, by_workers.features.log_mel)
                assert torch.equal(alone.features.intensity, by_workers.features.intensity)
                torch.testing.assert_close(alone.spatial, by_workers.spatial, rtol=0, atol=0, equal_nan=True)
