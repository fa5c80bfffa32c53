"""Stage `pretraining`: the learned spatial branch alone, supervised, shared by the rows that use it."""

from __future__ import annotations

import dataclasses

import lightning
import torch

from elsa_lightning.models.spatial import save_branch
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.stages.train import open_data
from elsa_lightning.training.spatial_pretraining import SpatialBranchModule, targets_of
from elsa_lightning.training.trainer import fit


def run(stage: Stage) -> dict:
    """Train the branch and write its weights beside the checkpoints."""
    pre = stage.cfg.pretraining
    cfg = dataclasses.replace(
        stage.cfg, trainer=dataclasses.replace(stage.cfg.trainer, batch_size=pre.batch_size, steps=pre.steps, select="last", val_every=0)
    )
    lightning.seed_everything(seed_of("branch", cfg.seed) % 2**32, workers=True, verbose=False)
    banks = load_banks(stage)
    targets = targets_of(banks["train"].labels)
    module = SpatialBranchModule(cfg, targets.mean(0), targets.std(0))
    data = open_data(dataclasses.replace(stage, cfg=cfg), banks)
    checkpoint, seconds, *_ = fit(module, data, cfg.trainer, stage.folder, pre.steps, "branch")
    module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
    save_branch(module.branch, stage.folder)
    return {"train_seconds": round(seconds, 1), "steps": pre.steps}
