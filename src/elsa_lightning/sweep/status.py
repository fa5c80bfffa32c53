"""What has become of a plan: looks at the runs' folders and at SLURM's queue. Imports no torch.

A row whose last stage is done needs no look at the others: one file for each finished row, so that 10,000 rows answer in a second.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from elsa_lightning.atomic import read_json
from elsa_lightning.runs import Run
from elsa_lightning.sweep.arrays import ORDER
from elsa_lightning.sweep.plan_file import Sweep
from elsa_lightning.sweep.queue import Job

STATES = ("done", "running", "queued", "failed", "missing")


@dataclass(frozen=True)
class Stage:
    """A stage's state.

    Attributes:
        run: its folder below runs/.
        state: one of `STATES`.
        text: how far it is, the job, the fault or how often it was started.
    """

    run: str
    state: str
    text: str = ""


@dataclass(frozen=True)
class Status:
    """A plan's state.

    Attributes:
        stages: those that are not done and wanted, and those that are done, each once; parents first.
        rows: (row, seed) → its last stage's state; of an unfinished row that of its first unfinished stage.
    """

    stages: list[Stage]
    rows: dict[tuple[str, int], Stage]

    @property
    def by_stage(self) -> dict[str, Counter[str]]:
        """Name of a stage → how many are in each state."""
        counts: dict[str, Counter[str]] = {}
        for one in self.stages:
            counts.setdefault(one.run.partition("/")[0], Counter())[one.state] += 1
        return {name: counts[name] for name in ORDER if name in counts}

    @property
    def by_row(self) -> Counter[str]:
        """How many rows and seeds are in each state."""
        return Counter(one.state for one in self.rows.values())


def status(sweep: Sweep, runs: Path, jobs: Sequence[Job] = ()) -> Status:
    """What has become of a plan.

    Args:
        sweep: the plan.
        runs: folder of all runs.
        jobs: that SLURM has.
    """
    queued: dict[str, Job] = {}
    for job in jobs:
        if job.run not in queued or queued[job.run].waits:
            queued[job.run] = job
    root = str(runs)
    assumed: dict[int, Stage] = {}
    seen: dict[int, Stage] = {}
    rows: dict[tuple[str, int], Stage] = {}
    for line in sweep.runs:
        last = line.stages[-1]
        if last in assumed or is_done(root, sweep.stages[last].run):
            for number in line.stages:
                assumed[number] = Stage(sweep.stages[number].run, "done")
            rows[line.row, line.seed] = assumed[last]
            continue
        for number in line.stages:
            if number not in seen:
                seen[number] = _look(root, sweep.stages[number].run, queued)
        rows[line.row, line.seed] = _of_row([seen[number] for number in line.stages])
    known = assumed | seen
    return Status([known[number] for number in sorted(known)], rows)


def is_done(root: str, run: str) -> bool:
    """Whether a run is finished: as `Run.done`, in a tenth of its time where there is no such file."""
    try:
        with open(f"{root}/{run}/done.json", "rb") as file:
            return isinstance(msgspec.json.decode(file.read()), dict)
    except (OSError, msgspec.MsgspecError):
        return False


def _look(root: str, name: str, queued: dict[str, Job]) -> Stage:
    """The state of one stage: its own folder's word before SLURM's."""
    if is_done(root, name):
        return Stage(name, "done")
    job = queued.get(name)
    if not os.path.isdir(f"{root}/{name}"):
        return Stage(name, *_in_queue(job)) if job else Stage(name, "missing")
    run = Run(Path(root, name))
    state = run.state
    if state.startswith("running"):
        words = [state.removeprefix("running").strip(), str(run.status.get("text") or ""), f"job {job.id}" if job else "", starts(run)]
        return Stage(name, "running", "  ".join(word for word in words if word))
    if job:
        found, text = _in_queue(job)
        return Stage(name, found, "  ".join(word for word in (text, starts(run)) if word))
    if state == "failed":
        return Stage(name, "failed", str((run.failure or {}).get("error", "")))
    return Stage(name, "missing", f"begun, nobody works on it  {starts(run)}".rstrip() if starts(run) else "")


def _in_queue(job: Job) -> tuple[str, str]:
    if job.waits:
        return "queued", f"job {job.id} ({job.reason})"
    return "running", f"job {job.id} ({job.state.lower()})"


def starts(run: Run) -> str:
    """How often a run was started, where it was more than once."""
    meta = read_json(run.folder / "meta.json")
    count = len(meta.get("attempts", [])) if isinstance(meta, dict) else 0
    return f"start {count}" if count > 1 else ""


def _of_row(stages: Sequence[Stage]) -> Stage:
    """What an unfinished row waits for: its failed stage, else the one that runs, else its first unfinished one."""
    for state in ("failed", "running"):
        found = [one for one in stages if one.state == state]
        if found:
            return found[0]
    return next((one for one in stages if one.state != "done"), stages[-1])  # finished since we looked


def lines(sweep: Sweep, found: Status, most: int | None = 20) -> list[str]:
    """The state in words: stages by name, rows, and what is not done.

    Args:
        sweep: the plan.
        found: its state.
        most: unfinished rows to name at most; None: all.
    """
    counts, total = found.by_row, len(found.rows)
    words = [f"{counts[state]} {state}" for state in STATES if counts[state]]
    text = [f"{sweep.name}: {total} rows and seeds: {', '.join(words) or 'none'}"]
    width = max((len(name) for name in found.by_stage), default=0)
    for name, states in found.by_stage.items():
        text.append(f"  {name:{width}s}  " + ", ".join(f"{states[state]} {state}" for state in STATES if states[state]))
    open_rows = [(row, seed, one) for (row, seed), one in found.rows.items() if one.state != "done"]
    open_rows.sort(key=lambda entry: ("failed", "running", "queued", "missing").index(entry[2].state))
    shown = open_rows if most is None else open_rows[:most]
    text += [f"{one.state:8s} {row}/{seed}  {one.run}  {one.text}".rstrip() for row, seed, one in shown]
    if len(shown) < len(open_rows):
        text.append(f"… and {len(open_rows) - len(shown)} more: --all shows them")
    return text


def as_json(sweep: Sweep, found: Status, jobs: Iterable[Job]) -> dict[str, Any]:
    """The state for programs."""
    return {
        "name": sweep.name,
        "rows": dict(found.by_row),
        "stages": {name: dict(states) for name, states in found.by_stage.items()},
        "runs": [
            {"row": row, "seed": seed, "state": one.state, "run": one.run, "text": one.text} for (row, seed), one in found.rows.items()
        ],
        "jobs": [{"id": job.id, "run": job.run, "state": job.state, "reason": job.reason} for job in jobs],
    }
