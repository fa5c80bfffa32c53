"""Two gloo ranks under Lightning, with the real module and data: equal to one process, resumable, and clear about what cannot be."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import types

import pytest
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment, SLURMEnvironment

from elsa_lightning import config, ranks
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import ConfigError, DataError, RunError
from elsa_lightning.lifetime import Stopped
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.runs import Run, assist, perform
from elsa_lightning.schema import TrainerConfig
from elsa_lightning.stages.pretraining import paper_scales, regressed_scales
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.checkpoints import newest_valid, read_checkpoint
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.spatial_pretraining import SpatialBranchModule
from elsa_lightning.training.strategy import build_strategy
from elsa_lightning.training.trainer import build_trainer, fit
from ranks import run_ranks

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 4
SMALL = ["rooms.train=12", "rooms.val=4", "data.corpus.val_clips=5", "trainer.batch_size=8", "trainer.checkpoint_every=1"]
SMALL += ["trainer.log_every=1", "trainer.accelerator=cpu", "trainer.val_every=2", "trainer.precision=32-true", "augmentation.yaw=true"]
SMALL += [
    "data.eval_versions=1",
    "evaluation.batch_size=2",
    "augmentation.noise_snr_db=[10,30]",
]  # near silence decibels depend on the size of the batch that a transform is computed in


def open_parts(*overrides):
    cfg = config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=[*SMALL, *overrides]).experiment
    return cfg, {split: build_bank(cfg.rooms, cfg.audio.sample_rate, split) for split in ("train", "val")}, open_corpus(cfg.data.corpus)


def with_trainer(parts, **values):
    cfg, *rest = parts
    return dataclasses.replace(cfg, trainer=dataclasses.replace(cfg.trainer, **values)), *rest


def with_mono(parts, share):
    cfg, *rest = parts
    return dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, mono_share=share)), *rest


def train(parts, folder, stop_after=None, broken=False, told=None):
    """The last checkpoint of a training that may be interrupted, or told to stop, after a step, or whose model breaks at its second."""
    cfg, banks, corpus = parts
    torch.manual_seed(0)
    module = ElsaModule(cfg, target_scales(banks["train"]), STEPS)
    end, forward = module.on_train_batch_end, module.model.forward

    def stop(*arguments):
        end(*arguments)
        if module.global_step == stop_after:
            raise KeyboardInterrupt
        if module.global_step == told:
            os.kill(os.getpid(), signal.SIGTERM)

    module.on_train_batch_end = stop
    if broken:
        module.model.forward = lambda *a: {k: v * (float("nan") if module.global_step else 1) for k, v in forward(*a).items()}
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return read_checkpoint(fit(module, data, cfg.trainer, folder, STEPS, "curves").checkpoint)


def pretrain(parts, folder, targets):
    """The last checkpoint of a branch without dropout, its batch norms as in evaluation (in training they would take those of a part)."""
    cfg, banks, corpus = parts
    cfg = dataclasses.replace(cfg, pretraining=dataclasses.replace(cfg.pretraining, targets=targets, optimizer="adamw"))
    torch.manual_seed(0)
    if targets == "paper":
        table = torch.rand(len(banks["train"]), 40)
        table[table < 0.3] = torch.nan  # unevenly many on each device
        module = SpatialBranchModule(cfg, *paper_scales(banks["train"], corpus, types.SimpleNamespace(table=table)), table)
    else:
        module = SpatialBranchModule(cfg, *regressed_scales(banks["train"], corpus))
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout | torch.nn.BatchNorm2d):
            part.train(False)
            part.train = lambda mode=True, part=part: part
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return read_checkpoint(fit(module, data, cfg.trainer, folder, STEPS, "branch").checkpoint)


def lose_a_rank(parts, folder, rank):
    """What `elsa stage` does, with a clip that the second rank alone cannot read at its second batch."""

    def execute(folder):
        read, batches = SpatialAudioText.on_before_batch_transfer, []

        def broken(self, batch, dataloader_idx=0):
            batches.append(batch)
            return read(self, DataError("clip 7 is truncated", "replace it") if rank == 1 and len(batches) == 2 else batch, dataloader_idx)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SpatialAudioText, "on_before_batch_transfer", broken)
            train(parts, folder)

    with pytest.raises(DataError if rank == 1 else RuntimeError):
        (assist if rank else perform)(folder, execute)


def on_a_rank(rank, world):
    os.environ |= {"LOCAL_RANK": str(rank), ranks.LAUNCHED: "a test"}
    folder = pathlib.Path(os.environ["RANKS_FOLDER"])
    parts = with_trainer(open_parts(), devices=world)
    mono = with_mono(parts, 1.0)
    results = {"whole": train(parts, folder / "whole")["state_dict"]}
    results["mono"] = train(mono, folder / "mono")["state_dict"]
    results["chunks"] = train(with_trainer(parts, chunks=2), folder / "chunks")["state_dict"]
    with pytest.raises(SystemExit):
        train(parts, folder / "cut", stop_after=3)
    results["resumed"] = train(parts, folder / "cut")["state_dict"]
    seldom = with_trainer(parts, checkpoint_every=100)
    with pytest.raises(Stopped) as stop:  # the second process alone hears it, as it ends its first step: Lightning's hook comes after ours
        train(seldom, folder / "told", told=1 if rank else None)
    results["told"] = stop.value.step, newest_valid(folder / "told" / "checkpoints").stem
    results["went on"] = train(seldom, folder / "told")["state_dict"]
    with pytest.raises(RunError) as fault:
        train(parts, folder / "broken", broken=rank == 1)
    results["fault"] = str(fault.value)
    for targets in ("regression", "paper"):
        results[targets] = pretrain(with_mono(parts, 0.5), folder / targets, targets)["state_dict"]
    best = train(with_trainer(parts, chunks=2, select="best"), folder / "chunks")  # has done all steps, and kept no best one
    results["best"] = best["callbacks"]["StepCheckpoint"]["best"]
    lose_a_rank(parts, folder / "train" / "lost", rank)  # the last case: the group is broken then
    return results


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    os.environ["RANKS_FOLDER"] = str(folder)
    return folder, run_ranks(__file__, "on_a_rank", 2, folder)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    parts = open_parts()
    mono = with_mono(parts, 1.0)
    cases = {"whole": (parts, 2), "mono": (mono, 2), "chunks": (parts, 4)}
    folder = tmp_path_factory.mktemp("one")
    return folder, {name: train(with_trainer(of, chunks=n), folder / name)["state_dict"] for name, (of, n) in cases.items()}


@pytest.fixture
def no_launcher(monkeypatch):
    for name in (*ranks.FOREIGN, ranks.LAUNCHED, ranks.PARENT, *(name for name in os.environ if name.startswith("SLURM_"))):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile is taken back
        monkeypatch.delenv(name)
    return monkeypatch


def entries(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", ["whole", "mono", "chunks"])
def test_two_devices_train_as_one_with_twice_the_chunks(world, one_process, case):
    """Dropout and batch statistics included, which follow the parts of the batch; with chunks on each device, and without any spatial
    example, for which DDP must find every parameter used. Running statistics are the first device's, its parts' alone."""
    folder, results = world
    other, wanted = one_process
    found, expected = ([e for e in entries(each / case) if "loss/total" in e] for each in (folder, other))
    assert len(found) == STEPS
    for one, two in zip(found, expected, strict=True):
        assert one == pytest.approx(two, rel=1e-5)
    for name, value in wanted[case].items():
        if "running_" not in name and "num_batches" not in name:
            # Adam turns the rounding of gradients that should be nought, as those of an attention's key bias, into steps of a share of 1e-3
            torch.testing.assert_close(results[0][case][name], value, rtol=1e-4, atol=2e-4, msg=lambda text, name=name: f"{name}: {text}")
    assert case != "mono" or all(e["loss/direction"] == e["loss/distance"] == 0 for e in found)


def test_two_devices_resume_bit_for_bit(world):
    folder, results = world
    assert all(torch.equal(results[0]["resumed"][name], value) for name, value in results[0]["whole"].items())
    assert [e["step"] for e in entries(folder / "cut") if "loss/total" in e] == list(range(1, STEPS + 1))


def test_a_signal_that_one_device_hears_stops_both_at_the_same_step(world):
    folder, results = world
    assert results[0]["told"] == results[1]["told"] == (2, "step=000000002")
    assert all(torch.equal(results[0]["went on"][name], value) for name, value in results[0]["whole"].items())
    assert [e["step"] for e in entries(folder / "told") if "loss/total" in e] == list(range(1, STEPS + 1))


def test_what_two_devices_began_one_continues(world, tmp_path, no_launcher):
    """The last of four steps, with two chunks for the two devices."""
    folder, _ = world
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(folder / "whole" / "checkpoints" / "step=000000003.ckpt", tmp_path / "checkpoints")
    train(with_trainer(open_parts(), chunks=2), tmp_path)
    found, wanted = ([e for e in entries(each) if "loss/total" in e] for each in (tmp_path, folder / "whole"))
    assert [e["step"] for e in found] == [STEPS]
    assert found[-1] == pytest.approx(wanted[-1], rel=1e-4)


@pytest.mark.parametrize("targets", ["regression", "paper"])
def test_two_devices_pretrain_a_branch_as_one(world, tmp_path, no_launcher, targets):
    """Of eight examples about half are mono: unevenly many on each device."""
    parts = with_trainer(with_mono(open_parts(), 0.5), val_every=0)
    found, wanted = world[1][0][targets], pretrain(parts, tmp_path, targets)["state_dict"]
    assert entries(world[0] / targets)[-1] == pytest.approx(entries(tmp_path)[-1], rel=1e-5)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_each_validation_item_counts_once(world, tmp_path, no_launcher):
    """Five clips, in two batches on one device and one batch on the other, each with the weights and statistics of the checkpoint, to which
    one device gives the same figures."""
    folder, _ = world
    validated = [e for e in entries(folder / "whole") if "val/localization/n" in e]
    assert [e["step"] for e in validated] == [2, 4]
    assert all(e["val/localization/n"] == 5 and e["val/retrieval/gallery_clips"] == 5 for e in validated)
    shutil.copytree(folder / "whole" / "checkpoints", tmp_path / "checkpoints")
    train(with_trainer(open_parts(), select="best"), tmp_path)  # has done all steps and kept no best checkpoint: it validates the last
    assert validated[1] == pytest.approx(entries(tmp_path)[-1], rel=1e-4)


def test_a_lacking_best_checkpoint_is_made_after_the_training(world):
    folder, results = world
    last = [e for e in entries(folder / "chunks") if "val/retrieval/map10" in e][-1]
    assert results[0]["best"] == results[1]["best"] == pytest.approx(last["val/retrieval/map10"])


def test_a_fault_of_one_device_is_the_runs(world):
    run = Run(world[0] / "train" / "lost")
    assert not run.done and run.failure["error"] == "clip 7 is truncated" and run.failure["remedy"] == "replace it"
    assert newest_valid(run.folder / "checkpoints").stem == "step=000000001"


def test_a_loss_that_breaks_on_one_device_stops_all_with_its_clips(world):
    """Four clips are the second device's share of a batch of eight."""
    first, second = (result["fault"] for result in world[1])
    assert first == second and "not finite at step 1" in first and first.count("foley-train-") == 4


