"""Run folders: `runs/<stage>/<fingerprint>/`, named by what produced them. Imports no torch.

config.yaml   stage, fingerprint, parents, corpus_hash, the full resolved experiment and its layout in a job: enough to run it again
meta.json     commit, versions, hardware, attempts with their durations
log.txt       what the stage printed
status.json   progress of the attempt that is under way
lock          who works here (locks.py)
requeues.json how often SLURM put it back into the queue (requeue.py)
failed.json   the fault that ended the last attempt; gone when the next one starts
done.json     written last, atomically: the run is finished, with these files (integrity.py)
…             what the stage itself writes (checkpoints/, metrics.json, …)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elsa_lightning import provenance
from elsa_lightning.atomic import disk_faults, read_json, write_json, write_text
from elsa_lightning.errors import ElsaError, RunError
from elsa_lightning.integrity import listing
from elsa_lightning.locks import hold, holder_of
from elsa_lightning.ranks import RANKED
from elsa_lightning.requeue import decides
from elsa_lightning.schema import Experiment
from elsa_lightning.stages_plan import StageRef

RUNS = "runs"
"""Default folder of all runs."""


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: `runs/<stage>/<fingerprint>`.
    """

    folder: Path

    @property
    def stage(self) -> str:
        """Name of the stage."""
        return self.folder.parent.name

    @property
    def name(self) -> str:
        """`<stage>/<fingerprint>`."""
        return f"{self.stage}/{self.folder.name}"

    @property
    def done(self) -> bool:
        """Whether the run is finished."""
        return isinstance(read_json(self.folder / "done.json"), dict)

    @property
    def failure(self) -> dict[str, Any] | None:
        """The fault that ended the last attempt: error, remedy, log; None where there was none."""
        return None if self.done else read_json(self.folder / "failed.json")

    @property
    def status(self) -> dict[str, Any]:
        """Progress of the attempt under way: fraction in [0, 1] (None: unknown) and text."""
        return read_json(self.folder / "status.json") or {"fraction": None, "text": ""}

    @property
    def state(self) -> str:
        """`done`, `running n %`, `failed` or `missing`."""
        if self.done:
            return "done"
        if holder_of(self.folder / "lock"):
            fraction = self.status.get("fraction")
            return "running" if fraction is None else f"running {100 * fraction:.0f} %"
        return "failed" if self.failure else "missing"

    @property
    def seconds(self) -> float | None:
        """Working time of all attempts together, s; None before the end."""
        done = read_json(self.folder / "done.json")
        return done.get("seconds") if isinstance(done, dict) else None

    def metrics(self) -> dict[str, Any]:
        """metrics.json of a finished evaluation: `metrics` {key: value} and `meta`.

        Raises:
            RunError: the file is missing or damaged.
        """
        found = read_json(self.folder / "metrics.json")
        if not isinstance(found, dict) or not isinstance(found.get("metrics"), dict):
            raise RunError(f"{self.folder / 'metrics.json'} is missing or damaged", f"delete the folder {self.folder} and run again")
        return found


@dataclass(frozen=True)
class RunConfig:
    """What config.yaml says.

    Attributes:
        stage: name of the stage.
        fingerprint: the folder's name.
        parents: stage name → folder of each parent run.
        corpus_hash: content hash of the corpus that was planned with.
        experiment: the resolved experiment.
    """

    stage: str
    fingerprint: str
    parents: dict[str, Path]
    corpus_hash: str
    experiment: Experiment


def prepare(ref: StageRef, runs: Path, layout: tuple[int, int] | None = None) -> Run:
    """The folder of a planned stage, with its config.yaml (the newest plan's, unless the run is done).

    Args:
        ref: the stage.
        runs: folder of all runs.
        layout: nodes and devices per node that this stage has, whatever the experiment says of all (`trainer.nodes`, `.devices`).
    """
    from omegaconf import OmegaConf

    from elsa_lightning.config import to_dict

    run = Run(runs / ref.stage / ref.fingerprint)
    if run.done:
        return run
    content = {
        "stage": ref.stage,
        "fingerprint": ref.fingerprint,
        "parents": {name: f"../../{name}/{mark}" for name, mark in ref.parents.items()},
        "corpus_hash": ref.corpus_hash,
        **({"layout": list(layout)} if layout else {}),
        "experiment": to_dict(ref.experiment),
    }
    with disk_faults(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    write_text(run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(content)), durable=False)
    return run


