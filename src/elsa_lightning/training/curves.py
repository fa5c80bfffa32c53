"""TensorBoard curves of one training: one curve each, whatever interrupted it; beside them what is to be seen and heard."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard import SummaryWriter

from elsa_lightning.event_files import drop_events
from elsa_lightning.ranks import process_rank

Show = Callable[[SummaryWriter], None]
"""Writes images, sounds and texts."""


class Curves(TensorBoardLogger):
    """A value's step is the number of steps done when it was measured, as in metrics.jsonl and in the names of checkpoints.

    `TrainingLog` writes, before a step's checkpoint. What Lightning would write of itself comes after it and is flushed every two minutes:
    a kill in between, and the resumed curve has a hole.
    """

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Nothing: see above."""

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Write values so that they outlive this process. For the first process."""
        for name, value in values.items():
            self.experiment.add_scalar(name, value, step)
        self.experiment.flush()


def open_curves(folder: pathlib.Path, name: str, start: int, show: Show | None) -> Curves:
    """The curves in `<folder>/tb/<name>`.

    Args:
        folder: the run directory.
        name: of the TensorBoard run.
        start: steps that are done already: what an interrupted attempt wrote after them is taken out.
        show: called with the writer, in the first process and if no step is done.
    """
    first = start + 1 if start else 0
    # a TensorBoard that is looking on forgets by `purge_step` what comes again
    curves = Curves(folder, name="tb", version=name, purge_step=first or None, default_hp_metric=False)
    if process_rank() == 0:
        drop_events(pathlib.Path(curves.log_dir), first)
        if show is not None and not start:
            show(curves.experiment)
    return curves
