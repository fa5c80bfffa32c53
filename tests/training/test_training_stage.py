"""A training stopped anywhere and resumed equals the uninterrupted one; faults stop it with their reason."""

import dataclasses
import json
import pathlib

import lightning
import pytest
import torch

from elsa_lightning import config
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.event_files import scalars
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.schema import LossTermConfig, SigmoidConfig, WhatWhereConfig
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.checkpoints import StepCheckpoint, newest_valid, read_checkpoint
from elsa_lightning.training.contrastive import ElsaModule, partners_of
from elsa_lightning.training.finite import loss_fault
from elsa_lightning.training.trainer import BEST, fit

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 6
KEEP_STEP = StepCheckpoint._keep_step


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


def choosing_best(parts, **values):
    cfg, banks, corpus = parts
    return dataclasses.replace(cfg, trainer=dataclasses.replace(cfg.trainer, select="best", **values)), banks, corpus


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
        module.model.forward = lambda *a: {k: v * (float("nan") if module.global_step == break_at else 1) for k, v in forward(*a).items()}
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return fit(module, data, cfg.trainer, folder, STEPS, "curves").checkpoint


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
    kept = stop_after if stop_after % 3 else stop_after - 1  # a step at which validation is due is kept only once validated
    assert newest_valid(tmp_path / "checkpoints").stem == f"step={kept:09d}"
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
    assert "optim.lr: 0.001" in (folder / "tb" / "curves" / "hparams.yaml").read_text()


def test_equal_captions_and_copies_reach_the_loss(parts):
    """The same words twice, and a plain caption of a recording that is there twice."""
    cfg, banks, corpus = parts
    loss = dataclasses.replace(cfg.loss, clip=dataclasses.replace(cfg.loss.clip, multi_positive=True))
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())))
    batch.plain[:] = True
    assert torch.equal(partners_of(batch).true(), torch.eye(8, dtype=torch.bool))  # eight synthetic clips: none is a copy of another
    batch.plain[1:] = False
    record = dataclasses.replace(batch.records[0].with_captions(), source="tape 1")
    batch.records[:2] = [record, dataclasses.replace(record, clip_id="another")]
    batch.captions[2] = batch.captions[3].upper()
    true = partners_of(batch).true()
    assert true[1, 0] and not true[0, 1] and true[2, 3] and true[3, 2] and true.diagonal().all()
    assert true.sum() == 8 + 3
    losses = []
    for one in (cfg, dataclasses.replace(cfg, loss=loss)):
        torch.manual_seed(0)
        module = ElsaModule(one, target_scales(banks["train"]), STEPS).eval()
        module.log = module.log_dict = lambda *_, **__: None
        losses.append(module.training_step(batch, 0).item())
    assert losses[0] != losses[1]


def test_the_sigmoid_form_trains_its_temperature_and_bias(parts, tmp_path):
    """They start at the form's values, move, come out of the checkpoint, and the bias does not decay."""
    cfg, banks, corpus = parts
    clip = dataclasses.replace(cfg.loss.clip, form="sigmoid", sigmoid=SigmoidConfig(temperature=0.2, bias=-5.0))
    changed = dataclasses.replace(cfg, loss=dataclasses.replace(cfg.loss, clip=clip))
    module = ElsaModule(changed, target_scales(banks["train"]), STEPS)
    assert module.logit_bias.item() == -5 and module.model.logit_scale_exp.item() == pytest.approx(5)
    (free,) = (g for g in module.configure_optimizers()["optimizer"].param_groups if any(p is module.logit_bias for p in g["params"]))
    assert free["weight_decay"] == 0
    state = read_checkpoint(train((changed, banks, corpus), tmp_path))["state_dict"]
    assert -5.1 < state["logit_bias"] < -4.9 and state["logit_bias"] != -5
    assert lines(tmp_path)[-2]["train/bias"] == pytest.approx(-5, abs=0.1)
    assert not any("logit_bias" in name for name in ElsaModule(cfg, target_scales(banks["train"]), STEPS).state_dict())


def in_chunks(parts, chunks, **values):
    cfg, banks, corpus = parts
    return dataclasses.replace(cfg, trainer=dataclasses.replace(cfg.trainer, chunks=chunks, **values)), banks, corpus


