"""Checkpoints that a kill cannot harm: written to a temporary name, flushed to the disk, renamed; the newest readable one resumes."""

from __future__ import annotations

import logging
import os
import pathlib
import pickle
import zipfile

import lightning
import torch

from elsa_lightning.errors import RunError

log = logging.getLogger(__name__)
PATTERN = "step=*.ckpt"
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


def write_checkpoint(trainer: lightning.Trainer, path: pathlib.Path) -> None:
    """Save through Lightning to a temporary name, flush to the disk, rename. All ranks must call it."""
    temporary = path.with_suffix(".tmp")
    try:
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(
            f"could not write checkpoint {path}: {error}", "free disk space and start again: the run continues from the one before"
        ) from error


class StepCheckpoint(lightning.Callback):
    """Every `every` steps and at the end; keeps the newest two, and with `select: best` the best by a validation metric.

    Args:
        folder: where they go.
        every: steps between checkpoints.
        monitor: metric to maximise, kept as `best.ckpt`; empty: none.
    """

    def __init__(self, folder: pathlib.Path, every: int, monitor: str = "") -> None:
        self.folder, self.every, self.monitor = folder, every, monitor
        self.best = float("-inf")
        folder.mkdir(parents=True, exist_ok=True)

    def state_dict(self) -> dict:
        return {"best": self.best}

    def load_state_dict(self, state: dict) -> None:
        self.best = state["best"]

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            write_checkpoint(trainer, self.folder / f"step={trainer.global_step:09d}.ckpt")
            if trainer.is_global_zero:
                for old in sorted(self.folder.glob(PATTERN))[:-2]:
                    old.unlink()

    def on_validation_end(self, trainer, module) -> None:
        if not self.monitor or trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            raise RunError(f"the metric {self.monitor} was not logged", "trainer.select: best needs trainer.val_every > 0")
        score = trainer.callback_metrics[self.monitor].item()
        if score > self.best:
            self.best = score
            write_checkpoint(trainer, self.folder / "best.ckpt")

    def chosen(self) -> pathlib.Path:
        """The checkpoint that later stages use."""
        path = self.folder / "best.ckpt" if self.monitor else newest_valid(self.folder)
        if path is None or not path.exists():
            raise RunError(f"no readable checkpoint in {self.folder}", "run the training stage again")
        return path
