"""A two-layer classifier of frozen embeddings."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor, nn

from elsa_lightning.training.probe import cosine_adam, fit_full_batch


class ClassifierModule(lightning.LightningModule):
    """embedding → hidden → classes (paper: 512 → 64 → 4), trained full-batch with Adam; every class weighs the same.

    Args:
        width: of the embeddings.
        hidden: units.
        share: `(C,)` of the training examples in each class, greater than 0.
        steps: for the cosine schedule.
    """

    def __init__(self, width: int, hidden: int, share: Tensor, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.ELU(), nn.Linear(hidden, len(share)))
        self.register_buffer("weight", (1 / (share * len(share))).float())

    def forward(self, embedding: Tensor) -> Tensor:
        """`(B, width)` → logits `(B, C)`."""
        return self.net(embedding)

    @torch.no_grad()
    def logits(self, embedding: Tensor) -> Tensor:
        """The same of embeddings in any precision, without gradients."""
        return self(embedding.float())

    def predict(self, embedding: Tensor) -> Tensor:
        """`(B, width)` → class `(B,)`."""
        return self.logits(embedding).argmax(dim=1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        embedding, wanted = batch
        return nn.functional.cross_entropy(self(embedding), wanted, self.weight)

    def configure_optimizers(self) -> dict:
        return cosine_adam(self, self.steps)


def fit_classifier(embedding: Tensor, labels: Tensor, classes: int, hidden: int, steps: int, seed: int) -> ClassifierModule:
    """A classifier trained on `(N, E)` embeddings and `(N,)` labels, of which each class has at least one."""
    torch.manual_seed(seed)
    share = torch.bincount(labels, minlength=classes) / len(labels)
    module = ClassifierModule(embedding.shape[1], hidden, share, steps)
    fit_full_batch(module, embedding, labels, steps)
    return module.eval()
