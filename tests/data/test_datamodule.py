"""Batches do not depend on workers, ranks or interruptions; faults arrive as one message."""

import dataclasses

import lightning
import pytest
import torch

from elsa_lightning.captions import plain_caption
from elsa_lightning.captions.attributes import words_of_all
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import AugmentationConfig, Esc50Config, RangeConfig


def batches(data, loader):
    return [
        data.on_after_batch_transfer(data.transfer_batch_to_device(data.on_before_batch_transfer(b), torch.device("cpu"))) for b in loader
    ]


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert a.captions == b.captions and a.clip_id == b.clip_id and torch.equal(a.key, b.key)
        assert all(torch.equal(a.tokens[name], b.tokens[name]) for name in a.tokens)
        assert torch.allclose(a.features.intensity, b.features.intensity, atol=1e-5)
        assert torch.allclose(a.features.log_mel, b.features.log_mel, atol=1e-3)


@pytest.fixture
def data(cfg, corpus, banks, tokenizer):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True, noise_snr_db=[5.0, 20.0], mismatch_db=1.0, mask_frames=4)
    return SpatialAudioText(cfg, corpus, banks, tokenizer)


def test_workers_do_not_change_batches(cfg, corpus, banks, tokenizer, data):
    alone = batches(data, data.train_dataloader())
    cfg.data.workers = 2
    assert_same(alone, batches(data, data.train_dataloader()))


@pytest.mark.parametrize("cached", [False, True])
def test_resume_is_exact(cfg, corpus, banks, tokenizer, data, tmp_path, cached):
    caches = {"train": render_cache(cfg, corpus, banks["train"], "train", tmp_path / "c", workers=0)} if cached else None
    whole = SpatialAudioText(cfg, corpus, banks, tokenizer, caches)
    resumed = SpatialAudioText(cfg, corpus, banks, tokenizer, caches)
    resumed.start_step = 5
    assert_same(batches(whole, whole.train_dataloader())[5:], batches(resumed, resumed.train_dataloader()))


def test_what_a_batch_holds(cfg, data):
    batch = batches(data, data.train_dataloader())[0]
    assert (
        batch.foa.shape == (6, 4, 8000)
        and batch.features.log_mel.shape == (6, 1, 26, 16)
        and batch.features.intensity.shape == (6, 6, 26, 8)
    )
    assert set(batch.spatial) == {"azimuth", "elevation", "distance_m", "floor_area_m2", "volume_m3", "t30_s", "c50_db", "drr_db"}
    assert torch.allclose(batch.direction.norm(dim=1), torch.ones(6)) and all(v.isfinite().all() for v in batch.spatial.values())
    assert batch.tokens["input_ids"].shape == batch.tokens["attention_mask"].shape and len(batch.captions) == 6 == len(batch)
    assert [data.corpus.labels[i] for i in batch.label] == [record.label for record in batch.records]
    assert batch.yaw.abs().max() > 0 and batch.caption_sets == []


def test_plain_captions_are_known_as_such(cfg, data):
    cfg.captions.spatial_share, cfg.trainer.batch_size, cfg.trainer.steps = 0.5, 48, 2
    seen = set()
    for batch in batches(data, data.train_dataloader()):
        plain = [
            caption in [plain_caption(c) for c in record.captions] for caption, record in zip(batch.captions, batch.records, strict=True)
        ]
        assert batch.plain.tolist() == plain
        seen |= set(plain)
    assert seen == {True, False}


def test_captions_follow_the_turned_scene(cfg, data):
    """With every word kept, a caption says the direction after yaw and mirror, and non-spatial examples say none."""
    cfg.captions.word_keep = cfg.captions.spatial_share = 1.0
    cfg.trainer.batch_size, cfg.trainer.steps = 48, 2
    said = 0
    for batch in batches(data, data.train_dataloader()):
        words = words_of_all({name: values.numpy() for name, values in batch.spatial.items()})
        for text, word, spatial in zip(batch.captions, words, batch.is_spatial.tolist(), strict=True):
            for side, other in (("left", "right"), ("right", "left")):
                if spatial and word.direction == side:
                    assert side in text.lower() and f"{other}" not in text.lower()
                    said += 1
            if not spatial:
                assert "left" not in text.lower() and "right" not in text.lower()
    assert said > 10


def test_seed_changes_training_draws_only(cfg, corpus, banks, tokenizer, data):
    first, test = batches(data, data.train_dataloader()), batches(data, data.test_dataloader())
    cfg.seed = 1
    other = SpatialAudioText(cfg, corpus, banks, tokenizer)
    assert [b.captions for b in batches(other, other.train_dataloader())] != [b.captions for b in first]
    again = batches(other, other.test_dataloader())
    assert [b.caption_sets for b in again] == [b.caption_sets for b in test]
    assert all(torch.equal(a.foa, b.foa) for a, b in zip(again, test, strict=True))


def test_evaluation(cfg, data):
    found = batches(data, data.test_dataloader())
    assert sum(len(batch) for batch in found) == 16
    assert all(batch.is_spatial.all() and batch.yaw is None for batch in found)
    assert all(len(set(captions)) == 5 for batch in found for captions in batch.caption_sets)
    first = [
        captions for batch in found for captions, version in zip(batch.caption_sets, batch.version.tolist(), strict=True) if version == 0
    ]
    assert data.test_captions() == first and len(data.test_clip_ids) == 8