# what cannot be


def srun(monkeypatch, rank, tasks):
    values = {"STEP_NUM_TASKS": tasks, "NTASKS": tasks, "NTASKS_PER_NODE": 2, "PROCID": rank, "LOCALID": rank % 2, "NODEID": rank // 2}
    for name, value in values.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))


def test_a_stage_that_starts_its_own_ranks_forgets_the_launcher_around_it(no_launcher):
    no_launcher.setenv("LOCAL_RANK", "3")
    no_launcher.setenv("MASTER_PORT", "1")
    assert ranks.process_rank() == 0
    strategy, environment = build_strategy(TrainerConfig(devices=2), None)
    assert isinstance(environment, LightningEnvironment) and not environment.creates_processes_externally
    assert os.environ[ranks.LAUNCHED] == os.environ[ranks.PARENT] == str(os.getpid()) and "MASTER_PORT" not in os.environ
    assert strategy._ddp_kwargs["find_unused_parameters"] is False
    no_launcher.setenv("LOCAL_RANK", "1")  # as in a process that Lightning has started from here
    assert ranks.process_rank() == 1


def test_parameters_without_a_loss_are_looked_for(no_launcher):
    cfg, banks, _ = open_parts("loss.area.weight=0")
    strategy, _ = build_strategy(TrainerConfig(devices=2), ElsaModule(cfg, target_scales(banks["train"]), STEPS))
    assert strategy._ddp_kwargs["find_unused_parameters"] is True