def with_spaces(parts):
    """The same experiment with the spaces beside the joint one."""
    cfg, *rest = parts
    loss = dataclasses.replace(cfg.loss, what=LossTermConfig(1.0), where=LossTermConfig(0.5))
    return dataclasses.replace(cfg, loss=loss, model=dataclasses.replace(cfg.model, what_where=WhatWhereConfig(width=8))), *rest


def rendered(parts):
    """The first training batch."""
    cfg, banks, corpus = parts
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())))


def test_a_batch_is_rendered_the_same_in_chunks(parts):
    """But for the rounding of transforms of another batch size, which moves the decibels of what is near silence."""
    whole, chunked = rendered(parts), rendered(in_chunks(parts, 4)[:1] + parts[1:])
    torch.testing.assert_close(chunked.features.intensity, whole.features.intensity, rtol=0, atol=2e-3)
    assert (chunked.features.log_mel - whole.features.log_mel).abs().quantile(0.95) < 1e-2
    assert chunked.foa is None and chunked.clip_id == whole.clip_id and chunked.captions == whole.captions


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_chunks_give_the_gradient_of_the_whole_batch(parts, form):
    """Of every parameter; statistics frozen and no dropout (eval mode)."""
    cfg, banks, corpus = parts
    clip = dataclasses.replace(cfg.loss.clip, form=form, multi_positive=True)
    parts = with_spaces((dataclasses.replace(cfg, loss=dataclasses.replace(cfg.loss, clip=clip)), banks, corpus))
    found, batch = {}, rendered(parts)
    for chunks in (1, 4):
        changed, *_ = in_chunks(parts, chunks)
        torch.manual_seed(0)
        module = ElsaModule(changed, target_scales(banks["train"]), STEPS).eval()
        module.trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        module.log = module.log_dict = lambda *_, **__: None
        module.training_step(batch, 0).backward()
        found[chunks] = {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
    assert len([name for name in found[1] if "what_where" in name]) == 18  # four projections of two layers, two temperatures
    for name, value in found[1].items():
        tolerance = 1e-4 * value.abs().max().item() + 1e-6
        torch.testing.assert_close(found[4][name], value, rtol=1e-3, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}")


def test_a_training_in_chunks_resumes_bit_for_bit(parts, tmp_path):
    parts = with_spaces(in_chunks(parts, 2))
    wanted = read_checkpoint(train(parts, tmp_path / "whole"))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(parts, tmp_path / "cut", 2)
    found = read_checkpoint(train(parts, tmp_path / "cut"))
    assert all(torch.equal(found["state_dict"][name], value) for name, value in wanted["state_dict"].items())
    steps = [line["step"] for line in lines(tmp_path / "cut") if "train/gradient_norm" in line]
    assert steps == list(range(1, STEPS + 1))
    assert {"loss/what", "loss/where", "train/what_temperature"} <= lines(tmp_path / "cut")[0].keys()
    with pytest.raises(RunError, match=r"not finite at step 1 .*clips foley"):
        train(parts, tmp_path / "broken", break_at=1)


def test_accumulating_gradients_is_refused_with_the_reason(parts):
    cfg, banks, corpus = parts
    module = ElsaModule(cfg, target_scales(banks["train"]), STEPS)
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(accelerator="cpu", accumulate_grad_batches=2, max_steps=2, **quiet)
    with pytest.raises(ConfigError, match=r"accumulat.* small batch") as caught:
        trainer.fit(module, data)
    assert "trainer.chunks" in caught.value.remedy


def test_a_non_finite_gradient_stops_with_step_and_clips(parts, tmp_path, monkeypatch):
    """The loss is finite and its gradient is not: that of a square root at nought."""
    step = ElsaModule.training_step
    monkeypatch.setattr(ElsaModule, "training_step", lambda self, *a: step(self, *a) + 0 * (self.model.logit_scale * 0).sqrt())
    with pytest.raises(RunError, match=r"gradient is not finite at step 0; clips foley"):
        train(parts, tmp_path)


def test_only_the_clips_that_broke_are_named():
    outputs = {"audio": torch.tensor([[1.0, 2.0], [3.0, torch.nan]]), "area": torch.tensor([1.0, 2.0]), "logit_scale": torch.tensor(1.0)}
    assert "clips b\n" in str(loss_fault(3, {"clip": torch.tensor(torch.nan)}, outputs, ["a", "b"]))
    outputs["audio"][1, 1] = 0
    assert "clips a, b\n" in str(loss_fault(3, {"clip": torch.tensor(torch.nan)}, outputs, ["a", "b"]))


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


@pytest.fixture(scope="module")
def whole_best(parts, tmp_path_factory):
    """Step and score of the best, and its file, of an uninterrupted run that validates every second step."""
    folder = tmp_path_factory.mktemp("best")
    path = train(choosing_best(parts, val_every=2), folder)
    assert path.name == "best.ckpt"
    return folder, {line["step"]: line[BEST] for line in lines(folder) if BEST in line}, path


def chosen(path):
    state = read_checkpoint(path)
    return state["global_step"], state["callbacks"]["StepCheckpoint"]["best"]


def test_the_best_carries_its_score(whole_best):
    _, scores, path = whole_best
    assert list(scores) == [2, 4, 6]
    assert chosen(path) == (max(scores, key=scores.get), max(scores.values()))


@pytest.mark.parametrize("moment", ["before the validation", "in the validation", "after the best"])
def test_a_kill_around_a_validation_loses_nothing(parts, whole_best, tmp_path, monkeypatch, moment):
    """Killed at step 2: just before its validation, during it, or between the best's checkpoint and the step's."""
    parts = choosing_best(parts, val_every=2)
    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, SystemExit)):
        if moment == "in the validation":
            patch.setattr(ElsaModule, "on_validation_epoch_end", interrupt)
        elif moment == "after the best":
            patch.setattr(
                StepCheckpoint, "_keep_step", lambda self, trainer: interrupt() if trainer.global_step == 2 else KEEP_STEP(self, trainer)
            )
        train(parts, tmp_path, 2 if moment == "before the validation" else None)
    assert newest_valid(tmp_path / "checkpoints").stem == "step=000000001"
    path = train(parts, tmp_path)
    _, scores, wanted = whole_best
    assert chosen(path) == chosen(wanted)
    assert {line["step"]: line[BEST] for line in lines(tmp_path) if BEST in line} == scores