def test_probe_sees_each_training_item_once_unchanged(data):
    found = [data.on_after_batch_transfer(batch) for batch in data.probe_dataloader()]
    items = [at for batch in found for at in zip(batch.clip.tolist(), batch.version.tolist(), strict=True)]
    assert items == [(clip, version) for clip in range(24) for version in range(2)]
    assert all(batch.yaw is None and batch.features is not None for batch in found)
    labels = data.banks["train"].labels["azimuth"]
    assert all(torch.equal(batch.spatial["azimuth"], labels[batch.room]) for batch in found)


@pytest.mark.parametrize("mode", ["pool", "fresh"])
def test_rooms_simulated_in_training(cfg, corpus, banks, tokenizer, mode):
    """Captions say the T30 that was measured on the rendered room; a resumed run draws the same rooms."""
    ranges = RangeConfig(floor_area_m2=[14.0, 30.0], t30_s=[0.15, 0.25])
    cfg.rooms = dataclasses.replace(
        cfg.rooms, mode=mode, train=8, refresh=0.25, rir_s=0.1, bands_hz=[500.0, 2000.0], ranges=ranges, test_ranges=ranges
    )
    cfg.trainer.batch_size, cfg.trainer.steps = 3, 3
    data = SpatialAudioText(cfg, corpus, banks, tokenizer)
    whole = batches(data, data.train_dataloader())
    assert all((b.spatial["floor_area_m2"] < 31).all() and (b.spatial["t30_s"] > 0.05).all() for b in whole)
    resumed = SpatialAudioText(cfg, corpus, banks, tokenizer)
    resumed.start_step = 1
    assert_same(whole[1:], batches(resumed, resumed.train_dataloader()))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_faulty_clip_is_one_message(cfg, banks, tokenizer, tmp_path, esc50_root, workers):
    import shutil

    from elsa_lightning.data.readers import open_corpus

    root = shutil.copytree(esc50_root, tmp_path / "copy")
    cfg.data.workers, cfg.trainer.batch_size = workers, 24
    bad = root / "audio" / "1-100-A-0.wav"
    bad.write_bytes(bad.read_bytes()[:3000])
    corpus = open_corpus(Esc50Config(root=str(root), val_folds=[4]))
    data = SpatialAudioText(cfg, corpus, banks, tokenizer)
    with pytest.raises(DataError, match=r"^audio file .*1-100-A-0\.wav is truncated") as caught:
        batches(data, data.train_dataloader())
    assert "Traceback" not in str(caught.value)


def test_bank_of_another_rate_or_none(cfg, corpus, banks, tokenizer):
    cfg.audio.sample_rate = 22050
    data = SpatialAudioText(cfg, corpus, banks, tokenizer)
    with pytest.raises(ConfigError, match=r"built at 16000 Hz, audio\.sample_rate is 22050"):
        batches(data, data.train_dataloader())
    with pytest.raises(ConfigError, match="no bank of train rooms"):
        SpatialAudioText(cfg, corpus, {}, tokenizer).train_dataloader()


class Recorder(lightning.LightningModule):
    """Notes the keys it sees and trains one number."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch.key.tolist())
        return (self.weight - batch.features.log_mel.mean()).square()

    def validation_step(self, batch, batch_idx):
        assert batch.split == "val"

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-4)


def trainer(tmp_path, max_steps):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return lightning.Trainer(
        max_steps=max_steps,
        max_epochs=1,
        accelerator="cpu",
        default_root_dir=tmp_path,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **quiet,
    )


class Stop(lightning.Callback):
    """Saves a checkpoint at a step and ends the training there, as a kill would."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, module, *rest):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


def test_lightning_resumes_in_the_middle(cfg, corpus, banks, tokenizer, tmp_path):
    whole = Recorder()
    trainer(tmp_path, 12).fit(whole, SpatialAudioText(cfg, corpus, banks, tokenizer))
    first, second = Recorder(), Recorder()
    path = tmp_path / "a.ckpt"
    killed = trainer(tmp_path, 12)
    killed.callbacks.append(Stop(5, path))
    with pytest.raises(BaseException):  # noqa: B017 (Lightning turns the interrupt into an exit)
        killed.fit(first, SpatialAudioText(cfg, corpus, banks, tokenizer))
    data = SpatialAudioText(cfg, corpus, banks, tokenizer)
    data.start_step = 5
    trainer(tmp_path, 12).fit(second, data, ckpt_path=path, weights_only=True)
    assert first.seen + second.seen == whole.seen and len(whole.seen) == 12 and len(second.seen) == 7
    assert torch.allclose(second.weight, whole.weight)


@pytest.mark.parametrize("cached", [False, True])
def test_original_test_clips_have_their_plain_captions(cfg, corpus, banks, tokenizer, tmp_path, cached):
    cfg.data.eval_mono = True
    caches = {"test": render_cache(cfg, corpus, banks["test"], "test", tmp_path / "c", workers=0)} if cached else None
    data = SpatialAudioText(cfg, corpus, banks, tokenizer, caches)
    heard = [batch for batch in batches(data, data.test_dataloader())]
    assert not any(batch.is_spatial.any() for batch in heard)
    said = data.test_captions()
    assert said == [captions for batch in heard for captions in batch.caption_sets]
    own = [{plain_caption(caption) for caption in record.captions} for record in data.dataset("test").records]
    assert all(set(captions) <= known for captions, known in zip(said, own, strict=True))
