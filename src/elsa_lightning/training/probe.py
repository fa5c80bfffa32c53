"""A two-layer probe on frozen embeddings: how much of the scene can be read off them."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from elsa_lightning.losses.spatial import direction_loss

TARGETS = {"direction": 3, "distance": 1}


class ProbeModule(lightning.LightningModule):
    """embedding → hidden → target (paper: 512 → 64 → 3), trained full-batch with Adam.

    Args:
        target: `direction` (unit vector, 1 − cosine) or `distance` (metres, squared error of the standardised value).
        width: of the embeddings.
        hidden: units.
        mean, std: of the distances, m.
        steps: for the cosine schedule.
    """

    def __init__(self, target: str, width: int, hidden: int, mean: float = 0.0, std: float = 1.0, steps: int = 600) -> None:
        super().__init__()
        self.target, self.mean, self.std, self.steps = target, mean, std, steps
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.ELU(), nn.Linear(hidden, TARGETS[target]))

    def forward(self, embedding: Tensor) -> Tensor:
        """`(B, width)` → direction `(B, 3)` of norm 1, or distance `(B,)` in metres."""
        out = self.net(embedding)
        if self.target == "direction":
            return nn.functional.normalize(out, dim=1)
        return out[:, 0] * self.std + self.mean

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        embedding, wanted = batch
        if self.target == "direction":
            return direction_loss(self(embedding), wanted, torch.ones(len(wanted), dtype=torch.bool, device=wanted.device))
        return ((self(embedding) - wanted) / self.std).square().mean()

    def configure_optimizers(self) -> dict:
        return cosine_adam(self, self.steps)


def cosine_adam(module: nn.Module, steps: int) -> dict:
    """Adam at 1e-2, by a cosine to zero over the steps."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit_probe(target: str, embedding: Tensor, wanted: Tensor, hidden: int, steps: int, seed: int) -> ProbeModule:
    """A probe trained on `(N, E)` embeddings and `(N, 3)` directions or `(N,)` distances in metres."""
    torch.manual_seed(seed)
    mean, std = (wanted.mean().item(), wanted.std().item()) if target == "distance" else (0.0, 1.0)
    probe = ProbeModule(target, embedding.shape[1], hidden, mean, std, steps)
    fit_full_batch(probe, embedding, wanted, steps)
    return probe.eval()


def fit_full_batch(module: lightning.LightningModule, embedding: Tensor, wanted: Tensor, steps: int) -> None:
    """Train a module on the whole of `(N, E)` embeddings and `(N, …)` targets at each of the steps."""
    loader = DataLoader([(embedding, wanted)], batch_size=None)  # the whole set as it is: collating it anew each step takes a minute
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(max_epochs=steps, accelerator="cpu", devices=1, log_every_n_steps=steps + 1, **quiet)
    trainer.fit(module, loader)
