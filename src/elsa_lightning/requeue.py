"""What follows a stop: under SLURM the job goes back to the queue, so often and no oftener; elsewhere a person goes on. Imports no torch.

A run's folder keeps the list, `requeues.json`: job, count, signal, step and time of each. The count is of one job (`trainer.max_requeues`):
who submits anew begins anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import read_json, write_json
from elsa_lightning.errors import RunError
from elsa_lightning.lifetime import PARENT, Stopped

FILE = "requeues.json"

BELOW = "ELSA_SCHEDULED"
"""Environment variable of stages whose scheduler decides about the job: it may run several of them."""

SCONTROL_S = 60.0
"""Seconds that the controller gets to answer."""


def decides() -> bool:
    """Whether this process, and no scheduler above it, decides about the SLURM job that it is in."""
    return "SLURM_JOB_ID" in os.environ and PARENT not in os.environ and BELOW not in os.environ


def job_id() -> str:
    """The SLURM job that this process is in, as `scontrol` takes it: `123`, or `120_3` for a task of an array."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]


def requeues(folder: Path) -> list[dict[str, Any]]:
    """How often a run's jobs went back to the queue: job, count, signal, step, time of each, in order."""
    found = read_json(folder / FILE)
    return found if isinstance(found, list) else []


def after_stop(stop: Stopped, folders: Sequence[Path], most: int) -> str:
    """To be called when the work is saved and the locks are given back: SLURM may end this process as soon as it requeues its job.

    Args:
        stop: what stopped it.
        folders: runs that were under way.
        most: requeues of one job.

    Returns:
        What happened and how to go on, to be printed.
    """
    if not decides():
        return f"{stop}\n  → the same command goes on from there"
    state = job_state()
    if state == "PENDING":
        return f"{stop}; SLURM has put job {job_id()} back into the queue: it goes on from there"
    if state == "CANCELLED":
        return f"{stop}; job {job_id()} was cancelled\n  → submit it again to go on from there"
    job = job_id()
    own = [len([one for one in requeues(folder) if one.get("job") == job]) for folder in folders]
    count = max([int(os.environ.get("SLURM_RESTART_COUNT", "0")), *own])
    if count >= most:
        said = f"{stop}; job {job} was requeued {count} times, `trainer.max_requeues` allows {most}"
        return f"{said}\n  → submit it again to go on from there"
    for folder in folders:
        entry = {"job": job, "count": count + 1, "signal": stop.signal.name, "step": stop.step, "time": time.time()}
        _record(folder, [*requeues(folder), entry])
    fault = _scontrol("requeue", job)[1]
    if fault:
        for folder in folders:
            _record(folder, requeues(folder)[:-1])
        return f"{stop}; SLURM did not take job {job} back: {fault}\n  → submit it again to go on from there"
    return f"{stop}; job {job} was requeued, {count + 1} of at most {most} times: it goes on from there"


def job_state() -> str:
    """What has become of this job: CANCELLED where a person ended it (`scancel`), PENDING where SLURM itself has requeued it, else RUNNING.

    SLURM sends the same SIGTERM for all of them. A job whose processes are being ended is COMPLETING, whatever ends it (seen in 22.05): one
    that SLURM has requeued by its number of restarts, which is more than this process knows of; one at the limit of its time by the reason.
    If SLURM does not answer, it counts as running.
    """
    said, _ = _scontrol("--oneliner", "show", "job", job_id())
    found = dict(re.findall(r"\b(JobState|Reason|Restarts)=(\w+)", said))
    state = found.get("JobState", "RUNNING")
    if state in ("PENDING", "REQUEUED") or int(found.get("Restarts", 0)) > int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        return "PENDING"
    ended = state in ("CANCELLED", "COMPLETING") and found.get("Reason") != "TimeLimit"
    return "CANCELLED" if ended else "RUNNING"


def _record(folder: Path, entries: list[dict[str, Any]]) -> None:
    try:
        write_json(folder / FILE, entries)
    except (RunError, OSError) as fault:  # a full disk is no reason to lose the place in the queue: SLURM_RESTART_COUNT counts too
        print(f"the requeue could not be recorded: {fault}", flush=True)


def _scontrol(*words: str) -> tuple[str, str]:
    """Output and, if it failed, the reason."""
    program = shutil.which("scontrol")
    if program is None:
        return "", "there is no scontrol on this node"
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=SCONTROL_S)
    except (OSError, subprocess.TimeoutExpired) as fault:
        return "", str(fault)
    return done.stdout, "" if done.returncode == 0 else (done.stderr.strip() or f"scontrol ended with code {done.returncode}")
