"""Submits what is left of a plan as job arrays. The same call again is always safe. Imports no torch.

What is done is left out, and so is what waits or runs already, in this sweep or in another one of the same runs folder. A task that still
waits for one that has ended without finishing would never run: it is cancelled and submitted anew.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from elsa_lightning.atomic import disk_faults, write_text
from elsa_lightning.errors import RunError
from elsa_lightning.pending import wanted
from elsa_lightning.runs import Run
from elsa_lightning.schema_slurm import SlurmConfig
from elsa_lightning.sweep import queue, snapshot
from elsa_lightning.sweep.arrays import Array, Task, make_arrays
from elsa_lightning.sweep.plan_file import SWEEPS, Sweep, write_plan
from elsa_lightning.sweep.queue import NEVER, Job, Submitted
from elsa_lightning.sweep.resources import layout
from elsa_lightning.sweep.script import Place, render, task_lines

CODE = "code"
"""Folder of snapshots, beside the sweeps."""

JOB_ID = re.compile(r"\d+")


@dataclass
class Due:
    """What a submission has to do.

    Attributes:
        done: runs that are finished.
        kept: jobs that have unfinished runs already.
        orphans: jobs that would never run.
        tasks: what to submit, parents first.
    """

    done: list[str] = field(default_factory=list)
    kept: list[Job] = field(default_factory=list)
    orphans: list[Job] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """An array as it is, or would be, submitted.

    Attributes:
        array: the array.
        path: of its script.
        script: its text.
        name: of the job.
    """

    array: Array
    path: Path
    script: str
    name: str

    def command(self, jobs: dict[str, str]) -> list[str]:
        """The call of sbatch, given the jobs of the arrays before."""
        after = self.array.dependency(jobs)
        return ["sbatch", "--parsable", *([f"--dependency={after}", "--kill-on-invalid-dep=yes"] if after else []), str(self.path)]


def due(sweep: Sweep, runs: Path, jobs: Sequence[Job], cluster: SlurmConfig) -> Due:
    """What is left of a plan, given what SLURM has of it.

    Args:
        sweep: the plan.
        runs: folder of all runs.
        jobs: that SLURM has, of any sweep in `runs`.
        cluster: says how many nodes and processes a training takes.

    Raises:
        ConfigError: a batch that these cannot share.
    """
    parents = {line.run: [sweep.stages[number].run for number in line.parents] for line in sweep.stages}
    left = wanted(parents, lambda name: Run(runs / name).done)
    todo, found = set(left.wanted), Due(left.done)
    alive: dict[str, Job] = {}
    for job in jobs:
        if job.run in todo and (job.run not in alive or alive[job.run].waits):
            alive[job.run] = job
    fresh: dict[str, list[str]] = {}
    for run in left.wanted:
        job, open_parents = alive.get(run), [parent for parent in parents[run] if parent in todo]
        if job and not (job.waits and (NEVER in job.reason or any(parent in fresh for parent in open_parents))):
            found.kept.append(job)
            continue
        if job:
            found.orphans.append(alive.pop(run))
        fresh[run] = open_parents
    numbers = {line.run: number for number, line in enumerate(sweep.stages)}
    for run, ref in zip(fresh, sweep.refs(numbers[run] for run in fresh), strict=True):
        new = tuple(parent for parent in fresh[run] if parent in fresh)
        implied = {before for parent in new for before in fresh[parent]}  # what is waited for anyway
        new = tuple(parent for parent in new if parent not in implied)
        old = tuple(alive[parent].id for parent in fresh[run] if parent in alive and parent not in implied)
        found.tasks.append(Task(run, ref.stage, new, old, layout(ref.stage, cluster.stages[ref.stage], ref.experiment)))
    return found


def make(sweep: Sweep, tasks: Sequence[Task], runs: Path, cluster: SlurmConfig, at_once: int = 0) -> tuple[Place, list[Made]]:
    """The arrays of a submission with their scripts; writes nothing.

    Args:
        sweep: the plan.
        tasks: what to submit.
        runs: folder of all runs.
        cluster: what jobs ask for.
        at_once: tasks of an array that run at once; 0: as `cluster` says.
    """
    home = (runs / SWEEPS / sweep.name).resolve()
    number = 1 + max((int(path.name) for path in home.glob("[0-9]*") if path.name.isdigit()), default=0)
    code = (runs / SWEEPS / CODE).resolve() / snapshot.name()
    place = Place(home / f"{number:03d}", runs.resolve(), code, Path.cwd(), sys.executable)
    made = []
    for array in make_arrays(tasks, cluster.max_array):
        name = f"{sweep.name}.{array.name}.{uuid4().hex[:12]}"
        text = render(array, name, cluster.stages[array.stage], place, at_once or cluster.at_once)
        made.append(Made(array, place.script_of(array), text, name))
    return place, made


def submit(
    sweep: Sweep,
    runs: Path,
    cluster: SlurmConfig,
    at_once: int = 0,
    uncommitted: bool = False,
    tell: Callable[[str], None] = print,
) -> dict[str, str]:
    """Submit what is left of a plan.

    Args:
        sweep: the plan.
        runs: folder of all runs.
        cluster: what jobs ask for.
        at_once: tasks of an array that run at once; 0: as `cluster` says.
        uncommitted: submit code that no commit holds.
        tell: prints a line.

    Returns:
        Array → its job's id.

    Raises:
        RunError: no SLURM, another submission under way, changed code, or a refusal of sbatch. What was submitted before it stays.
    """
    queue.require_slurm()
    if not uncommitted:
        snapshot.require_clean()
    folder = runs / SWEEPS
    with queue.submitting(folder):
        journal = queue.read_journal(folder)
        found = due(sweep, runs, queue.queued(journal), cluster)
        tell(summary(found, len(sweep.stages)))
        if found.orphans:
            queue.cancel(found.orphans)
            tell(f"cancelled {len(found.orphans)} that waited for what will never be: {', '.join(job.id for job in found.orphans[:10])}")
        if not found.tasks:
            return {}
        place, made = make(sweep, found.tasks, runs, cluster, at_once)
        _write(sweep, place, made)
        jobs: dict[str, str] = {}
        for one in made:
            tasks = {str(number): run for number, run in one.array.tasks.items()}
            queue.enter(folder, Submitted(one.name.rpartition(".")[2], sweep.name, place.folder.name, one.array.name, tasks))
            said = queue.slurm(*one.command(jobs)).strip().partition(";")[0]
            if not JOB_ID.fullmatch(said):
                raise RunError(f"sbatch said {said!r} instead of a job's number", "look with squeue --me; the same call submits the rest")
            jobs[one.array.name] = said
            tell(f"{said:>10s}  {one.array.name:20s} {len(tasks)} tasks  {one.array.dependency(jobs)}".rstrip())
    return jobs


def dry_run(sweep: Sweep, runs: Path, cluster: SlurmConfig, at_once: int = 0) -> str:
    """The scripts and the calls of sbatch that `submit` would make now; `$NAME` stands for the job of an array before."""
    found = due(sweep, runs, queue.queued(queue.read_journal(runs / SWEEPS)), cluster)
    _, made = make(sweep, found.tasks, runs, cluster, at_once)
    jobs = {one.array.name: "${" + one.array.name.replace("-", "_").upper() + "}" for one in made}
    parts = [f"# {summary(found, len(sweep.stages))}"]
    for one in made:
        command = " ".join(word if "$" in word else shlex.quote(word) for word in one.command(jobs))
        lines = [f"# ---- {one.path}", one.script.rstrip(), f"# ---- {one.path.with_suffix('.tasks')}"]
        lines += [f"# {line}" for line in task_lines(one.array).splitlines()]
        parts.append("\n".join([*lines, f"# ---- {jobs[one.array.name][2:-1]}=$({command})"]))
    return "\n\n".join(parts)


def summary(found: Due, stages: int) -> str:
    """A line about what is to be done."""
    return f"{stages} stages: {len(found.done)} done, {len(found.kept)} in the queue already, {len(found.tasks)} to submit"


def _write(sweep: Sweep, place: Place, made: Iterable[Made]) -> None:
    """The submission's folder, whole before anything is submitted."""
    snapshot.take(place.code)
    with disk_faults(place.folder):
        (place.folder / "logs").mkdir(parents=True)
    write_plan(sweep, place.folder)
    for one in made:
        write_text(one.path, one.script)
        write_text(place.tasks_of(one.array), task_lines(one.array))
        os.chmod(one.path, 0o755)
