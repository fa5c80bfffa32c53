"""Stage `pretraining`: the learned spatial branch alone, supervised, shared by the rows that use it."""

from __future__ import annotations

import dataclasses

import lightning
import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.data.readers import Corpus
from elsa_lightning.models.spatial import save_branch
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.stages.train import open_data, training_labels
from elsa_lightning.training.spatial_pretraining import REGRESSED, SpatialBranchModule, targets_of
from elsa_lightning.training.trainer import fit


def run(stage: Stage) -> dict:
    """Train the branch and write its weights beside the checkpoints."""
    pre = stage.cfg.pretraining
    cfg = dataclasses.replace(
        stage.cfg, trainer=dataclasses.replace(stage.cfg.trainer, batch_size=pre.batch_size, steps=pre.steps, select="last", val_every=0)
    )
    banks = load_banks(stage)
    data = open_data(dataclasses.replace(stage, cfg=cfg), banks)
    lightning.seed_everything(seed_of("branch", cfg.seed) % 2**32, workers=True, verbose=False)
    mean, std = regressed_scales(banks["train"], data.corpus)
    module = SpatialBranchModule(cfg, mean, std)
    checkpoint, seconds, *_ = fit(module, data, cfg.trainer, stage.folder, pre.steps, "branch")
    module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
    save_branch(module.branch, stage.folder)
    return {"train_seconds": round(seconds, 1), "steps": pre.steps}


def regressed_scales(bank: RoomBank, corpus: Corpus) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `(4,)` of the regressed targets over the training rooms and recordings."""
    columns = {name: training_labels(bank, corpus, name) for name in REGRESSED}
    scales = [targets_of({other: columns[name] for other in REGRESSED})[:, i] for i, name in enumerate(REGRESSED)]
    if len({len(values) for values in scales}) == 1:
        targets = torch.stack(scales, 1)  # (N, 4)
        return targets.mean(0), targets.std(0)
    return torch.stack([values.mean() for values in scales]), torch.stack([values.std() for values in scales])
