"""How a training is spread over devices: Lightning's strategy and environment."""

from __future__ import annotations

from datetime import timedelta

import lightning
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy, Strategy

from elsa_lightning.errors import ConfigError
from elsa_lightning.ranks import prepare_ranks, started_by_srun
from elsa_lightning.schema import TrainerConfig

TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others: a pool of rooms may be simulated meanwhile."""


def build_strategy(cfg: TrainerConfig, module: lightning.LightningModule) -> tuple[Strategy | str, ClusterEnvironment]:
    """One device: Lightning's choice. Several: DDP, over gloo on CPUs and NCCL on GPUs, in processes of SLURM's step or of our own.

    `find_unused_parameters` is asked for only where the module says that some parameters have no part in the loss: DDP would wait for
    their gradients for ever. Else each has a part in every batch, also in one without any spatial example: its losses are connected zeros.

    Args:
        cfg: devices and nodes.
        module: to be trained; its `has_idle_parameters`, where it has such an attribute.

    Raises:
        ConfigError: another strategy for several devices.
        RunError: see `ranks.prepare_ranks`.
    """
    if cfg.devices * cfg.nodes > 1 and cfg.strategy not in ("auto", "ddp"):
        raise ConfigError(f"`trainer.strategy` is {cfg.strategy}: several devices train with ddp", "--set trainer.strategy=auto")
    prepare_ranks(cfg)
    environment = SLURMEnvironment(auto_requeue=False) if started_by_srun() else LightningEnvironment()
    if cfg.devices * cfg.nodes == 1:
        return cfg.strategy, environment
    idle = getattr(module, "has_idle_parameters", False)
    return DDPStrategy(find_unused_parameters=idle, timeout=TIMEOUT), environment
