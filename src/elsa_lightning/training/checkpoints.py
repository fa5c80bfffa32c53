"""Checkpoints that a kill cannot harm: written to a temporary name, flushed to the disk, renamed; the newest readable one resumes."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pathlib
import pickle
import zipfile
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn

from elsa_lightning.atomic import free_gb, sync_folder
from elsa_lightning.errors import RunError

log = logging.getLogger(__name__)
PATTERN = "step=*.ckpt"
BEST_FILE = "best.ckpt"
LIGHTNINGS = "hpc_ckpt_*.ckpt"
"""What Lightning saves by itself where its own requeueing is on, in the run's folder."""
UNREADABLE = (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)


def read_checkpoint(path: pathlib.Path) -> dict:
    """A checkpoint's contents, tensors and plain containers only (`weights_only`).

    Raises:
        RunError: it cannot be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise RunError(f"checkpoint {path} cannot be read ({error})", "remove it: the run continues from the one before") from error


def newest_valid(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint of the folder that reads whole; broken ones are named in the log and passed over."""
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            read_checkpoint(path)
        except RunError as error:
            log.warning("%s", error.message)
            continue
        return path
    return None


def resume_point(folder: pathlib.Path) -> tuple[pathlib.Path | None, int]:
    """The checkpoint that a run continues from, and its step: the newest valid one of ours and of Lightning's own; at equal steps ours.

    Lightning would take its own wherever it finds one in a SLURM job and is given none: one that does not read is renamed out of its way.

    Args:
        folder: of the run.
    """
    ours = newest_valid(folder / "checkpoints")
    found, step = ours, int(ours.stem.split("=")[1]) if ours else 0
    for path in folder.glob(LIGHTNINGS):
        try:
            saved = int(read_checkpoint(path)["global_step"])
        except (RunError, KeyError, TypeError) as error:
            away = path.with_name(path.name.replace("hpc_ckpt_", "unreadable_"))  # it goes by any name with the word in it
            log.warning("%s holds no training and is renamed to %s (%s)", path, away.name, error)
            with contextlib.suppress(FileNotFoundError):  # another rank was faster
                path.replace(away)
            continue
        if saved > step:
            found, step = path, saved
    return found, step


def best_score(path: pathlib.Path, state_key: str) -> float:
    """The score that a best checkpoint carries in its callback's state; −∞ where there is none. One that cannot be read is removed."""
    if not path.exists():
        return float("-inf")
    try:
        return float(read_checkpoint(path)["callbacks"][state_key]["best"])
    except (RunError, KeyError) as error:
        log.warning("%s holds no score and is removed (%s)", path, error)
        path.unlink(missing_ok=True)  # another rank may have been faster
        return float("-inf")


def write_checkpoint(trainer: lightning.Trainer, path: pathlib.Path) -> None:
    """Save through Lightning to a temporary name, flush to the disk (`DurableCheckpointIO`), rename. All ranks must call it."""
    temporary = path.with_suffix(".tmp")
    try:
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            os.replace(temporary, path)
            sync_folder(path.parent)
        trainer.strategy.barrier()  # whoever looks for the file from here on finds it
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(
            f"could not write checkpoint {path}: {error.strerror} ({free_gb(path.parent):.2f} GB free)",
            "make room and start again: the run continues from the checkpoint before",
        ) from error


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes where it is told, and waits for the disk. (Lightning's writes to the system's temporary folder and moves the file: that folder
    fills up, and a killed process leaves its part there for ever.)"""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None) -> None:
        """Write a checkpoint; a full disk is an `OSError`, which torch's own writing to a file would not make of it."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with open(path, "wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())


class StepCheckpoint(lightning.Callback):
    """Every `every` steps and at the end; keeps the newest two, and with `select: best` the best by a validation metric.

    A step at which validation is due is kept only once validated (and `best.ckpt` brought up to date): a run killed in between
    resumes before that step and validates it then.

    Args:
        folder: where they go.
        every: steps between checkpoints.
        val_every: steps between validations.
        monitor: metric to maximise, kept as `best.ckpt`, which carries its score; empty: none.
    """

    def __init__(self, folder: pathlib.Path, every: int, val_every: int, monitor: str = "") -> None:
        self.folder, self.every, self.val_every, self.monitor = folder, every, val_every, monitor
        self._kept = -1
        folder.mkdir(parents=True, exist_ok=True)
        self.best = best_score(folder / BEST_FILE, self.state_key) if monitor else float("-inf")

    def state_dict(self) -> dict:
        # read back from best.ckpt alone: a step's checkpoint may be older than the best
        return {"best": self.best}

    def validates(self, trainer: lightning.Trainer) -> bool:
        """Whether the step that has just ended is to be validated."""
        return trainer.enable_validation and sum(trainer.num_val_batches) > 0 and trainer.global_step % self.val_every == 0

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        if not self.validates(trainer):
            self._keep_step(trainer)

    def on_validation_end(self, trainer, module) -> None:
        if trainer.sanity_checking:
            return
        if self.monitor:
            self._keep_best(trainer)
        if trainer.state.fn == TrainerFn.FITTING:
            self._keep_step(trainer)

    def _keep_step(self, trainer: lightning.Trainer) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            self.keep(trainer)

    def keep(self, trainer: lightning.Trainer) -> None:
        """Save this step, unless it is saved already. All ranks must call it."""
        if self._kept == trainer.global_step:
            return
        self._kept = trainer.global_step
        write_checkpoint(trainer, self.folder / f"step={trainer.global_step:09d}.ckpt")
        if trainer.is_global_zero:
            for old in sorted(self.folder.glob(PATTERN))[:-2]:
                old.unlink()

    def _keep_best(self, trainer: lightning.Trainer) -> None:
        if self.monitor not in trainer.callback_metrics:
            raise RunError(f"the metric {self.monitor} was not logged", "trainer.select: best needs trainer.val_every > 0")
        score = trainer.callback_metrics[self.monitor].item()
        if score > self.best:
            self.best = score
            write_checkpoint(trainer, self.folder / BEST_FILE)

    @property
    def lacks_best(self) -> bool:
        """Whether a best checkpoint is wanted and there is none."""
        return bool(self.monitor) and not (self.folder / BEST_FILE).exists()

    def chosen(self) -> pathlib.Path:
        """The checkpoint that later stages use."""
        path = self.folder / BEST_FILE if self.monitor else newest_valid(self.folder)
        if path is None or not path.exists():
            raise RunError(f"no readable checkpoint in {self.folder}", "run the training stage again")
        return path
