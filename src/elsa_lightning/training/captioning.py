"""Training of the captioner: GPT-2 and its dense layer on embeddings of a model that is not trained any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from elsa_lightning.data.sampling import KeyedBatchSampler
from elsa_lightning.errors import RunError
from elsa_lightning.models.captioner import PrefixCaptioner, encode
from elsa_lightning.schema import Experiment, OptimConfig
from elsa_lightning.seeding import seed_of
from elsa_lightning.training.optim import build_optimizer

CLIP_NORM = 1.0
"""Largest norm of the gradient: fine-tuning starts from weights that one bad step can spoil."""


class CaptioningModule(lightning.LightningModule):
    """The captioner with its loss: cross-entropy of each token of a clip's caption.

    Args:
        cfg: the experiment; `captioner` sets rate and steps.
        captioner: to be trained, GPT-2 included.
    """

    def __init__(self, cfg: Experiment, captioner: PrefixCaptioner) -> None:
        super().__init__()
        self.cfg, self.captioner = cfg, captioner

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # dropout is a function of (seed, step): a resumed run needs no generator state to go on bit for bit
        torch.manual_seed(seed_of("captioner dropout", self.cfg.seed, self.global_step))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Of audio embeddings `(B, E)`, ids and mask `(B, L)`."""
        loss = self.captioner(*batch)
        if not torch.isfinite(loss):
            raise RunError(f"the captioner's loss is not finite at step {self.global_step}", "lower captioner.lr")
        self.log("loss/caption", loss.detach(), batch_size=len(batch[0]))
        return loss

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None) -> None:
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), CLIP_NORM)
        if not torch.isfinite(norm):
            raise RunError(f"the captioner's gradient is not finite at step {self.global_step}", "lower captioner.lr")
        self.log("train/gradient_norm", norm)

    def configure_optimizers(self) -> dict:
        own = self.cfg.captioner
        optim = OptimConfig(name="adamw", lr=own.lr, weight_decay=own.weight_decay, warmup_steps=own.warmup_steps)
        return build_optimizer(self, optim, own.steps)


class _Pairs(Dataset):
    """Embedding and caption by (epoch, row)."""

    def __init__(self, audio: Tensor, caption: Callable[[int, int], str]) -> None:
        self.audio, self.caption = audio, caption

    def __len__(self) -> int:
        return len(self.audio)

    def __getitem__(self, at: tuple[int, int]) -> tuple[Tensor, str]:
        epoch, row = at
        return self.audio[row], self.caption(row, epoch)


class CaptionPairs(lightning.LightningDataModule):
    """Batches of embeddings and captions, in an order that depends on seed and step alone.

    Args:
        cfg: the experiment.
        audio: `(N, E)`.
        caption: row and epoch → a caption of that clip.
        tokenizer: of the captions.

    Attributes:
        start_step: steps already done, set before `fit` to resume exactly there.
    """

    def __init__(self, cfg: Experiment, audio: Tensor, caption: Callable[[int, int], str], tokenizer: Any) -> None:
        super().__init__()
        self.cfg, self.pairs, self.tokenizer = cfg, _Pairs(audio, caption), tokenizer
        self.start_step = 0

    def train_dataloader(self) -> DataLoader:
        """Batches of the remaining steps."""
        own = self.cfg.captioner
        sampler = KeyedBatchSampler(
            len(self.pairs),
            own.batch_size,
            seed_of("captioner order", self.cfg.seed),
            total_steps=own.steps,
            start_step=self.start_step,
        )
        return DataLoader(self.pairs, batch_sampler=sampler, collate_fn=self._collate)

    def _collate(self, pairs: list[tuple[Tensor, str]]) -> tuple[Tensor, Tensor, Tensor]:
        audio, captions = zip(*pairs, strict=True)
        return torch.stack(audio), *encode(self.tokenizer, captions, self.cfg.captioner.max_tokens)
