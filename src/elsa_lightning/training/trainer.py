"""A Lightning Trainer for one run directory: resumes from the newest valid checkpoint, writes one continuous TensorBoard curve."""

from __future__ import annotations

import logging
import pathlib
import sys
import warnings
from typing import NamedTuple

import lightning
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from elsa_lightning.checks import leaves
from elsa_lightning.errors import ConfigError
from elsa_lightning.lifetime import Notice, Stopped, listening
from elsa_lightning.schema import TrainerConfig
from elsa_lightning.training.callbacks import TermsProgressBar, TrainingLog
from elsa_lightning.training.checkpoints import DurableCheckpointIO, StepCheckpoint, resume_point
from elsa_lightning.training.curves import Show, open_curves
from elsa_lightning.training.precision import resolve_precision
from elsa_lightning.training.preemption import LeftAtStep, StopWhenAsked
from elsa_lightning.training.strategy import build_strategy

log = logging.getLogger(__name__)
BEST = "val/retrieval/map10"


class Fitted(NamedTuple):
    """What a training came to."""

    checkpoint: pathlib.Path
    """The one that later stages use."""
    seconds: float
    """Spent in training steps, over all resumptions."""
    device: str
    """Where it trained: cpu, cuda, mps."""
    precision: str
    """Lightning's, as resolved."""


def fit(
    module: lightning.LightningModule,
    data: lightning.LightningDataModule,
    cfg: TrainerConfig,
    folder: pathlib.Path,
    steps: int,
    name: str,
    show: Show | None = None,
) -> Fitted:
    """Train to `steps`, from the newest valid checkpoint if there is one.

    Args:
        module: what is trained; `cfg` is its experiment, shown beside the curves.
        data: has `start_step`, which is set to the step to continue from.
        cfg: sizes and devices.
        folder: the run directory; checkpoints, curves and logs go there.
        steps: in all.
        name: of the TensorBoard run.
        show: called once, in the first process, with the writer of the curves: what is to be seen and heard beside them.

    On several devices each process comes here (see `ranks`) and gets the same result; only the first writes files.

    Raises:
        ConfigError: devices that are not there.
        RunError: several nodes without srun.
        Stopped: a signal asked for it; the step is saved.
    """
    with listening(at_once=False) as notice:
        try:
            return _fit(module, data, cfg, folder, steps, name, show, notice)
        except LeftAtStep as left:
            raise Stopped(left.number, left.step) from None


def _fit(
    module: lightning.LightningModule,
    data: lightning.LightningDataModule,
    cfg: TrainerConfig,
    folder: pathlib.Path,
    steps: int,
    name: str,
    show: Show | None,
    notice: Notice,
) -> Fitted:
    """`fit`, stopped when `notice` has heard a signal."""
    quiet_lightning()
    strategy, environment = build_strategy(cfg, module)
    val_every = min(cfg.val_every or steps, steps)
    checkpoints = StepCheckpoint(folder / "checkpoints", cfg.checkpoint_every, val_every, BEST if cfg.select == "best" else "")
    resume, data.start_step = resume_point(folder)
    if resume:
        log.info("continuing from step %d (%s)", data.start_step, resume.name)
    bar = [TermsProgressBar(refresh_rate=cfg.log_every)] if sys.stderr.isatty() else []
    precision = resolve_precision(cfg.precision, cfg.accelerator)
    logger = open_curves(folder, name, data.start_step, show)
    training_log = TrainingLog(folder, cfg.log_every, cfg.batch_size, logger)
    trainer = build_trainer(
        default_root_dir=folder,
        logger=logger,
        callbacks=[training_log, checkpoints, StopWhenAsked(notice, checkpoints), *bar],
        max_steps=steps,
        max_epochs=1,
        val_check_interval=val_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=cfg.log_every,
        precision=precision,
        accelerator=cfg.accelerator,
        devices=cfg.devices,
        num_nodes=cfg.nodes,
        strategy=strategy,
        plugins=[environment, DurableCheckpointIO()],
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
    )
    if not resume:
        logger.log_hyperparams({key: str(value) if isinstance(value, list) else value for key, value in leaves(module.cfg)})
    trainer.fit(module, data, ckpt_path=resume, weights_only=True if resume else None)
    if checkpoints.lacks_best:
        trainer.validate(module, datamodule=data, verbose=False)
    return Fitted(checkpoints.chosen(), training_log.train_seconds, trainer.strategy.root_device.type, precision)


def build_trainer(**options) -> lightning.Trainer:
    """Lightning's Trainer, whose refusal of devices is one of ours."""
    try:
        return lightning.Trainer(**options)
    except MisconfigurationException as fault:
        asked = f"trainer.accelerator={options['accelerator']} trainer.devices={options['devices']}"
        raise ConfigError(f"{asked} cannot be had: {str(fault).strip()}", "ask for devices that this machine has") from fault


def quiet_lightning() -> None:
    """Silence advice that does not apply here; errors and our own messages stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for text in (
        "does not have many workers",
        "LeafSpec",
        "isinstance.treespec",
        "ended before the epoch ended",
        "sync_dist=True",
        "srun. command is available",
    ):
        warnings.filterwarnings("ignore", message=f".*{text}.*")
