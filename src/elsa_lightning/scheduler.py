"""Runs planned stages on this machine, each in a process of its own. Imports no torch.

A stage starts when its parents are done; stages with equal fingerprints are one stage; finished ones are skipped; one that another live
process works on is waited for. A failed stage holds up only what depends on it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from elsa_lightning.atomic import NEARLY_FULL_GB, disk_faults, free_gb
from elsa_lightning.lifetime import PARENT, Stopped, listening
from elsa_lightning.locks import Held, holder_of
from elsa_lightning.pending import wanted
from elsa_lightning.provenance import cores
from elsa_lightning.ranks import RANKED, require_accelerator, require_single_scheduler, srun_of
from elsa_lightning.requeue import BELOW, after_stop, decides
from elsa_lightning.runs import Run, prepare
from elsa_lightning.stages_plan import StageRef
from elsa_lightning.watching import Watcher, duration, watcher

STAGE_COMMAND = (sys.executable, "-m", "elsa_lightning", "stage")
"""Command that works on a run folder, which is appended."""

GRACE_S = 60.0
"""Seconds that stages get to finish their step, save and stop after an interrupt."""


@dataclass
class Outcome:
    """What became of a plan.

    Attributes:
        done: names of stages that are finished now.
        failed: name → last lines of the log.
        blocked: name → name of the failed stage it needs.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 where everything is done."""
        return 3 if self.failed or self.blocked else 0


class Interrupted(KeyboardInterrupt):
    """The scheduler was stopped.

    Args:
        text: what is kept and how to go on.
        exit_code: of the command: 130 after Ctrl-C, `Stopped.exit_code` after SIGTERM or SIGUSR1.
    """

    def __init__(self, text: str, exit_code: int = 130) -> None:
        self.exit_code = exit_code
        super().__init__(text)


class Scheduler:
    """Executes the stages of one plan.

    Args:
        stages: parents before children; equal fingerprints count once.
        runs: folder of all runs.
        jobs: stages at a time; the CPU threads are shared among them.
        command: what works on a run folder (tests put a stub here).
        tell: prints a line.
        poll_s: seconds between looks at the processes.
    """

    def __init__(
        self,
        stages: Sequence[StageRef],
        runs: Path,
        jobs: int = 1,
        command: Sequence[str] = STAGE_COMMAND,
        tell: Callable[[str], None] | None = None,
        poll_s: float = 0.2,
    ) -> None:
        self.stages = {ref.run_id: ref for ref in stages}
        self.runs, self.jobs, self.command, self.poll_s = runs, max(1, jobs), tuple(command), poll_s
        self.outcome = Outcome()
        self._waiting = list(self.stages)
        self._running: dict[str, tuple[subprocess.Popen, float]] = {}
        self._told: dict[str, tuple[subprocess.Popen, float]] = {}
        self._elsewhere: set[str] = set()
        self._watcher: Watcher = watcher(tell)

    def run(self) -> Outcome:
        """Work until nothing is left that can be done.

        Raises:
            Interrupted: on Ctrl-C, SIGTERM or SIGUSR1, or when a stage was told to stop, after all stages have been stopped.
            RunError: a stage wants several nodes and this is no SLURM job, or a GPU that is not there; srun started several schedulers.
        """
        require_single_scheduler()
        for name, ref in self.stages.items():
            if ref.stage in RANKED and not Run(self.runs / name).done:
                require_accelerator(ref.experiment.trainer)
        with listening(), self._watcher:
            try:
                self._skip_finished()
                for name in self._waiting:  # what cannot be started is said before hours of work
                    self._srun(name)
                while self._waiting or self._running:
                    self._reap()
                    self._start_ready()
                    self._watcher.update({name: Run(self.runs / name).status for name in self._running})
                    if self._waiting or self._running:
                        time.sleep(self.poll_s)
            except KeyboardInterrupt as stop:
                self._stop()
                raise self._interrupted(stop) from None
            except BaseException:
                self._stop()
                raise
        return self.outcome

    def _skip_finished(self) -> None:
        """What is done is skipped, and so is what only it would have needed."""
        parents = {name: [f"{stage}/{mark}" for stage, mark in ref.parents.items()] for name, ref in self.stages.items()}
        left = wanted(parents, lambda name: Run(self.runs / name).done)
        self.outcome.done, self._waiting = left.done, left.wanted
        if self.outcome.done:
            self._watcher.line(f"{len(self.outcome.done)} of {len(self.stages)} stages are done already")

    def _start_ready(self) -> None:
        for name in list(self._waiting):
            parents = [f"{stage}/{mark}" for stage, mark in self.stages[name].parents.items()]
            broken = [p for p in parents if p in self.outcome.failed or p in self.outcome.blocked]
            if broken:
                self._waiting.remove(name)
                self.outcome.blocked[name] = self.outcome.blocked.get(broken[0], broken[0])
            elif all(Run(self.runs / p).done for p in parents) and len(self._running) < self.jobs:
                self._start(name)

    def _start(self, name: str) -> None:
        run = Run(self.runs / name)
        if run.done:
            self._waiting.remove(name)
            self.outcome.done.append(name)
            return
        holder = holder_of(run.folder / "lock")
        if holder:
            if name not in self._elsewhere:
                self._watcher.line(f"{name}: waiting for {holder.name}, which works on it")
                self._elsewhere.add(name)
            return
        prepare(self.stages[name], self.runs)
        with disk_faults(run.folder), (run.folder / "log.txt").open("ab") as log:
            srun, streams = self._srun(name), {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            command = [*srun, *self.command, str(run.folder)]
            process = subprocess.Popen(command, **streams, env=self._environment(bool(srun)), start_new_session=True)
        self._waiting.remove(name)
        self._running[name] = (process, time.time())
        self._watcher.start(name, self.stages[name].experiment.seed)

    def _srun(self, name: str) -> list[str]:
        return srun_of(self.stages[name].stage, self.stages[name].experiment.trainer)

    def _environment(self, elsewhere: bool = False) -> dict[str, str]:
        """Of a stage; one that srun starts, elsewhere, is no child of this process and ends with its job."""
        threads = str(max(1, cores() // self.jobs))
        values = {"OMP_NUM_THREADS": threads, **os.environ, "ELSA_THREADS": threads, "PYTHONUNBUFFERED": "1"}
        values.pop(PARENT, None)
        return values | {BELOW: "1"} | ({} if elsewhere else {PARENT: str(os.getpid())})

    def _reap(self) -> None:
        for name, (process, started) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[name]
            run = Run(self.runs / name)
            if run.done:
                self.outcome.done.append(name)
                self._watcher.end(name, f"done in {duration(time.time() - started)}")
            elif code == Held.exit_code:
                self._waiting.append(name)
                self._watcher.end(name, "another process has it")
            elif code == Stopped.exit_code:  # SLURM signals the steps of a job, and not its batch script
                self._told[name] = (process, started)
                self._watcher.end(name, "was told to stop")
                raise Stopped(signal.SIGUSR1)
            else:
                self.outcome.failed[name] = reason(run, code)
                self._watcher.end(name, f"FAILED after {duration(time.time() - started)}\n{self.outcome.failed[name]}")

    def _stop(self) -> None:
        """Interrupt all stages, wait for them to save, kill those that do not come to an end."""
        processes = [process for process, _ in self._running.values()]
        try:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            end = time.time() + GRACE_S
            for process in processes:
                process.wait(max(0.0, end - time.time()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _interrupted(self, stop: KeyboardInterrupt) -> Interrupted:
        """What to raise once the stages have stopped; in a SLURM job that was told to stop, after it went back to the queue."""
        done = sum(Run(self.runs / name).done for name in self.stages)
        text = f"stopped: {done} of {len(self.stages)} stages are done and kept in {self.runs}"
        under_way = [name for name in {**self._told, **self._running} if not Run(self.runs / name).done]
        if under_way:
            text += f"; {', '.join(under_way)} will go on from the last checkpoint or begin again"
        if not (isinstance(stop, Stopped) and decides()):
            return Interrupted(f"{text}\n  → the same command goes on from there", getattr(stop, "exit_code", 130))
        most = max(ref.experiment.trainer.max_requeues for ref in self.stages.values())
        return Interrupted(f"{text}\n{after_stop(stop, [self.runs / name for name in under_way], most)}", stop.exit_code)


def reason(run: Run, code: int, lines: int = 8) -> str:
    """Why a stage failed: its recorded fault, else the last lines of its log."""
    failure = run.failure
    log = run.folder / "log.txt"
    if failure:
        return f"  {failure['error']}\n  → {failure['remedy']}\n  log: {log}"
    tail = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    if free_gb(log.parent) < NEARLY_FULL_GB:  # then neither the fault nor the log could be written
        full = f"  no space left on the disk of {log.parent}"
        return f"{full}\n  → make room, or put runs elsewhere with --runs FOLDER; finished work is kept\n  log: {log}"
    killed = f"  killed by {signal.Signals(-code).name}" if code < 0 else f"  ended with code {code}"
    return "\n".join([killed, *(f"  | {line}" for line in tail), f"  log: {log}"])
