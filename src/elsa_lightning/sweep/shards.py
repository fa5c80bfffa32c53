"""Data work as job arrays: a command in parts, and the call that joins them. Imports no torch.

Every part is a command that goes on where it was and does nothing where it is done, so that a part may be submitted again at any time. A
part that has ended well leaves a file in the sweep's `done/`; it, and what waits or runs, is not submitted again.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from elsa_lightning.atomic import disk_faults, read_json, write_json, write_text
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema_slurm import SlurmConfig
from elsa_lightning.sweep import queue, snapshot
from elsa_lightning.sweep.arrays import Array
from elsa_lightning.sweep.plan_file import FILE, SWEEPS
from elsa_lightning.sweep.queue import Job, Submitted
from elsa_lightning.sweep.script import Place, opening, options
from elsa_lightning.sweep.submit import CODE

COMMANDS: dict[tuple[str, str], tuple[str, str]] = {
    ("rooms", "bank"): ("rooms", "--join {count}"),
    ("data", "render"): ("features_train", "--join"),
    ("data", "rewrite"): ("captions", ""),
}
"""A command that knows `--shard I/N` → the stage whose resources its jobs get, and what makes the call that joins the parts."""

LAST = "last"
OWN = ("--shard", "--join")


@dataclass(frozen=True)
class Shards:
    """A command in parts.

    Attributes:
        name: of the sweep.
        count: parts.
        words: of the command, `elsa` and `--shard` left out.
        last: further words of the joining call.
    """

    name: str
    count: int
    words: list[str]
    last: list[str]

    def __post_init__(self) -> None:
        if tuple(self.words[:2]) not in COMMANDS:
            known = ", ".join(" ".join(command) for command in COMMANDS)
            raise ConfigError(f"`{' '.join(self.words[:2])}` does not work in parts", f"give one of: {known}")
        if self.count < 1:
            raise ConfigError(f"{self.count} parts", "give 1 or more")
        own = [word for word in self.words if word.partition("=")[0] in OWN]
        if own:
            raise ConfigError(f"`{own[0]}` is set for each part", "leave it out")

    @property
    def stage(self) -> str:
        """Whose resources the jobs get."""
        return COMMANDS[self.words[0], self.words[1]][0]

    def run(self, part: int | str) -> str:
        """The part's name in the journal."""
        return f"{self.name}/{part}"

    def joining(self) -> list[str]:
        """The words of the joining call."""
        return [*self.words, *COMMANDS[self.words[0], self.words[1]][1].format(count=self.count).split(), *self.last]


@dataclass(frozen=True)
class Made:
    """An array as it is, or would be, submitted; `after` are jobs that the joining waits for besides the parts of this submission."""

    array: Array
    path: Path
    script: str
    name: str
    after: tuple[str, ...] = ()

    def call(self, parts: str) -> list[str]:
        """The call of sbatch, given the job of this submission's parts (empty: there are none)."""
        jobs = [job for job in (parts, *self.after) if job] if self.array.name == LAST else []
        after = [f"--dependency=afterok:{':'.join(jobs)}", "--kill-on-invalid-dep=yes"] if jobs else []
        return ["sbatch", "--parsable", *after, str(self.path)]


def make(shards: Shards, runs: Path, cluster: SlurmConfig, jobs: Sequence[Job], at_once: int = 0) -> tuple[list[Made], list[Job], str]:
    """What is left: arrays, jobs that would never run, and a line about it; writes nothing.

    Raises:
        ConfigError: more parts than an array may have, or another command of that name.
    """
    home = (runs / SWEEPS / shards.name).resolve()
    if shards.count > cluster.max_array:
        raise ConfigError(
            f"{shards.count} parts are more than an array may have, {cluster.max_array}", "give fewer, or --slurm max_array=…"
        )
    before = read_json(home / "shards.json")
    if (home / FILE).exists() or (before is not None and before != [shards.count, shards.words]):
        raise ConfigError(f"the sweep {shards.name} is another work already", f"give another name, or remove {home}")
    parts = [str(part) for part in range(1, shards.count + 1)]
    done = {part for part in [*parts, LAST] if (home / "done" / part).exists()}
    alive = {job.run: job for job in jobs if job.sweep == shards.name}
    due = [part for part in parts if part not in done and shards.run(part) not in alive]
    waiting = tuple(job.id for run, job in alive.items() if run != shards.run(LAST))
    last = alive.get(shards.run(LAST))
    orphans = [last] if last and last.waits and (due or queue.NEVER in last.reason) else []
    text = f"{shards.count} parts: {len(done - {LAST})} done, {len(waiting)} in the queue already, {len(due)} to submit"
    arrays = [Array("parts", shards.stage, (1, 1), {int(part): shards.run(part) for part in due})] if due else []
    if LAST not in done and (not last or orphans):
        arrays.append(Array(LAST, shards.stage, (1, 1), {0: shards.run(LAST)}))
    number = 1 + max((int(path.name) for path in home.glob("[0-9]*") if path.name.isdigit()), default=0)
    place = Place(home / f"{number:03d}", runs.resolve(), (runs / SWEEPS / CODE).resolve() / snapshot.name(), Path.cwd(), sys.executable)
    made = []
    for array in arrays:
        name = f"{shards.name}.{array.name}.{uuid4().hex[:12]}"
        script = render(shards, array, name, cluster, place, at_once or cluster.at_once)
        made.append(Made(array, place.script_of(array), script, name, waiting))
    return made, orphans, text


