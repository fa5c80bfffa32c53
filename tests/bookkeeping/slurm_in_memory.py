"""Tables of many rows, and a SLURM in memory."""

from __future__ import annotations

import random
import re
from pathlib import Path

MANY = """
table: many
title: Many rows
source: nowhere
base: ../experiments/small.yaml
columns: [{key: retrieval/map10, label: mAP}]
rows:
"""


def many_rows(count: int) -> str:
    """A table file with rows that share nothing but rooms."""
    return MANY + "".join(f"  - {{id: r{i}, label: Row {i}, overrides: {{optim.lr: {0.001 + i * 1e-6:.6f}}}}}\n" for i in range(count))


class Slurm:
    """What `queue.slurm` talks to: arrays whose tasks start once their dependencies hold. Time passes by `pass_time` alone.

    A task's work is checked, not done: the runs that its stage reads must be finished when it starts, and no other live task may have
    the same run.
    """

    def __init__(self, runs: Path, parents: dict[str, list[str]], seed: int) -> None:
        self.runs, self.parents, self.random = runs, parents, random.Random(seed)
        self.tasks: dict[str, dict] = {}  # 123_4 → name, run, state, after
        self.calls: list[tuple[str, ...]] = []
        self.refuses = False

    def __call__(self, *command: str, patience_s: float = 0.0) -> str:
        self.calls.append(command)
        return getattr(self, command[0])(*command[1:])

    def sbatch(self, *words: str) -> str:
        from elsa_lightning.errors import RunError

        if self.refuses:
            raise RunError("sbatch failed: no more jobs")
        script = Path(words[-1]).read_text()
        array = str(100 + len({job.partition("_")[0] for job in self.tasks}))
        numbers = re.search(r"--array=([\d,-]+)", script)[1]
        listed = dict(line.split() for line in Path(words[-1]).with_suffix(".tasks").read_text().splitlines())
        after = next((word.partition("=")[2] for word in words if word.startswith("--dependency")), "")
        for span in numbers.split(","):
            first, _, last = span.partition("-")
            for number in range(int(first), int(last or first) + 1):
                run = listed[str(number)]
                assert not any(task["run"] == run and task["state"] in ("PENDING", "RUNNING") for task in self.tasks.values()), run
                name = re.search(r"--job-name=(\S+)", script)[1]
                self.tasks[f"{array}_{number}"] = {"name": name, "run": run, "state": "PENDING", "after": self._parse(after, number)}
        assert len(listed) == sum(job.startswith(array + "_") for job in self.tasks)
        return array + ";lab\n"

    def _parse(self, text: str, number: int) -> list[str]:
        jobs = []
        for word in filter(None, text.split(",")):
            kind, *names = word.split(":")
            assert kind in ("aftercorr", "afterok")
            jobs += [f"{name}_{number}" if kind == "aftercorr" else name for name in names]
        assert all(job in self.tasks for job in jobs), jobs
        return jobs

    def squeue(self, *words: str) -> str:
        lines = []
        for job, task in self.tasks.items():
            if task["state"] in ("PENDING", "RUNNING"):
                array, _, number = job.partition("_")
                reason = "Dependency" if task["state"] == "PENDING" else "None"
                if task["state"] == "PENDING" and self._never(task) and self.random.random() < 0.5:
                    reason = "DependencyNeverSatisfied"
                lines.append(f"{task['name']}|{array}|{number}|{task['state']}|{reason}")
        return "\n".join([*lines, "another job|7|N/A|RUNNING|None"])

    def scancel(self, *jobs: str) -> str:
        for job in jobs:
            assert self.tasks[job]["state"] in ("PENDING", "RUNNING")
            self.tasks[job]["state"] = "CANCELLED"
        return ""

    def _never(self, task: dict) -> bool:
        return any(self.tasks[job]["state"] in ("FAILED", "CANCELLED") for job in task["after"])

    def done(self, run: str) -> bool:
        return (self.runs / run / "done.json").exists()

    def pass_time(self, failures: float = 0.0) -> bool:
        """Something happens to each task, perhaps; whether anything is left."""
        for task in list(self.tasks.values()):
            if task["state"] == "RUNNING":
                failed = self.random.random() < failures
                task["state"] = "FAILED" if failed else "COMPLETED"
                if not failed:
                    folder = self.runs / task["run"]
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / "done.json").write_text("{}")
            elif task["state"] == "PENDING":
                if self._never(task):
                    if self.random.random() < 0.3:  # SLURM notices in its own time
                        task["state"] = "CANCELLED"
                elif all(self.tasks[job]["state"] == "COMPLETED" for job in task["after"]) and self.random.random() < 0.7:
                    assert all(self.done(parent) for parent in self.parents[task["run"]]), task
                    task["state"] = "RUNNING"
        return any(task["state"] in ("PENDING", "RUNNING") for task in self.tasks.values())
