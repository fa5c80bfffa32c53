"""Supervised pre-training of the learned spatial branch on what its 44 outputs mean."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor

from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import RunError
from elsa_lightning.features import FrontEnd
from elsa_lightning.losses.gather import mean_over_ranks, world_size
from elsa_lightning.losses.spatial import angle_loss, direction_loss, known
from elsa_lightning.models.spatial import build_spatial
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of
from elsa_lightning.training.optim import OptimConfig, build_optimizer

BANDS = 20
"""Third octaves of DRR and of T30 each (paper)."""

REGRESSED = ("distance_m", "volume_m3", "drr_db", "t30_s")
"""Targets after the direction: standardised, squared error, in this order of outputs. Volume enters as its logarithm."""


def targets_of(spatial: dict[str, Tensor]) -> Tensor:
    """The regressed targets `(B, 4)`, unstandardised; NaN where unknown."""
    return torch.stack([spatial[name].log() if name == "volume_m3" else spatial[name] for name in REGRESSED], 1)


def paper_targets_of(spatial: dict[str, Tensor], bands: Tensor) -> Tensor:
    """The paper's targets but for the angles, `(B, 42)`, unstandardised: distance, log volume, `bands (B, 40)`; NaN where unknown."""
    return torch.cat([spatial["distance_m"][:, None], spatial["volume_m3"].log()[:, None], bands], 1)


def _number(counts: Tensor) -> Tensor:
    """Examples that count, on a rank, on average: with it DDP's mean of the ranks is the joined batch's (see losses.spatial)."""
    return mean_over_ranks(counts.float()).clamp(min=1 / world_size())


class SpatialBranchModule(lightning.LightningModule):
    """The branch with its losses, summed as in the paper: cosine for angles, squared error of the standardised rest.

    The branch's outputs, in their order, with `pretraining.targets`

        regression    x, y, z of the direction (one cosine loss); `REGRESSED`, of the full band; the others have no target
        paper         azimuth, elevation (a cosine loss each); distance, log volume; 20 third octaves of DRR, 20 of T30 (a mean over the
                      examples and bands that are known, each)

    Args:
        cfg: the experiment; `pretraining` sets targets, batch, optimiser and rate.
        mean, std: `(4,)` or `(42,)`, of all targets but the angles over the training rooms and recordings.
        bands: of `paper`: `(N, 40)` DRR, dB, and T30, s, of the training rooms, by their rows in the bank; NaN where unknown.
    """

    has_idle_parameters = True
    """What follows the attributes, the way to the fusion, is not trained here."""

    def __init__(self, cfg: Experiment, mean: Tensor, std: Tensor, bands: Tensor | None = None) -> None:
        super().__init__()
        self.cfg = cfg
        self.front_end = FrontEnd(cfg.features, cfg.audio.sample_rate)
        self.branch = build_spatial(cfg.model.spatial, cfg.features)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("bands", bands, persistent=False)

    def on_train_batch_start(self, batch: AudioTextBatch, batch_idx: int) -> None:
        torch.manual_seed(seed_of("dropout", self.cfg.seed, self.global_step, self.global_rank))

    def training_step(self, batch: AudioTextBatch, batch_idx: int) -> Tensor:
        features = batch.features if batch.features is not None else self.front_end(batch.foa)
        outputs = self.branch.attributes(features.intensity).float()  # (B, 44)
        terms = self.paper_terms(outputs, batch) if self.cfg.pretraining.targets == "paper" else self.regression_terms(outputs, batch)
        total = sum(terms.values())
        means = mean_over_ranks(torch.stack([total, *terms.values()]))
        if not torch.isfinite(means[0]):
            raise RunError(f"the pre-training loss is not finite at step {self.global_step}", "lower pretraining.lr")
        self.log_dict({f"loss/{name}": value for name, value in zip(terms, means[1:], strict=True)}, batch_size=len(batch.clip_id))
        self.log("loss/total", means[0], batch_size=len(batch.clip_id))
        return total

    def regression_terms(self, outputs: Tensor, batch: AudioTextBatch) -> dict[str, Tensor]:
        """Losses of outputs `(B, 7 or more)`."""
        spatial = batch.is_spatial
        direction = torch.nn.functional.normalize(outputs[:, :3], dim=1)
        wanted = (targets_of(batch.spatial) - self.mean) / self.std  # (B, 4)
        counts = ~wanted.isnan() & spatial[:, None]  # (B, 4)
        error = ((outputs[:, 3 : 3 + len(REGRESSED)] - torch.where(counts, wanted, 0.0)) * counts).square()[spatial]
        number = _number(counts.sum(0))  # (4,)
        terms = {"direction": direction_loss(direction, batch.direction, known(batch.direction, spatial))}
        return terms | {name: error[:, i].sum() / number[i] for i, name in enumerate(REGRESSED)}

    def paper_terms(self, outputs: Tensor, batch: AudioTextBatch) -> dict[str, Tensor]:
        """Losses of outputs `(B, 44)`. A recording is in no room of the bank: its bands are unknown."""
        spatial, recorded = batch.is_spatial, batch.is_recorded
        bands = torch.where(recorded[:, None], torch.nan, self.bands[torch.where(recorded, 0, batch.room)])  # (B, 40)
        wanted = (paper_targets_of(batch.spatial, bands) - self.mean) / self.std  # (B, 42)
        counts = ~wanted.isnan() & spatial[:, None]
        error = ((outputs[:, 2:] - torch.where(counts, wanted, 0.0)) * counts).square()
        terms = {}
        for i, name in enumerate(("azimuth", "elevation")):
            target = batch.spatial[name]
            terms[name] = angle_loss(outputs[:, i], target, known(target, spatial))
        ends = {"distance_m": 1, "volume_m3": 2, "drr_db": 2 + BANDS, "t30_s": 2 + 2 * BANDS}
        first = 0
        for name, end in ends.items():
            terms[name] = error[:, first:end].sum() / _number(counts[:, first:end].sum())
            first = end
        return terms

    def configure_optimizers(self) -> dict:
        pre = self.cfg.pretraining
        return build_optimizer(self, OptimConfig(name=pre.optimizer, lr=pre.lr, weight_decay=pre.weight_decay), pre.steps)
