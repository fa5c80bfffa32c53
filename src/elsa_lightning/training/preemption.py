"""A training that is asked to stop: the step is finished, a checkpoint written, and all ranks leave at the same step.

Lightning's own handling is set aside. It saves `hpc_ckpt_*` from within the signal handler, in the middle of a step, passes over the
SIGTERM that many clusters send, and with several ranks starts an exchange between them there, which hangs if they are at different steps.
"""

from __future__ import annotations

import lightning
import torch
import torch.distributed as dist

from elsa_lightning.lifetime import Notice
from elsa_lightning.losses.gather import world_size
from elsa_lightning.training.checkpoints import StepCheckpoint


class LeftAtStep(Exception):
    """Ends Lightning's loop, on all ranks at once.

    Args:
        step: that was saved; None: the first was not finished, or its validation was not.
        number: the signal.
    """

    def __init__(self, step: int | None, number: int) -> None:
        self.step, self.number = step, number
        super().__init__(step, number)


class StopWhenAsked(lightning.Callback):
    """Stops between two steps, with the checkpoint of the last one. Comes after the callbacks that log and save a step.

    A step that is to be validated is kept only once validated (`StepCheckpoint`): a request that comes there waits for it. The last step is
    not stopped at: what follows it is short.

    Args:
        notice: hears the signals.
        checkpoints: writes the checkpoints.
    """

    def __init__(self, notice: Notice, checkpoints: StepCheckpoint) -> None:
        self.notice, self.checkpoints = notice, checkpoints

    def on_train_start(self, trainer, module) -> None:
        self.notice.install()  # Lightning has put its own handlers there
        if number := self._agreed(module):
            raise LeftAtStep(trainer.global_step or None, number)

    def on_validation_start(self, trainer, module) -> None:
        self.notice.install()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        if not self.checkpoints.validates(trainer):
            self._leave_if_asked(trainer, module)

    def on_validation_end(self, trainer, module) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._leave_if_asked(trainer, module)

    def _leave_if_asked(self, trainer, module) -> None:
        number = self._agreed(module)
        if number and trainer.global_step < trainer.max_steps:
            self.checkpoints.keep(trainer)
            raise LeftAtStep(trainer.global_step, number)

    def _agreed(self, module) -> int:
        """The signal that any rank has heard, on all of them; 0: none. Every rank must call."""
        own = int(self.notice.asked or 0)
        if world_size() == 1:
            return own
        heard = torch.tensor(own, device=module.device)
        dist.all_reduce(heard, dist.ReduceOp.MAX)
        return int(heard)
