"""What a person and the runner see of a training: a progress bar, status.json, metrics.jsonl."""

from __future__ import annotations

import json
import logging
import pathlib
import time

import lightning
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.trainer.states import TrainerFn

from elsa_lightning.atomic import keep_damaged, write_bytes
from elsa_lightning.runs import write_status
from elsa_lightning.training.curves import Curves

log = logging.getLogger(__name__)


class TrainingLog(lightning.Callback):
    """`metrics.jsonl`: one flushed JSON object per log step, the record of which TensorBoard is a view; and `status.json`.

    Args:
        folder: the run directory.
        every: steps between entries.
        batch_size: clips per step, over all ranks.
        curves: get the same values, and those of speed.
    """

    def __init__(self, folder: pathlib.Path, every: int, batch_size: int, curves: Curves) -> None:
        self.folder, self.every, self.batch_size, self.curves = folder, every, batch_size, curves
        self.started = time.perf_counter()
        self.train_seconds = 0.0

    def state_dict(self) -> dict:
        return {"train_seconds": self.train_seconds}

    def load_state_dict(self, state: dict) -> None:
        self.train_seconds = state["train_seconds"]

    def on_train_start(self, trainer, module) -> None:
        if trainer.is_global_zero:
            drop_from(self.folder / "metrics.jsonl", trainer.global_step)
        self.started = time.perf_counter()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        now = time.perf_counter()
        seconds, self.started = now - self.started, now
        self.train_seconds += seconds
        module.log("perf/clips_per_s", self.batch_size / seconds, prog_bar=False)
        if trainer.is_global_zero and (trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps):
            known = {name: float(value) for name, value in trainer.callback_metrics.items() if not name.startswith("val/")}
            values = {name: value for name, value in known.items() if not name.startswith("perf/")}
            self._write(trainer.global_step, values)
            self.curves.write(known, trainer.global_step)
            terms = "  ".join(f"{name[5:]} {value:.3f}" for name, value in values.items() if name.startswith("loss/"))
            text = f"step {trainer.global_step}/{trainer.max_steps}  {terms}  {self.batch_size / seconds:.0f} clips/s"
            write_status(self.folder, trainer.global_step / trainer.max_steps, text)

    def on_validation_end(self, trainer, module) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            values = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}
            # a finished training that lacks its best checkpoint is validated once more, with the same result
            if trainer.state.fn == TrainerFn.FITTING or not is_validated(self.folder / "metrics.jsonl", trainer.global_step):
                self._write(trainer.global_step, values)
                self.curves.write(values, trainer.global_step)
        self.started = time.perf_counter()  # validation is not training time

    def _write(self, step: int, values: dict[str, float]) -> None:
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def drop_from(path: pathlib.Path, step: int) -> None:
    """Keep the lines up to `step`: what a killed run wrote past its last checkpoint is written again.

    The line that was being written when the run died is left out. Where another one cannot be read, the file's content is kept beside it.
    """
    if not path.exists():
        return
    content = path.read_bytes()
    kept, damaged = [], []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line.rstrip(b"\r\n") + b"\n")
        except (ValueError, TypeError, KeyError):
            if line.endswith(b"\n"):
                damaged.append(number)
    if damaged:
        place = keep_damaged(path, content)
        log.warning("%s: line %s cannot be read and is left out; the file as it was is kept as %s", path, damaged, place.name)
    if (new := b"".join(kept)) != content:
        write_bytes(path, new)


def is_validated(path: pathlib.Path, step: int) -> bool:
    """Whether there is a line with validation metrics of a step."""
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return any(line["step"] == step and any(name.startswith("val/") for name in line) for line in lines)


class TermsProgressBar(TQDMProgressBar):
    """A bar of steps with every loss term and clips/s."""

    def get_metrics(self, trainer, module) -> dict:
        shown = {name.removeprefix("loss/"): f"{float(v):.3f}" for name, v in trainer.callback_metrics.items() if name.startswith("loss/")}
        if "perf/clips_per_s" in trainer.callback_metrics:
            shown["clips/s"] = f"{float(trainer.callback_metrics['perf/clips_per_s']):.0f}"
        return shown
