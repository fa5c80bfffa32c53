"""SLURM's queue, by its own commands, and the journal of what was submitted. Imports no torch.

Every array has a token in its name, which the journal holds with the runs of its tasks *before* sbatch is called: so a job is known
whatever dies when, and whoever asks the queue finds the run behind each task. One journal serves all sweeps of a runs folder, which may
share stages.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from elsa_lightning.atomic import disk_faults
from elsa_lightning.errors import RunError

JOURNAL = "jobs.jsonl"
LOCK = "submit.lock"

PATIENCE_S = 30.0
"""How long a command of SLURM's may take."""

NEVER = "DependencyNeverSatisfied"
"""Reason of a task whose parent has failed; SLURM removes it soon."""

FIELDS = "%j|%F|%K|%T|%r"
"""Name, the array's job, number, state, reason: one line a task with `squeue --array`."""


class Submitted(msgspec.Struct):
    """A line of the journal: an array that was, or was about to be, submitted."""

    token: str
    sweep: str
    submission: str
    array: str
    tasks: dict[str, str]


@dataclass(frozen=True)
class Job:
    """A task that SLURM has.

    Attributes:
        run: the run it works on.
        id: as `123_4`.
        state: SLURM's word: PENDING, RUNNING, COMPLETING, …
        reason: why it waits.
        sweep: that submitted it.
    """

    run: str
    id: str
    state: str
    reason: str
    sweep: str

    @property
    def waits(self) -> bool:
        """Whether it has not begun."""
        return self.state == "PENDING"


def has_slurm() -> bool:
    """Whether this machine can talk to a cluster."""
    return shutil.which("squeue") is not None and shutil.which("sbatch") is not None


def require_slurm() -> None:
    """Refuse to go on without.

    Raises:
        RunError: there is no sbatch here.
    """
    if not has_slurm():
        raise RunError(
            "there is no SLURM on this machine (no sbatch on PATH)",
            "call it on a login node; look with --dry-run; or run the plan here: elsa sweep run NAME --local",
        )


def slurm(*command: str, patience_s: float = PATIENCE_S) -> str:
    """What a command of SLURM's prints.

    Raises:
        RunError: it failed or did not answer.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise RunError(f"{command[0]} has not answered within {patience_s:.0f} s", "try again; `scontrol ping` says who is down") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise RunError(f"{' '.join(command)} failed: {said}", "mend what it says; what is submitted already is not submitted again")
    return done.stdout


def read_journal(folder: Path) -> list[Submitted]:
    """What was submitted from a folder of sweeps; a line that a kill cut short is left out."""
    found = []
    try:
        lines = (folder / JOURNAL).read_bytes().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Submitted))
        except msgspec.MsgspecError:
            continue
    return found


def enter(folder: Path, line: Submitted) -> None:
    """Add a line to the journal, on the disk when this returns."""
    with disk_faults(folder), (folder / JOURNAL).open("ab") as file:
        file.write(b"\n" if _is_cut(folder / JOURNAL) else b"")
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _is_cut(path: Path) -> bool:
    """Whether the last line has no end."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def queued(journal: Sequence[Submitted], patience_s: float = PATIENCE_S) -> list[Job]:
    """The tasks of the journal that SLURM has: those that wait, run or are ending.

    Raises:
        RunError: squeue does not answer.
    """
    known = {line.token: line for line in journal}
    if not known or not has_slurm():
        return []
    jobs = []
    for line in slurm("squeue", "--me", "--noheader", "--array", f"--format={FIELDS}", patience_s=patience_s).splitlines():
        name, array, number, state, reason = line.strip().split("|", 4)
        of = known.get(name.rpartition(".")[2])
        if of and number in of.tasks:
            jobs.append(Job(of.tasks[number], f"{array}_{number}", state, reason, of.sweep))
    return jobs


def cancel(jobs: Sequence[Job]) -> None:
    """Cancel tasks, some hundred a command."""
    for start in range(0, len(jobs), 200):
        slurm("scancel", *(job.id for job in jobs[start : start + 200]))


@contextmanager
def submitting(folder: Path) -> Iterator[None]:
    """Only one submission at a time looks at the queue and adds to it.

    Raises:
        RunError: another one is under way.
    """
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"another submission from {folder} is under way", "wait for it: nothing is submitted twice") from None
        yield
