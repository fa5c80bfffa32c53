"""Knobs of SLURM jobs: experiments/slurm/<profile>.yaml. No part of an experiment, and so of no run's identity."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class JobConfig:
    """What one job of a stage asks for."""

    time: str = "12:00:00"
    """Limit, as SLURM writes it: minutes, hours:minutes:seconds or days-hours. Trainings that reach it go on in the next turn."""
    partition: str = ""
    """Empty: the cluster's default."""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    nodes: int = 0
    """Nodes of a pre-training or training; 0: the experiment's `trainer.nodes`. Every other stage uses one."""
    devices: int = 0
    """Processes per node of a pre-training or training; 0: the experiment's `trainer.devices`. Every other stage is one process."""
    gpus: int = 0
    """GPUs per process."""
    cpus: int = 4
    """CPU cores per process: `data.workers` of them read clips."""
    memory: str = ""
    """Of a node, as SLURM writes it (64G); empty: the partition's default."""
    signal_s: int = 120
    """So long before the limit a stage that can save is told (SIGUSR1) to save and go on in the next turn; 0: not at all."""
    extra: list[str] = field(default_factory=list)
    """Further options of sbatch, such as --reservation=spring."""
    setup: list[str] = field(default_factory=list)
    """Shell lines before the command, such as `module load cuda/13`."""


@dataclass(frozen=True)
class SlurmConfig:
    """What jobs of a sweep ask for, stage by stage, and what the cluster takes."""

    stages: dict[str, JobConfig]
    """Every stage's job."""
    max_array: int = 1000
    """Tasks in one array; SLURM's MaxArraySize less one."""
    at_once: int = 0
    """Tasks of one array that run at once; 0: as many as the cluster gives."""
