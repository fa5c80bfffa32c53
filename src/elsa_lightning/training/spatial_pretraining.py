"""Supervised pre-training of the learned spatial branch on what its 44 outputs mean."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor

from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import RunError
from elsa_lightning.features import FrontEnd
from elsa_lightning.losses.spatial import direction_loss, known
from elsa_lightning.models.spatial import build_spatial
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of
from elsa_lightning.training.optim import OptimConfig, build_optimizer

REGRESSED = ("distance_m", "volume_m3", "drr_db", "t30_s")
"""Targets after the direction: standardised, squared error, in this order of outputs. Volume enters as its logarithm."""


def targets_of(spatial: dict[str, Tensor]) -> Tensor:
    """The regressed targets `(B, 4)`, unstandardised; NaN where unknown."""
    return torch.stack([spatial[name].log() if name == "volume_m3" else spatial[name] for name in REGRESSED], 1)


class SpatialBranchModule(lightning.LightningModule):
    """The branch with its direction (cosine) and distance, volume, DRR, T30 (squared error) losses, summed as in the paper.

    The first three of the branch's outputs are the direction's x, y, z; the next four are `REGRESSED`, full-band. The others have no
    target here; in the paper they are third-octave bands of DRR and T30.

    Args:
        cfg: the experiment; `pretraining` sets batch and rate.
        mean, std: `(4,)`, of the regressed targets over the training rooms and recordings.
    """

    def __init__(self, cfg: Experiment, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.cfg = cfg
        self.front_end = FrontEnd(cfg.features, cfg.audio.sample_rate)
        self.branch = build_spatial(cfg.model.spatial, cfg.features)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def on_train_batch_start(self, batch: AudioTextBatch, batch_idx: int) -> None:
        torch.manual_seed(seed_of("dropout", self.cfg.seed, self.global_step, self.global_rank))

    def training_step(self, batch: AudioTextBatch, batch_idx: int) -> Tensor:
        features = batch.features if batch.features is not None else self.front_end(batch.foa)
        outputs = self.branch.attributes(features.intensity).float()  # (B, 44)
        spatial = batch.is_spatial
        direction = torch.nn.functional.normalize(outputs[:, :3], dim=1)
        wanted = (targets_of(batch.spatial) - self.mean) / self.std  # (B, 4)
        counts = ~wanted.isnan()  # (B, 4)
        error = ((outputs[:, 3 : 3 + len(REGRESSED)] - torch.where(counts, wanted, 0.0)) * counts).square()[spatial]
        terms = {"direction": direction_loss(direction, batch.direction, known(batch.direction, spatial))}
        terms |= {name: error[:, i].sum() / max(1, int(counts[spatial, i].sum())) for i, name in enumerate(REGRESSED)}
        total = sum(terms.values())
        if not torch.isfinite(total):
            raise RunError(f"the pre-training loss is not finite at step {self.global_step}", "lower pretraining.lr")
        self.log_dict({f"loss/{name}": value for name, value in terms.items()}, batch_size=len(batch.clip_id))
        self.log("loss/total", total, batch_size=len(batch.clip_id))
        return total

    def configure_optimizers(self) -> dict:
        pre = self.cfg.pretraining
        return build_optimizer(self, OptimConfig(name="adamw", lr=pre.lr, weight_decay=pre.weight_decay), pre.steps)
