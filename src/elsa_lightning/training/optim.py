"""Optimiser and learning-rate schedule from their configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields

import torch
from torch import nn

from elsa_lightning.errors import RunError
from elsa_lightning.schema import LearningRateScales, OptimConfig


def lamb(groups: list[dict], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    """LAMB (You et al., ICLR 2020, without bias correction), its weight decay inside the trust ratio as there, from pytorch-optimizer.

    Raises:
        RunError: the package is not installed.
    """
    try:
        from pytorch_optimizer import Lamb
    except ImportError as fault:
        raise RunError(
            "the optimiser lamb needs the package pytorch-optimizer, which is not installed",
            "pip install 'elsa-lightning[lamb]', or --set pretraining.optimizer=adamw",
        ) from fault
    # adam_debias: without it the library divides the step by 1 − β₁ᵗ: ten times the rate at the first step
    return Lamb(groups, lr=lr, betas=betas, weight_decouple=False, adam_debias=True)


OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "lamb": lamb}


TOWERS = tuple(field.name for field in fields(LearningRateScales))
"""Parts of the model with a learning rate of their own."""


def frozen_towers(cfg: OptimConfig) -> list[str]:
    """Towers whose rate is 0: they are not trained at all."""
    return [tower for tower in TOWERS if getattr(cfg.lr_scale, tower) == 0]


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: to matrices and kernels; not to biases (tables of them included), norms and the temperature."""
    return parameter.dim() > 1 and not name.rpartition(".")[2].endswith(("bias", "bias_table"))


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], cfg: OptimConfig) -> list[dict]:
    """Trainable parameters in groups of equal learning rate and weight decay; without slower towers there are two, decayed first.

    Args:
        named: parameters by name; those of a tower begin with `model.<tower>.`.
        cfg: rate, scales, decay.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): [], (1.0, False): []}
    for name, parameter in named:
        if parameter.requires_grad:
            tower = name.removeprefix("model.").partition(".")[0]
            groups.setdefault((getattr(cfg.lr_scale, tower, 1.0), decays(name, parameter)), []).append(parameter)
    return [
        {"params": parameters, "lr": cfg.lr * scale, "weight_decay": cfg.weight_decay if decayed else 0.0}
        for (scale, decayed), parameters in groups.items()
    ]


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
    groups = parameter_groups(module.named_parameters(), cfg)
    options = {"fused": True} if cfg.fused else {}  # of torch's own; LAMB has none
    optimizer = OPTIMIZERS[cfg.name](groups, lr=cfg.lr, betas=tuple(cfg.betas), **options)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, total_steps, cfg))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
