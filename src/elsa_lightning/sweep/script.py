"""The batch script of a job array: a pure function of what it is to do. Imports no torch."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from elsa_lightning.ranks import RANKED
from elsa_lightning.schema_slurm import JobConfig
from elsa_lightning.sweep.arrays import Array

SAVING = (*RANKED, "captioner")
"""Stages that save and go on where they were; the others would begin again, and reach the limit again."""


@dataclass(frozen=True)
class Place:
    """Where a submission lies and what it runs with; all paths absolute, on a disk that every node sees.

    Attributes:
        folder: of the submission: plan, scripts, lists of tasks, logs.
        runs: of all runs.
        code: folder of the package's snapshot.
        work: folder that relative paths of the experiments start from.
        python: the interpreter.
    """

    folder: Path
    runs: Path
    code: Path
    work: Path
    python: str

    def script_of(self, array: Array) -> Path:
        """Its batch script."""
        return self.folder / f"{array.name}.sbatch"

    def tasks_of(self, array: Array) -> Path:
        """Its list of tasks: number and run, one a line."""
        return self.folder / f"{array.name}.tasks"


def render(array: Array, job_name: str, job: JobConfig, place: Place, at_once: int = 0) -> str:
    """The batch script. The plan's stage is prepared once, by the batch shell; its processes are tasks of one `srun`, to which signals go.

    Args:
        array: what it does.
        job_name: by which the job is found again.
        job: what each task asks for.
        place: of its files.
        at_once: tasks that run at once; 0: no limit.
    """
    nodes, devices = array.layout
    python, run = shlex.quote(place.python), f'{shlex.quote(str(place.runs))}/"$run"'
    layout = f"--nodes={nodes} --ntasks-per-node={devices}"
    prepare = f'{python} -m elsa_lightning sweep prepare {shlex.quote(str(place.folder / "plan.json"))} "$run"'
    prepare += f" --runs {shlex.quote(str(place.runs))}"
    prepare += f" --nodes {nodes} --devices {devices}" if array.stage in RANKED else ""
    pick = f"awk -v task=\"$SLURM_ARRAY_TASK_ID\" '$1 == task {{print $2}}' {shlex.quote(str(place.tasks_of(array)))}"
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options(array, job_name, job, place, at_once)),
        f"# Written by elsa sweep submit: {array.stage}, {len(array.tasks)} of the tasks in {place.tasks_of(array).name}",
        *opening(job, place),
        f"export PYTHONUNBUFFERED=1 OMP_NUM_THREADS={job.cpus} ELSA_THREADS={job.cpus * devices}",
        f"run=$({pick})",
        'echo "$(date +%FT%T) $(hostname -s): $run, start ${SLURM_RESTART_COUNT:-0}"',
        prepare,
        f"srun --kill-on-bad-exit=1 {layout} --cpus-per-task={job.cpus} --output={run}/log.txt --open-mode=append \\",
        f"    {python} -m elsa_lightning stage {run}",
    ]
    return "\n".join(lines) + "\n"


def opening(job: JobConfig, place: Place) -> list[str]:
    """The lines after the options: the user's set-up, where a fault ends the job, the folder, and the snapshot before what modules brought.

    Unset variables are an error only after the set-up: scripts of modules and environments read such."""
    return [
        "set -eo pipefail",
        *job.setup,
        "set -u",
        f"cd {shlex.quote(str(place.work))}",
        f'export PYTHONPATH={shlex.quote(str(place.code))}"${{PYTHONPATH:+:$PYTHONPATH}}"',
    ]


def options(array: Array, job_name: str, job: JobConfig, place: Place, at_once: int) -> list[str]:
    """What the script asks sbatch for."""
    nodes, devices = array.layout
    words = {
        "job-name": job_name,
        "array": array.numbers() + (f"%{at_once}" if at_once else ""),
        "output": shlex.quote(str(place.folder / "logs" / f"{array.name}-%A_%a.txt")),
        "time": job.time,
        "partition": job.partition,
        "account": job.account,
        "qos": job.qos,
        "constraint": job.constraint,
        "nodes": str(nodes),
        "ntasks-per-node": str(devices),
        "cpus-per-task": str(job.cpus),
        "gpus-per-node": str(job.gpus * devices) if job.gpus else "",
        "mem": job.memory,
        "signal": f"USR1@{job.signal_s}" if job.signal_s and array.stage in SAVING else "",
    }
    return [*(f"--{name}={value}" for name, value in words.items() if value), "--open-mode=append", "--requeue", *job.extra]


def task_lines(array: Array) -> str:
    """The list of tasks that the script looks its run up in."""
    return "".join(f"{number} {run}\n" for number, run in sorted(array.tasks.items()))