def test_a_resumed_run_keeps_a_better_best(parts, whole_best, tmp_path):
    """The best is newer than the checkpoint that resumes, and better than all that follows."""
    copy_checkpoints(whole_best, tmp_path, "step=000000005.ckpt")
    state = read_checkpoint(whole_best[2])
    state["callbacks"]["StepCheckpoint"]["best"], state["global_step"] = 2.0, 99
    torch.save(state, tmp_path / "checkpoints" / "best.ckpt")
    assert chosen(train(choosing_best(parts, val_every=2), tmp_path)) == (99, 2.0)


@pytest.mark.parametrize("there", [None, b"cut off"])
def test_a_finished_training_without_its_best_is_validated(parts, whole_best, tmp_path, there):
    copy_checkpoints(whole_best, tmp_path, f"step={STEPS:09d}.ckpt")
    if there:
        (tmp_path / "checkpoints" / "best.ckpt").write_bytes(there)
    step, score = chosen(train(choosing_best(parts, val_every=2), tmp_path))
    assert (step, score) == (STEPS, whole_best[1][STEPS])
    train(choosing_best(parts, val_every=2), tmp_path)  # nothing is left to do
    (tmp_path / "checkpoints" / "best.ckpt").unlink()
    assert chosen(train(choosing_best(parts, val_every=2), tmp_path)) == (step, score)
    assert [line["step"] for line in lines(tmp_path)] == [STEPS] == [step for step, _ in scalars(tmp_path / "tb" / "curves")[BEST]]


def interrupt(*_):
    raise KeyboardInterrupt


def copy_checkpoints(whole_best, to, name):
    (to / "checkpoints").mkdir()
    (to / "checkpoints" / name).write_bytes((whole_best[0] / "checkpoints" / name).read_bytes())
