"""From each recorded corpus in miniature to a manifest, to the datamodule's features, and through one training step."""

import argparse
import dataclasses
import inspect
import pathlib

import pytest
import torch

from elsa_lightning import cli_recorded, config
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.schema import ManifestConfig
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.trainer import fit

from .corpora import CORPORA, lines_of
from .miniatures import BAR_DEG, apart_deg

ROOT = pathlib.Path(__file__).parents[3]


def segments(*arguments):
    parser = argparse.ArgumentParser()
    cli_recorded.add(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["segments", *map(str, arguments)])
    parsed.command(parsed)


def manifest_of(name, root, monkeypatch):
    make = CORPORA[name]
    needs_patch = "monkeypatch" in inspect.signature(make).parameters
    arguments = make(root / "corpus", monkeypatch) if needs_patch else make(root / "corpus")
    segments(*arguments, "--root", root / "corpus", "--out", root / "clips.jsonl")
    return root / "clips.jsonl"


def experiment(manifest, *overrides):
    overrides = ["trainer.batch_size=6", "trainer.steps=1", "trainer.accelerator=cpu", "loss.distance.weight=1", *overrides]
    cfg = config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=overrides).experiment
    return dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, corpus=ManifestConfig(path=str(manifest)), mono_share=0.0))


def datamodule(cfg, banks, caches=None):
    return SpatialAudioText(cfg, open_corpus(cfg.data.corpus), banks, build_tokenizer(cfg.model.text), caches)


def batches(data, loader):
    return [data.on_after_batch_transfer(data.on_before_batch_transfer(batch)) for batch in loader]


def shown(features):
    """(B, 3) direction of the mean active intensity."""
    return torch.nn.functional.normalize(features.intensity[:, :3].double().mean((2, 3)), dim=1)


def assert_directions_agree(batch):
    for here, there in zip(shown(batch.features), batch.direction, strict=True):
        assert apart_deg(here.numpy(), there.double().numpy()) < BAR_DEG


@pytest.mark.parametrize("name", CORPORA)
def test_from_the_corpus_to_a_training_step(name, tmp_path, monkeypatch, banks):
    manifest = manifest_of(name, tmp_path, monkeypatch)
    assert {line["split"] for line in lines_of(manifest)} == {"train", "val", "test"}
    cfg = experiment(manifest, "augmentation.yaw=true", "augmentation.mirror=true")
    data = datamodule(cfg, banks)
    for split in ("val", "test"):
        for batch in batches(data, getattr(data, f"{split}_dataloader")()):
            assert_directions_agree(batch)
            assert torch.allclose(batch.foa[:, 0].square().mean(1), torch.ones(len(batch)), atol=1e-3)
    (batch,) = batches(data, data.train_dataloader())
    assert_directions_agree(batch)
    assert batch.yaw.abs().min() > 0 and batch.mirror.any() and batch.mono is None and batch.rir is None
    module = ElsaModule(cfg, target_scales(banks["train"], data.corpus), 1)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    fit(module, datamodule(cfg, banks), cfg.trainer, tmp_path / "run", 1, "curves")
    assert any(not torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(value.isfinite().all() for value in module.state_dict().values())