def test_srun_brings_the_ranks(no_launcher):
    srun(no_launcher, rank=3, tasks=4)
    assert ranks.process_rank() == 3
    _, environment = build_strategy(TrainerConfig(devices=2, nodes=2), None)
    assert isinstance(environment, SLURMEnvironment) and environment.creates_processes_externally
    assert (environment.global_rank(), environment.local_rank(), environment.world_size()) == (3, 1, 4)
    assert ranks.LAUNCHED not in os.environ


def test_a_step_of_another_size_and_nodes_without_srun_are_refused(no_launcher):
    with pytest.raises(RunError, match="not started by srun") as caught:
        build_strategy(TrainerConfig(devices=2, nodes=2), None)
    assert "--nodes=2 --ntasks-per-node=2 elsa stage" in caught.value.remedy
    srun(no_launcher, rank=0, tasks=4)
    with pytest.raises(RunError, match="4 processes"):
        build_strategy(TrainerConfig(devices=2), None)


def test_devices_that_are_not_there_are_a_message(no_launcher, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"trainer.accelerator=cuda trainer.devices=1 cannot be had"):
        build_trainer(accelerator="cuda", devices=1, default_root_dir=tmp_path)


def test_only_ddp_spreads_a_training(no_launcher):
    with pytest.raises(ConfigError, match=r"trainer.strategy. is fsdp"):
        build_strategy(TrainerConfig(devices=2, strategy="fsdp"), None)


def test_more_devices_than_validation_clips_are_refused():
    cfg, banks, corpus = open_parts()
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    data._rank_and_world = lambda: (0, 6)
    with pytest.raises(ConfigError, match="5 val examples cannot be shared among 6 devices"):
        data.val_dataloader()


def test_a_corpus_without_validation_clips_is_told_what_it_lacks():
    cfg, banks, corpus = open_parts()
    records = corpus.records
    corpus.records = lambda split: [] if split == "val" else records(split)
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    with pytest.raises(DataError, match="has no val clips") as found:
        data.val_dataloader()
    assert '"split": "val"' in found.value.remedy