def render(shards: Shards, array: Array, job_name: str, cluster: SlurmConfig, place: Place, at_once: int) -> str:
    """The batch script of the parts, or of the joining call."""
    job = cluster.stages[shards.stage]
    last = array.name == LAST
    words = shlex.join(shards.joining() if last else shards.words) + ("" if last else f' --shard "$SLURM_ARRAY_TASK_ID"/{shards.count}')
    part = LAST if last else '"$SLURM_ARRAY_TASK_ID"'
    done = shlex.quote(str(place.folder.parent / "done"))
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options(array, job_name, job, place, 0 if last else at_once)),
        f"# Written by elsa sweep shards: {shards.name}, {'the joining' if last else f'{len(array.tasks)} of {shards.count} parts'}",
        *opening(job, place),
        f"export PYTHONUNBUFFERED=1 OMP_NUM_THREADS={job.cpus}",
        f"srun --ntasks=1 --cpus-per-task={job.cpus} {shlex.quote(place.python)} -m elsa_lightning {words}",
        f"mkdir -p {done} && touch {done}/{part}",
    ]
    return "\n".join(lines) + "\n"


def submit(
    shards: Shards, runs: Path, cluster: SlurmConfig, at_once: int = 0, uncommitted: bool = False, tell: Callable[[str], None] = print
) -> dict[str, str]:
    """Submit the parts that are left, and the joining after them.

    Returns:
        Array → its job's id.

    Raises:
        RunError: no SLURM, another submission under way, changed code, or a refusal of sbatch. What was submitted before it stays.
        ConfigError: see `make`.
    """
    queue.require_slurm()
    if not uncommitted:
        snapshot.require_clean()
    folder = runs / SWEEPS
    jobs: dict[str, str] = {}
    with queue.submitting(folder):
        made, orphans, text = make(shards, runs, cluster, queue.queued(queue.read_journal(folder)), at_once)
        tell(text)
        queue.cancel(orphans)
        for one in made:
            _write(shards, one, runs)
            tasks = {str(number): run for number, run in one.array.tasks.items()}
            queue.enter(folder, Submitted(one.name.rpartition(".")[2], shards.name, one.path.parent.name, one.array.name, tasks))
            jobs[one.array.name] = queue.slurm(*one.call(jobs.get("parts", ""))).strip().partition(";")[0]
            tell(f"{jobs[one.array.name]:>10s}  {one.array.name:8s} {len(tasks)} tasks")
    return jobs


def dry_run(shards: Shards, runs: Path, cluster: SlurmConfig, at_once: int = 0) -> str:
    """The scripts and the calls of sbatch that `submit` would make now."""
    made, _, text = make(shards, runs, cluster, queue.queued(queue.read_journal(runs / SWEEPS)), at_once)
    parts = "${PARTS}" if any(one.array.name == "parts" for one in made) else ""
    shown = [f"# {text}"]
    for one in made:
        shown.append(f"# ---- {one.path}\n{one.script}# ---- {one.array.name.upper()}=$({' '.join(one.call(parts))})")
    return "\n\n".join(shown)


def _write(shards: Shards, made: Made, runs: Path) -> None:
    """What a job needs, before it is submitted."""
    snapshot.take((runs / SWEEPS / CODE).resolve() / snapshot.name())
    home = made.path.parent.parent
    with disk_faults(home):
        (made.path.parent / "logs").mkdir(parents=True, exist_ok=True)
    write_json(home / "shards.json", [shards.count, shards.words])
    write_text(made.path, made.script)
    os.chmod(made.path, 0o755)
