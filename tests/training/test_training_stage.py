"""A training stopped anywhere and resumed equals the uninterrupted one; faults stop it with their reason."""

import json
import pathlib

import pytest
import torch

from elsa_lightning import config
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import RunError
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.checkpoints import newest_valid, read_checkpoint
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.trainer import fit

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 6


@pytest.fixture(scope="module")
def parts():
    overrides = [
        "rooms.train=12",
        "rooms.val=4",
        "data.corpus.val_clips=6",
        "trainer.batch_size=8",
        "trainer.checkpoint_every=1",
        "trainer.log_every=1",
    ]
    overrides += ["model.spatial.dropout=0.2", "trainer.accelerator=cpu", "trainer.val_every=3", "augmentation.yaw=true"]
    cfg = config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=overrides).experiment
    banks = {split: build_bank(cfg.rooms, cfg.audio.sample_rate, split) for split in ("train", "val")}
    return cfg, banks, open_corpus(cfg.data.corpus)


def train(parts, folder, stop_after=None, break_at=None):
    cfg, banks, corpus = parts
    torch.manual_seed(0)
    module = ElsaModule(cfg, target_scales(banks["train"]), STEPS)
    if stop_after is not None:
        end = module.on_train_batch_end

        def stop(outputs, batch, batch_idx):
            end(outputs, batch, batch_idx)
            if module.global_step == stop_after:
                raise KeyboardInterrupt

        module.on_train_batch_end = stop
    if break_at is not None:
        forward = module.model.forward
        module.model.forward = lambda f, t: {
            k: v * (float("nan") if module.global_step == break_at else 1) for k, v in forward(f, t).items()
        }
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return fit(module, data, cfg.trainer, folder, STEPS, "curves")[0]


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, read_checkpoint(train(parts, folder))


@pytest.mark.parametrize("stop_after", [1, 3])
def test_resumed_equals_uninterrupted_bit_for_bit(parts, whole, tmp_path, stop_after):
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(parts, tmp_path, stop_after)
    assert newest_valid(tmp_path / "checkpoints").stem == f"step={stop_after:09d}"
    resumed = read_checkpoint(train(parts, tmp_path))
    folder, wanted = whole
    assert resumed["global_step"] == wanted["global_step"] == STEPS
    for name, value in wanted["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name
    for mine, theirs in zip(resumed["optimizer_states"], wanted["optimizer_states"], strict=True):
        for index, state in theirs["state"].items():
            assert torch.equal(mine["state"][index]["exp_avg_sq"], state["exp_avg_sq"])
    assert resumed["lr_schedulers"] == wanted["lr_schedulers"]
    mine, theirs = ([line for line in lines(each) if "loss/total" in line] for each in (tmp_path, folder))
    assert [line["step"] for line in mine] == list(range(1, STEPS + 1))
    for one, other in zip(mine, theirs, strict=True):
        assert one["loss/total"] == other["loss/total"]


def test_curves_and_validation_metrics_are_written(whole):
    folder, _ = whole
    trained = [line for line in lines(folder) if "loss/total" in line]
    assert {"loss/clip", "loss/direction", "loss/distance", "loss/area", "train/temperature"} <= trained[-1].keys()
    validated = [line for line in lines(folder) if "val/retrieval/map10" in line]
    assert [line["step"] for line in validated] == [3, 6]  # when they were measured, and only then
    assert all(0 <= line["val/retrieval/map10"] <= 1 and "val/localization/doa_mae_deg" in line for line in validated)
    assert list((folder / "tb" / "curves").glob("events*"))


def test_a_truncated_checkpoint_is_passed_over(parts, whole, tmp_path):
    folder, _ = whole
    source = sorted((folder / "checkpoints").glob("step=*.ckpt"))
    (tmp_path / source[0].name).write_bytes(source[0].read_bytes())
    (tmp_path / source[1].name).write_bytes(source[1].read_bytes()[:1000])
    assert newest_valid(tmp_path).name == source[0].name


def test_a_non_finite_loss_stops_with_step_and_clips(parts, tmp_path):
    with pytest.raises(RunError, match=r"not finite at step 2 .*clips foley"):
        train(parts, tmp_path, break_at=2)
    assert newest_valid(tmp_path / "checkpoints").stem == "step=000000002"
