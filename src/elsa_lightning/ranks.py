"""Which process of a stage this one is, where a stage runs on several devices. Imports no torch.

On one node the stage's first process starts the others (Lightning's launcher runs the same command again with LOCAL_RANK set). On several,
the scheduler, in the batch script of a SLURM job, starts them all by `srun … elsa stage RUN_DIR`. The first process holds the lock and
writes done.json; the others compute their share.
"""

from __future__ import annotations

import os
import shutil

from elsa_lightning.errors import RunError
from elsa_lightning.lifetime import PARENT
from elsa_lightning.schema import TrainerConfig

RANKED = ("pretraining", "train")
"""Stages that run on several devices; every other one runs in one process."""

LAUNCHED = "ELSA_LAUNCHED_BY"
"""Environment variable by which a stage's first process tells those that it starts its own process id."""

FOREIGN = ("LOCAL_RANK", "RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What another launcher around us may have set for processes of its own."""


def started_by_srun() -> bool:
    """Whether this is one of several tasks of a SLURM step. (A batch script, and one `srun` task that starts others, are not.)"""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def process_rank() -> int:
    """0 for a stage's first process, and for every process that is no part of a stage."""
    if started_by_srun():
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("LOCAL_RANK", "0")) if LAUNCHED in os.environ else 0


def srun_of(stage: str, trainer: TrainerConfig) -> list[str]:
    """What the scheduler puts before a stage's command: `srun …` for several nodes, nothing for one.

    Raises:
        RunError: there is no SLURM job to start it in.
    """
    if stage not in RANKED or trainer.nodes == 1:
        return []
    if "SLURM_JOB_ID" not in os.environ or shutil.which("srun") is None:
        raise RunError(
            f"`trainer.nodes` is {trainer.nodes}, but this is no SLURM job that could start processes on them",
            "start the command in a batch script (sbatch), once and without srun (docs/training.md), or set trainer.nodes=1",
        )
    return ["srun", "--kill-on-bad-exit=1", f"--nodes={trainer.nodes}", f"--ntasks-per-node={trainer.devices}"]


def require_accelerator(trainer: TrainerConfig) -> None:
    """See, before rooms are simulated for it, that a training's accelerator is there. (Several nodes' are not seen from here.)

    Raises:
        RunError: it is asked for by name, and this machine has none.
    """
    if trainer.accelerator in ("auto", "cpu") or trainer.nodes > 1:
        return
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not (any(found.values()) if trainer.accelerator == "gpu" else found[trainer.accelerator]):
        raise RunError(
            f"`trainer.accelerator` is {trainer.accelerator}, and torch finds none on this machine",
            "set trainer.accelerator=auto, or look at `nvidia-smi` and at how torch was installed",
        )


def require_single_scheduler() -> None:
    """A scheduler starts processes itself: several of it, as tasks of one `srun`, would all do the same.

    Raises:
        RunError: srun started this process beside others.
    """
    if started_by_srun():
        raise RunError(
            f"srun started this command {os.environ['SLURM_STEP_NUM_TASKS']} times",
            "start it once, in the batch script without srun: it starts the processes of a training itself, on all nodes",
        )


def prepare_ranks(trainer: TrainerConfig) -> None:
    """To be called by each process before it trains: SLURM's tasks must be as many as are configured; processes that are to be started end
    with this one, and nothing of a launcher around us reaches them.

    Raises:
        RunError: several nodes without srun, or a step of another size.
    """
    wanted = trainer.devices * trainer.nodes
    command = f"srun --kill-on-bad-exit=1 --nodes={trainer.nodes} --ntasks-per-node={trainer.devices} elsa stage RUN_DIR"
    if started_by_srun():
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        if tasks != wanted:
            raise RunError(
                f"srun started {tasks} processes, but `trainer.devices` × `trainer.nodes` is {trainer.devices} × {trainer.nodes}",
                f"start one process per device: {command}",
            )
        return
    if trainer.nodes > 1:
        raise RunError(
            f"`trainer.nodes` is {trainer.nodes}, but this process was not started by srun: there is nobody on the other nodes",
            f"in a SLURM job, {command}",
        )
    if LAUNCHED not in os.environ:
        for name in FOREIGN:
            os.environ.pop(name, None)
        if wanted > 1:
            os.environ[LAUNCHED] = os.environ[PARENT] = str(os.getpid())
