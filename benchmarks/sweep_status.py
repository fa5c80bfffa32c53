"""How fast `elsa sweep status` answers on a plan of many runs.

    python benchmarks/sweep_status.py [--rows 10000] [--repeats 3]        (a minute or two; prints JSON)

A plan of so many rows with four stages each (rooms are shared); a third of the rows are done, a third in the queue, the rest not begun.
The queue is a stand-in for squeue that prints one line a task, as SLURM's does. Seconds are those of the whole command in a process of its
own, by the clock and of the processor; the best and the median of the repeats. Bar 3 of issue 7: under 2 s, and torch is not imported.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from elsa_lightning.config import load_experiment
from elsa_lightning.stages_plan import plan_run
from elsa_lightning.sweep import queue
from elsa_lightning.sweep.plan_file import SWEEPS, Sweep, freeze, write_plan
from elsa_lightning.table_file import load_table
from elsa_lightning.tables import Plan

ROOT = Path(__file__).resolve().parents[1]
TABLE = """
table: many
title: Many rows
source: a benchmark
base: {base}
columns: [{{key: retrieval/map10, label: mAP}}]
random: {{draws: {rows}, keys: {{optim.lr: {{log_uniform: [1.0e-5, 1.0e-2]}}, optim.weight_decay: {{uniform: [0, 1]}}}}}}
"""
COMMAND = """
import sys
from elsa_lightning.cli import main
code = main(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        sweep = make(folder, arguments.rows)
        planning_s = time.perf_counter() - start
        fill(sweep, folder)
        found = [ask(folder) for _ in range(arguments.repeats)]
    clock, processor = ([one[name] for one in found] for name in ("clock_s", "processor_s"))
    report = {
        "rows": arguments.rows,
        "stages": len(sweep.stages),
        "plan_mb": round(found[0]["plan_mb"], 1),
        "planning_s": round(planning_s, 1),
        "clock_s": {"best": min(clock), "median": statistics.median(clock)},
        "processor_s": {"best": min(processor), "median": statistics.median(processor)},
        "imports_torch": any(one["torch"] for one in found),
        "said": found[0]["said"],
        "bar": "under 2 s, no torch",
        "holds": {"clock_s": min(clock) < 2, "processor_s": min(processor) < 2, "no_torch": not any(one["torch"] for one in found)},
    }
    print(json.dumps(report, indent=1, ensure_ascii=False))


def make(folder: Path, rows: int) -> Sweep:
    """The plan, written. Its rows are one experiment with other values: resolving each from YAML takes 0.15 s of the processor."""
    path = folder / "many.yaml"
    path.write_text(TABLE.format(base=ROOT / "experiments" / "elsa.yaml", rows=rows))
    table = load_table(path)
    base = load_experiment(table.base, "smoke").experiment
    runs = {}
    for row in table.rows:
        lr, decay = (row.overrides[key] for key in ("optim.lr", "optim.weight_decay"))
        runs[row.id, 0] = plan_run(replace(base, optim=replace(base.optim, lr=lr, weight_decay=decay)), "c0ffee")
    sweep = freeze(Plan(table, "smoke", (0,), runs), "many")
    write_plan(sweep, folder / "runs" / SWEEPS / "many")
    return sweep


def fill(sweep: Sweep, folder: Path) -> None:
    """Folders of finished runs, a journal, and a squeue that knows it."""
    third = len(sweep.runs) // 3
    for line in sweep.runs[:third]:
        for run in runs_of(sweep, line.stages):
            (folder / "runs" / run).mkdir(parents=True, exist_ok=True)
            (folder / "runs" / run / "done.json").write_text(
                '{\n  "stage": "x",\n  "fingerprint": "x",\n  "seconds": 1.0,\n  "finished": 1.0\n}\n'
            )
    lines = []
    for stage in ("train", "embed", "evaluate"):
        waiting = [run for line in sweep.runs[third : 2 * third] for run in runs_of(sweep, line.stages) if run.startswith(stage + "/")]
        tasks = {str(i): run for i, run in enumerate(waiting)}
        queue.enter(folder / "runs" / SWEEPS, queue.Submitted(stage * 3, "many", "001", stage, tasks))
        lines += [f"many.{stage}.{stage * 3}|100|{number}|PENDING|Dependency" for number in tasks]
    (folder / "queue.txt").write_text("\n".join(lines) + "\n")
    (folder / "bin").mkdir()
    for name, text in (("squeue", f"cat {folder / 'queue.txt'}"), ("sbatch", "exit 1")):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)


def runs_of(sweep: Sweep, numbers: Iterable[int]) -> list[str]:
    """The folders of some stages."""
    return [sweep.stages[number].run for number in numbers]


def ask(folder: Path) -> dict[str, object]:
    """One call of the command."""
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = ["sweep", "status", "many", "--runs", str(folder / "runs")]
    done = subprocess.run([sys.executable, "-c", COMMAND, *words], env=environment, capture_output=True, text=True, check=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "clock_s": round(clock, 2),
        "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "torch": done.stderr.split()[-1] == "True",
        "said": done.stdout.splitlines()[:5],
        "plan_mb": (folder / "runs" / SWEEPS / "many" / "plan.json").stat().st_size / 1e6,
    }


if __name__ == "__main__":
    main()
