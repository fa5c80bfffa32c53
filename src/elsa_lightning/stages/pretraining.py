"""Stage `pretraining`: the learned spatial branch alone, supervised, shared by the rows that use it."""

from __future__ import annotations

import dataclasses

import lightning
import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.third_octave_labels import ThirdOctaves
from elsa_lightning.data.readers import Corpus
from elsa_lightning.models.spatial import save_branch
from elsa_lightning.ranks import process_rank
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.stages.third_octaves import load_third_octaves
from elsa_lightning.stages.train import open_data, training_labels
from elsa_lightning.training.spatial_pretraining import REGRESSED, SpatialBranchModule, targets_of
from elsa_lightning.training.trainer import fit


def run(stage: Stage) -> dict:
    """Train the branch and write its weights beside the checkpoints."""
    pre = stage.cfg.pretraining
    own = {"batch_size": pre.batch_size, "chunks": 1, "steps": pre.steps, "select": "last", "val_every": 0}
    cfg = dataclasses.replace(stage.cfg, trainer=dataclasses.replace(stage.cfg.trainer, **own))
    banks = load_banks(stage)
    data = open_data(dataclasses.replace(stage, cfg=cfg), banks)
    lightning.seed_everything(seed_of("branch", cfg.seed) % 2**32, workers=True, verbose=False)
    if pre.targets == "paper":
        bands = load_third_octaves(stage)
        module = SpatialBranchModule(cfg, *paper_scales(banks["train"], data.corpus, bands), bands.table)
    else:
        module = SpatialBranchModule(cfg, *regressed_scales(banks["train"], data.corpus))
    checkpoint, seconds, *_ = fit(module, data, cfg.trainer, stage.folder, pre.steps, "branch")
    if process_rank() == 0:
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


def paper_scales(bank: RoomBank, corpus: Corpus, bands: ThirdOctaves) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `(42,)` of the paper's targets but for the angles, over the training rooms and recordings."""
    distance, volume = training_labels(bank, corpus, "distance_m"), training_labels(bank, corpus, "volume_m3").log()
    scales = [_scale(column) for column in (distance, volume, *bands.table.unbind(1))]
    return torch.tensor([mean for mean, _ in scales]), torch.tensor([std for _, std in scales])


def _scale(values: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the known values; unknown ones are NaN. What has no spread keeps its unit."""
    known = values[~values.isnan()].double()
    std = known.std(correction=0).item() if len(known) else 0.0
    return known.mean().item() if len(known) else 0.0, std if std > 0 else 1.0