def read_config(folder: Path | str) -> RunConfig:
    """config.yaml of a run folder, typed.

    Raises:
        ConfigError: a missing or damaged file.
    """
    from elsa_lightning.config import from_dict
    from elsa_lightning.layers import read_yaml, shown_path

    folder = Path(folder)
    content = read_yaml(folder / "config.yaml")
    missing = {"stage", "fingerprint", "parents", "experiment"} - content.keys()
    if missing:
        raise RunError(f"{shown_path(folder / 'config.yaml')} lacks {', '.join(sorted(missing))}", "plan the run again: elsa table run …")
    parents = {name: (folder / path).resolve() for name, path in content["parents"].items()}
    experiment = from_dict(content["experiment"], shown_path(folder / "config.yaml"))
    if "layout" in content:
        nodes, devices = content["layout"]
        experiment = replace(experiment, trainer=replace(experiment.trainer, nodes=nodes, devices=devices))
    return RunConfig(content["stage"], content["fingerprint"], parents, content.get("corpus_hash", ""), experiment)


def write_status(folder: Path | str, fraction: float | None, text: str) -> None:
    """Tell whoever watches how far the stage is; cheap enough for every second, not for every step.

    Args:
        folder: the run folder.
        fraction: share that is done, in [0, 1]; None: unknown.
        text: a few words, such as `step 350/700  loss 3.21  410 clips/s`.
    """
    write_json(Path(folder) / "status.json", {"fraction": fraction, "text": text, "updated": time.time()}, durable=False)


def perform(folder: Path | str, execute: Callable[[Path], None]) -> bool:
    """Do a run's work once: hold its lock, record time and fault, write done.json if the work ends well.

    Args:
        folder: the run folder.
        execute: the work, given the folder; it continues from what an earlier attempt left there.

    Returns:
        False where the run was done already.

    Raises:
        Held: another live process works there.
        RunError: the lock was lost to another process meanwhile.
    """
    run = Run(Path(folder))
    with hold(run.folder, patient=decides()) as lock:
        if run.done:
            return False
        if lock.took_over:
            print(f"{run.name}: a former attempt was killed; continuing from what it left", flush=True)
        meta = _open_attempt(run)
        try:
            execute(run.folder)
            if lock.lost:
                raise RunError(f"{run.name} was taken over by another process", "let that one finish")
            _finish(run, meta)
        except BaseException as fault:
            _record_failure(run, meta, fault)
            raise
    return True


def assist(folder: Path | str, execute: Callable[[Path], None]) -> None:
    """A further process's share of a run that `perform` does in the first: no lock and no done.json, only the fault that it may have.

    Args:
        folder: the run folder.
        execute: the work; not called for a stage of one process, nor if the run is done.
    """
    run = Run(Path(folder))
    if run.done or run.stage not in RANKED:
        return
    try:
        execute(run.folder)
    except BaseException as fault:
        _write_fault(run, fault)  # before the first process notices that this one is gone
        raise


def _open_attempt(run: Run) -> dict[str, Any]:
    """meta.json with this attempt in it; a killed one gets the duration up to its last sign of life."""
    meta = read_json(run.folder / "meta.json") or {"attempts": []}
    last = run.status.get("updated") or 0.0
    for old in meta["attempts"]:
        if old["seconds"] is None:
            old["seconds"] = max(0.0, last - old["started"])
    (run.folder / "failed.json").unlink(missing_ok=True)
    meta = {**meta, **provenance.summary(), "attempts": [*meta["attempts"], {"started": time.time(), "seconds": None}]}
    write_json(run.folder / "meta.json", meta)
    write_status(run.folder, None, "starting")
    return meta


def _close_attempt(run: Run, meta: dict[str, Any]) -> None:
    meta["attempts"][-1]["seconds"] = max(0.0, time.time() - meta["attempts"][-1]["started"])  # a clock may be set back
    write_json(run.folder / "meta.json", meta)


def _finish(run: Run, meta: dict[str, Any]) -> None:
    _close_attempt(run, meta)
    with disk_faults(run.folder):
        files = listing(run.folder)
    seconds = sum(one["seconds"] for one in meta["attempts"])
    done = {"stage": run.stage, "fingerprint": run.folder.name, "seconds": seconds, "finished": time.time(), "files": files}
    write_json(run.folder / "done.json", done)
    (run.folder / "status.json").unlink(missing_ok=True)


def _record_failure(run: Run, meta: dict[str, Any], fault: BaseException) -> None:
    """Leave the fault's text behind; a full disk must not hide it behind a second fault."""
    try:
        _close_attempt(run, meta)
        _write_fault(run, fault)
    except (RunError, OSError):
        with contextlib.suppress(OSError):  # the log lies on the same disk
            print(f"{run.name}: the failure could not be recorded in {run.folder}", flush=True)


def _write_fault(run: Run, fault: BaseException) -> None:
    """failed.json; none for an interrupt. A fault of ours says more than that another process of this run is gone, whoever comes first."""
    if isinstance(fault, ElsaError):
        message, remedy = fault.message, fault.remedy
    elif isinstance(fault, KeyboardInterrupt | SystemExit) or run.failure is not None:
        return
    else:
        message, remedy = f"{type(fault).__name__}: {fault}", "this is a fault of the program: see log.txt"
    write_json(run.folder / "failed.json", {"error": message, "remedy": remedy, "log": "log.txt", "time": time.time()})
