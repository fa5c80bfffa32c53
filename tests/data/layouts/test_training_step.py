"""Each corpus in miniature: its manifest feeds the datamodule, and one training step moves the model."""

import dataclasses
import pathlib

import pytest
import torch

from elsa_lightning import config
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.schema import ManifestConfig
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.contrastive import ElsaModule

from .miniatures import MINIATURES

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def smoke():
    overrides = ["rooms.train=8", "rooms.val=4", "trainer.batch_size=4", "trainer.steps=1", "trainer.accelerator=cpu"]
    cfg = config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=overrides).experiment
    return cfg, {"train": build_bank(cfg.rooms, cfg.audio.sample_rate, "train")}


@pytest.mark.parametrize("name", MINIATURES)
def test_one_training_step(prepared, smoke, name):
    cfg, banks = smoke
    _, manifest, _ = prepared(name)
    cfg = dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, corpus=ManifestConfig(path=str(manifest))))
    corpus = open_corpus(cfg.data.corpus)
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    (batch,) = data.train_dataloader()
    batch = data.on_after_batch_transfer(data.on_before_batch_transfer(batch))
    known = {record.clip_id: record for record in corpus.records("train")}
    assert batch.foa.shape == (4, 4, 16000) and batch.foa.abs().amax(dim=(1, 2)).min() > 0
    for record, caption in zip(batch.records, batch.captions, strict=True):
        assert known[record.clip_id] == record
        assert any(text.rstrip(".").lower() in caption.lower() for text in record.captions)
    torch.manual_seed(0)
    module = ElsaModule(cfg, target_scales(banks["train"]), 1)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="self.log"):
        loss = module.training_step(batch, 0)
    loss.backward()
    optimizer.step()
    assert loss.isfinite()
    moved = [bool((old != new).any()) for old, new in zip(before, module.parameters(), strict=True)]
    assert sum(moved) > len(moved) * 0.8
