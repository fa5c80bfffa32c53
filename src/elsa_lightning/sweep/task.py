"""What a job does before its stage's processes start: see that it can work, and write the run's config.yaml. Imports no torch."""

from __future__ import annotations

import time
from pathlib import Path

from elsa_lightning.errors import RunError
from elsa_lightning.locks import STALE_S, Held, holder_of
from elsa_lightning.runs import Run, prepare
from elsa_lightning.sweep.plan_file import read_plan

POLL_S = 2.0


def prepare_task(plan: Path, name: str, runs: Path, nodes: int = 0, devices: int = 0) -> Run:
    """The folder of a planned stage, ready for `elsa stage`.

    A job that comes back on another node finds its own lock, still warm: it waits until that has gone stale.

    Args:
        plan: the plan's file.
        name: of the run, `<stage>/<fingerprint>`.
        runs: folder of all runs.
        nodes: that its processes are spread over; 0: as the experiment says.
        devices: processes on each node; 0: likewise.

    Raises:
        RunError: a stage that it needs is not done.
        Held: another process works on it.
    """
    sweep = read_plan(plan)
    ref = sweep.refs([sweep.number_of(name)])[0]
    run = Run(runs / name)
    if run.done:
        return run
    open_parents = [f"{stage}/{mark}" for stage, mark in ref.parents.items() if not Run(runs / stage / mark).done]
    if open_parents:
        raise RunError(f"{name} needs {', '.join(open_parents)}, which is not done", f"submit it again: elsa sweep submit {sweep.name}")
    _wait_for(run)
    trainer = ref.experiment.trainer
    return prepare(ref, runs, (nodes or trainer.nodes, devices or trainer.devices))


def _wait_for(run: Run) -> None:
    """Wait until nobody holds the run, as long as a dead process' lock needs to go stale."""
    end = time.time() + STALE_S + POLL_S
    while holder := holder_of(run.folder / "lock"):
        if time.time() > end:
            raise Held(run.folder, holder)
        time.sleep(POLL_S)
