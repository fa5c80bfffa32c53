"""The captioner's training: resumed it equals the uninterrupted one bit for bit; order, schedule and faults."""

import json

import pytest
import torch

from elsa_lightning.errors import RunError
from elsa_lightning.models.captioner import PrefixCaptioner, build_language, encode, train_tokenizer
from elsa_lightning.schema import CaptionerConfig, Experiment, SmallGpt2Config
from elsa_lightning.training.captioning import CaptioningModule, CaptionPairs
from elsa_lightning.training.checkpoints import newest_valid, read_checkpoint
from elsa_lightning.training.trainer import fit

STEPS = 6
WIDTH = 8
AUDIO = torch.nn.functional.normalize(torch.randn(10, WIDTH, generator=torch.Generator().manual_seed(0)), dim=1)


def caption(row, epoch):
    return f"clip {row} told {'once' if epoch == 0 else f'again {epoch}'}"


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([caption(row, epoch) for row in range(10) for epoch in (0, 1)], 280)


@pytest.fixture
def cfg():
    experiment = Experiment()
    experiment.captioner = CaptionerConfig(
        enabled=True,
        language=SmallGpt2Config(layers=1, heads=2, hidden_size=16, dropout=0.2),
        **{"steps": STEPS, "batch_size": 4, "lr": 1e-2, "warmup_steps": 2, "max_tokens": 20},
    )
    experiment.trainer.accelerator, experiment.trainer.precision = "cpu", "32-true"
    experiment.trainer.checkpoint_every = experiment.trainer.log_every = 1
    return experiment


def train(cfg, tokenizer, folder, stop_after=None, audio=AUDIO):
    torch.manual_seed(0)
    own = cfg.captioner
    module = CaptioningModule(cfg, PrefixCaptioner(build_language(own, len(tokenizer)), AUDIO.mean(0), AUDIO.std(0)).train())
    if stop_after is not None:
        step = module.training_step

        def stop(batch, batch_idx):
            if module.global_step == stop_after:
                raise KeyboardInterrupt
            return step(batch, batch_idx)

        module.training_step = stop
    return fit(module, CaptionPairs(cfg, audio, caption, tokenizer), cfg.trainer, folder, STEPS, "captioner").checkpoint


def test_dropout_differs_from_step_to_step(cfg, tokenizer, tmp_path, monkeypatch):
    seeds = []
    step = CaptioningModule.training_step
    monkeypatch.setattr(CaptioningModule, "training_step", lambda *args: (seeds.append(torch.initial_seed()), step(*args))[1])
    train(cfg, tokenizer, tmp_path)
    assert len(set(seeds)) == STEPS


def losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss/caption"] for line in lines if "loss/caption" in line}


@pytest.mark.parametrize("stop_after", [1, 4])
def test_resumed_equals_uninterrupted_bit_for_bit(cfg, tokenizer, tmp_path, stop_after):
    whole = read_checkpoint(train(cfg, tokenizer, tmp_path / "whole"))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(cfg, tokenizer, tmp_path / "parts", stop_after)
    assert newest_valid(tmp_path / "parts" / "checkpoints").stem == f"step={stop_after:09d}"
    resumed = read_checkpoint(train(cfg, tokenizer, tmp_path / "parts"))
    assert resumed["global_step"] == whole["global_step"] == STEPS
    for name, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole") and len(losses(tmp_path / "whole")) == STEPS


def test_batches_are_a_function_of_seed_and_step(cfg, tokenizer):
    data = CaptionPairs(cfg, AUDIO, caption, tokenizer)
    whole = list(data.train_dataloader())
    data.start_step = 4
    rest = list(data.train_dataloader())
    assert len(whole) == STEPS and len(rest) == 2
    for mine, theirs in zip(rest, whole[4:], strict=True):
        assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
    rows = [(audio == AUDIO[:, None]).all(2).float().argmax(0) for audio, *_ in whole]
    assert sorted(torch.cat(rows)[:10].tolist()) == list(range(10))  # each clip once in the first epoch
    ids, mask = encode(tokenizer, [caption(int(row), 0) for row in rows[0]], 20)
    assert torch.equal(whole[0][1], ids) and torch.equal(whole[0][2], mask)
    cfg.seed = 1
    assert not torch.equal(next(iter(CaptionPairs(cfg, AUDIO, caption, tokenizer).train_dataloader()))[0], whole[0][0])


def test_the_rate_rises_and_falls_and_biases_do_not_decay(cfg, tokenizer):
    module = CaptioningModule(cfg, PrefixCaptioner(build_language(cfg.captioner, len(tokenizer)), AUDIO.mean(0), AUDIO.std(0)))
    found = module.configure_optimizers()
    groups = found["optimizer"].param_groups
    assert {group["weight_decay"] for group in groups} == {0.0, cfg.captioner.weight_decay}
    trained = {id(p) for group in groups for p in group["params"]}
    assert trained == {id(p) for p in module.captioner.parameters()}  # GPT-2 included
    schedule = found["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(STEPS):
        rates.append(schedule.get_last_lr()[0])
        found["optimizer"].step()
        schedule.step()
    assert rates[0] < rates[1] < rates[2] == pytest.approx(1e-2) and rates[3] > rates[4] > rates[5] > 0


def test_a_loss_that_is_not_finite_stops_the_training(cfg, tokenizer, tmp_path):
    with pytest.raises(RunError, match="not finite at step 0"):
        train(cfg, tokenizer, tmp_path, audio=torch.full_like(AUDIO, torch.nan))
