"""An export is a corpus of recordings: from `elsa data render` through one training step."""

import pathlib

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.captions import plain_caption
from elsa_lightning.cli import main
from elsa_lightning.config import load_experiment
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.schema import ManifestConfig
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.trainer import fit

EXPERIMENT = pathlib.Path(__file__).parents[3] / "experiments/elsa.yaml"
CLIPS = ("data.corpus.train_clips=6", "data.corpus.val_clips=2", "data.corpus.test_clips=2")
TRAINING = (
    "trainer.steps=1",
    "trainer.batch_size=12",
    "trainer.accelerator=cpu",
    "data.versions=1",
    "data.mono_share=0",
    "audio.strip_db=-200",
)


def rendered(out, bank, file_format):
    """The smoke experiment's clips, two versions each, as files."""
    words = ("--profile", "smoke", "--bank", bank, "--out", out, "--workers", 0, "--format", file_format, "--split", "train", "val")
    assert main(["data", "render", str(EXPERIMENT), *map(str, words), "--set", *CLIPS]) == 0
    return out / "manifest.jsonl"


def assert_heard_as_labelled(batch, i, folder):
    """One example is its file and says what its line says."""
    record, (w, y, z, x) = batch.records[i], soundfile.read(folder / batch.records[i].audio)[0].T
    assert np.allclose(batch.foa[i], np.stack([w, y, z, x]) / np.sqrt((w**2).mean()), atol=1e-3)  # not placed in another room
    if record.azimuth_deg is None:  # exported without a place
        assert batch.direction[i].isnan().all() and batch.spatial["distance_m"][i].isnan()
        return
    azimuth, elevation = np.radians([record.azimuth_deg, record.elevation_deg])
    place = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    assert np.allclose(batch.direction[i], place, atol=1e-4)
    assert batch.spatial["distance_m"][i].item() == pytest.approx(record.distance_m, abs=1e-3)
    plain = [plain_caption(caption) for caption in record.captions]
    assert batch.captions[i] in (plain if batch.plain[i] else record.spatial_captions)


@pytest.mark.parametrize("file_format", ["flac", "wav"])
def test_an_export_trains_as_recordings(file_format, banks, bank_folders, tokenizer, tmp_path):
    manifest = rendered(tmp_path / "out", bank_folders["train"].parent, file_format)
    cfg = load_experiment(EXPERIMENT, profile="smoke", overrides=TRAINING).experiment
    cfg.data.corpus = ManifestConfig(path=str(manifest))
    corpus = open_corpus(cfg.data.corpus)
    data, again = (SpatialAudioText(cfg, corpus, banks, tokenizer) for _ in range(2))
    (batch,) = (data.on_after_batch_transfer(data.on_before_batch_transfer(batch)) for batch in data.train_dataloader())
    assert batch.mono is None and batch.rir is None and len(batch) == len(corpus.records("train")) == 12
    for i in range(len(batch)):
        assert_heard_as_labelled(batch, i, manifest.parent)
    assert 0 < sum(record.azimuth_deg is not None for record in batch.records) < 12 and not batch.plain.all()

    module = ElsaModule(cfg, target_scales(banks["train"], corpus), 1)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    fit(module, again, cfg.trainer, tmp_path / "run", 1, "curves")
    assert any(not torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(value.isfinite().all() for value in module.state_dict().values())
