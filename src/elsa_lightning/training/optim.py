"""Optimiser and learning-rate schedule from their configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from elsa_lightning.schema import OptimConfig

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict]:
    """Trainable parameters in two groups: matrices and kernels decay; biases, norms and the temperature do not."""
    decayed, free = [], []
    for _, parameter in named:
        if parameter.requires_grad:
            (decayed if parameter.dim() > 1 else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def learning_rate_factor(step: int, total: int, cfg: OptimConfig) -> float:
    """Factor on the peak rate: linear warm-up, then constant or half a cosine that reaches zero at `total`."""
    if step < cfg.warmup_steps:
        return (step + 1) / (cfg.warmup_steps + 1)
    if cfg.schedule == "constant":
        return 1.0
    progress = (step - cfg.warmup_steps) / max(1, total - cfg.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def build_optimizer(module: nn.Module, cfg: OptimConfig, total_steps: int) -> dict:
    """What LightningModule.configure_optimizers returns: the optimiser and a schedule that advances every step."""
    groups = parameter_groups(module.named_parameters(), cfg.weight_decay)
    optimizer = OPTIMIZERS[cfg.name](groups, lr=cfg.lr, betas=tuple(cfg.betas))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, total_steps, cfg))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
