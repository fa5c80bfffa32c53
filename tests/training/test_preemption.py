"""A training that SIGUSR1 or SIGTERM asks to stop saves the step it is at and goes on as if nothing had been."""

import dataclasses
import json
import os
import pathlib
import signal

import pytest
import torch

from elsa_lightning import config
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.event_files import scalars
from elsa_lightning.lifetime import REQUESTS, Stopped
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.checkpoints import newest_valid, read_checkpoint, resume_point
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.trainer import fit

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 6
SMALL = ["rooms.train=12", "rooms.val=4", "data.corpus.val_clips=6", "trainer.batch_size=8", "trainer.checkpoint_every=100"]
SMALL += ["trainer.log_every=1", "trainer.accelerator=cpu", "trainer.val_every=3", "model.spatial.dropout=0.2"]


@pytest.fixture(scope="module")
def parts():
    cfg = config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=SMALL).experiment
    banks = {split: build_bank(cfg.rooms, cfg.audio.sample_rate, split) for split in ("train", "val")}
    return cfg, banks, open_corpus(cfg.data.corpus)


def train(parts, folder, hooks=None, **trainer):
    """The last checkpoint; `hooks`: (name of the module's hook, step) → signal that this process gets there."""
    cfg, banks, corpus = parts
    cfg = dataclasses.replace(cfg, trainer=dataclasses.replace(cfg.trainer, **trainer))
    torch.manual_seed(0)
    module = ElsaModule(cfg, target_scales(banks["train"]), STEPS)
    for (name, step), number in (hooks or {}).items():
        setattr(module, name, telling(module, getattr(module, name), step, number))
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return read_checkpoint(fit(module, data, cfg.trainer, folder, STEPS, "curves").checkpoint)


def telling(module, hook, step, number):
    def tell(*arguments):
        if module.global_step == step:
            os.kill(os.getpid(), number)
        return hook(*arguments)

    return tell


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(parts, folder)


def entries(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def require_equal(parts, whole, folder):
    """Go on to the end; all there is equals the uninterrupted training."""
    found, (other, wanted) = train(parts, folder), whole
    assert found["global_step"] == STEPS
    assert all(torch.equal(found["state_dict"][name], value) for name, value in wanted["state_dict"].items())
    for mine, theirs in zip(found["optimizer_states"][0]["state"].values(), wanted["optimizer_states"][0]["state"].values(), strict=True):
        assert torch.equal(mine["exp_avg_sq"], theirs["exp_avg_sq"])
    assert entries(folder) == entries(other)
    (mine, theirs) = (scalars(each / "tb" / "curves") for each in (folder, other))
    assert mine.keys() == theirs.keys() and all(mine[tag] == theirs[tag] for tag in mine if not tag.startswith("perf/"))
    assert [step for step, _ in mine["perf/clips_per_s"]] == list(range(1, STEPS + 1)), "one curve, without a hole"


def test_a_signal_in_a_step_finishes_and_saves_it(parts, whole, tmp_path):
    before = [signal.getsignal(each) for each in REQUESTS]
    with pytest.raises(Stopped, match="SIGUSR1 asked to stop; saved at step 2") as stop:
        train(parts, tmp_path, {("training_step", 1): signal.SIGUSR1, ("on_train_batch_end", 2): signal.SIGTERM})  # the limit comes nearer
    assert stop.value.step == 2 and stop.value.exit_code == 85
    assert newest_valid(tmp_path / "checkpoints").stem == "step=000000002"
    assert [signal.getsignal(each) for each in REQUESTS] == before
    require_equal(parts, whole, tmp_path)


def test_a_signal_before_a_validation_waits_for_it(parts, whole, tmp_path):
    """Step 3 is kept only once validated."""
    with pytest.raises(Stopped, match="saved at step 3"):
        train(parts, tmp_path, {("training_step", 2): signal.SIGUSR1})
    assert [line["step"] for line in entries(tmp_path) if "val/retrieval/map10" in line] == [3]
    require_equal(parts, whole, tmp_path)


def test_a_signal_before_the_first_step_saves_nothing_and_one_in_the_last_is_not_heeded(parts, whole, tmp_path):
    with pytest.raises(Stopped, match="finished work is kept"):
        train(parts, tmp_path, {("on_fit_start", 0): signal.SIGUSR1})
    assert newest_valid(tmp_path / "checkpoints") is None
    found = train(parts, tmp_path, {("training_step", STEPS - 1): signal.SIGTERM})
    assert found["global_step"] == STEPS and entries(tmp_path) == entries(whole[0])


def test_a_step_is_written_once_though_its_turn_has_come(parts, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("elsa_lightning.training.checkpoints.write_checkpoint", lambda trainer, path: written.append(path.stem))
    with pytest.raises(Stopped, match="saved at step 2"):
        train(parts, tmp_path, {("training_step", 1): signal.SIGUSR1}, checkpoint_every=2)
    assert written == ["step=000000002"]


def test_the_newest_of_ours_and_lightnings_resumes(parts, whole, tmp_path, monkeypatch):
    """Lightning, in a SLURM job, takes `hpc_ckpt_*` of the folder wherever it is given none."""
    with pytest.raises(Stopped):
        train(parts, tmp_path, {("training_step", 3): signal.SIGUSR1})
    mine = tmp_path / "checkpoints" / "step=000000004.ckpt"
    same = tmp_path / "hpc_ckpt_1.ckpt"
    same.write_bytes(mine.read_bytes())
    assert resume_point(tmp_path) == (mine, 4)
    theirs = tmp_path / "hpc_ckpt_2.ckpt"
    torch.save({**read_checkpoint(mine), "global_step": 5}, theirs)
    broken = tmp_path / "hpc_ckpt_3.ckpt"
    broken.write_bytes(mine.read_bytes()[:999])
    assert resume_point(tmp_path) == (theirs, 5)
    assert not broken.exists() and (tmp_path / "unreadable_3.ckpt").exists()
    for path in (mine, theirs, same):
        path.unlink()
    broken.write_bytes(b"cut off")
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # Lightning believes to be in a job
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    require_equal(parts, whole, tmp_path)
