"""A training killed at random moments against the same one left alone: what they end with, bit for bit (bar 3 of issue 5).

    python benchmarks/kills.py [--profile desk] [--kills 10] [--seed 0] [--set KEY=VALUE …]        (prints JSON; 1 if a bit differs)

The stages before the training run once. Then the training runs to its end, and another of the same plan is killed (SIGKILL, with its
worker processes) and started again until it has been killed often enough and may finish. Half of the kills come at a random step, up to
two steps' time after it; the others, at random steps too, while a checkpoint is being written (its temporary file is there). What is
compared: everything in the last checkpoint (weights, optimiser, schedule, loops) but the seconds that training took, the best
checkpoint where there is one, and metrics.jsonl as it lies on the disk. Both trainings get the same number of threads.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import torch

from elsa_lightning.config import load_experiment
from elsa_lightning.corpora import content_hash
from elsa_lightning.provenance import commit, cores, hardware, versions
from elsa_lightning.runs import Run, prepare
from elsa_lightning.scheduler import STAGE_COMMAND, Scheduler, reason
from elsa_lightning.stages_plan import StageRef, plan_run
from elsa_lightning.training.checkpoints import BEST_FILE, newest_valid, read_checkpoint

ROOT = pathlib.Path(__file__).parents[1]
POLL_S = 0.0005
"""Between looks at a training: a small checkpoint is written in milliseconds."""
UNTIMED = ("train_seconds",)
"""Keys of a checkpoint that tell the time and nothing else."""


def start(run: Run) -> subprocess.Popen:
    """The training's process, in a group of its own."""
    threads = str(cores())
    values = {**os.environ, "OMP_NUM_THREADS": threads, "ELSA_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    with (run.folder / "log.txt").open("ab") as log:
        return subprocess.Popen([*STAGE_COMMAND, str(run.folder)], stdout=log, stderr=log, env=values, start_new_session=True)


def finish(run: Run) -> float:
    """Run a training to its end; the seconds it took."""
    began = time.perf_counter()
    code = start(run).wait()
    if not run.done:
        sys.exit(f"the training failed:\n{reason(run, code)}")
    return time.perf_counter() - began


def last_step(run: Run, since: float) -> int:
    """The newest step in metrics.jsonl, if this attempt has written there; −1 else."""
    path = run.folder / "metrics.jsonl"
    try:
        if path.stat().st_mtime < since:
            return -1
        return json.loads(path.read_text().splitlines()[-1])["step"]
    except (OSError, IndexError, ValueError):  # not there yet, empty, or a line is being written
        return -1


def writing(run: Run) -> list[str]:
    """Temporary files of checkpoints."""
    folder = run.folder / "checkpoints"
    return [entry.name for entry in os.scandir(folder) if entry.name.endswith(".tmp")] if folder.exists() else []


def interrupt(run: Run, kind: str, step: int, delay: float) -> dict[str, Any]:
    """One attempt, killed after `step`: `delay` seconds later, or when the next checkpoint is being written.

    Returns:
        What there was to see; `killed` is false where the training came to its end before.
    """
    for name in writing(run):  # what an earlier kill left behind is no sign of this attempt's writing
        (run.folder / "checkpoints" / name).unlink()
    found = newest_valid(run.folder / "checkpoints") if (run.folder / "checkpoints").exists() else None
    seen: dict[str, Any] = {"kind": kind, "after_step": step, "from": found.stem if found else "the start"}
    since, process = time.time(), start(run)
    while process.poll() is None and last_step(run, since) < step:
        time.sleep(10 * POLL_S)
    if kind == "write":
        while process.poll() is None and not writing(run):
            time.sleep(POLL_S)
    else:
        time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        sys.exit(f"an attempt failed by itself:\n{reason(run, code)}")
    return seen | {"killed": code == -signal.SIGKILL, "at_step": last_step(run, since), "left_half_written": writing(run)}


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Places at which two checkpoints differ in any bit, keys that tell the time aside."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        if not same or one.contiguous().reshape(-1).view(torch.uint8).tolist() != other.contiguous().reshape(-1).view(torch.uint8).tolist():
            yield where
    elif isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other} - set(UNTIMED), key=str):
            yield from differences(one.get(key), other.get(key), f"{where}/{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for row, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{where}/{row}")
    elif type(one) is not type(other) or (one != other and not (one != one and other != other)):
        yield where


def compare(left: Run, right: Run) -> list[str]:
    """Everything in which two finished trainings differ."""
    found = []
    names = [newest_valid(run.folder / "checkpoints").name for run in (left, right)]
    if names[0] != names[1]:
        found.append(f"last checkpoints {names[0]} and {names[1]}")
    best = [(run.folder / "checkpoints" / BEST_FILE).exists() for run in (left, right)]
    for name in [names[0], *([BEST_FILE] if any(best) else [])]:
        paths = [run.folder / "checkpoints" / name for run in (left, right)]
        if all(path.exists() for path in paths):
            found += [f"{name}{where}" for where in differences(*map(read_checkpoint, paths))]
        else:
            found.append(f"{name} is missing")
    if len({(run.folder / "metrics.jsonl").read_bytes() for run in (left, right)}) > 1:
        found.append("metrics.jsonl")
    return found


def planned(profile: str, overrides: list[str]) -> list[StageRef]:
    """The training of experiments/elsa.yaml and what it needs, the training last."""
    experiment = load_experiment(ROOT / "experiments" / "elsa.yaml", profile=profile, overrides=overrides).experiment
    stages = plan_run(experiment, content_hash(experiment.data.corpus))
    return [ref for ref in stages if ref.stage not in ("embed", "evaluate")]


def runs_of(stages: list[StageRef], work: pathlib.Path) -> tuple[Run, Run]:
    """Two folders for one training, which share what the stages before have made."""
    alone, killed = work / "alone", work / "killed"
    outcome = Scheduler(stages[:-1], alone).run()
    if outcome.exit_code:
        sys.exit("\n".join(outcome.failed.values()))
    killed.mkdir(exist_ok=True)
    for ref in stages[:-1]:
        if not (killed / ref.stage).exists():
            (killed / ref.stage).symlink_to(alone / ref.stage)
    return prepare(stages[-1], alone), prepare(stages[-1], killed)


def measure(profile: str, overrides: list[str], kills: int, seed: int, work: pathlib.Path) -> dict[str, Any]:
    """The two trainings and what they differ in."""
    stages = planned(profile, overrides)
    trainer = stages[-1].experiment.trainer
    alone, killed = runs_of(stages, work)
    seconds = finish(alone)
    steps = int(newest_valid(alone.folder / "checkpoints").stem.split("=")[1])
    pace = json.loads((alone.folder / "facts.json").read_text())["train_seconds"] / steps
    draw = random.Random(seed)
    moments = sorted(draw.randrange(steps - trainer.checkpoint_every) for _ in range(kills))
    kinds = ["write", "step"] * kills
    attempts = []
    for step, kind in zip(moments, kinds, strict=False):
        attempts.append(interrupt(killed, kind, step, draw.uniform(0, 2 * pace)))
        print(json.dumps(attempts[-1]), file=sys.stderr)
    finish(killed)
    differs = compare(alone, killed)
    done = sum(one["killed"] for one in attempts)
    return {
        "profile": profile,
        "overrides": overrides,
        "seed": seed,
        "steps": steps,
        "checkpoint_every": trainer.checkpoint_every,
        "seconds_alone": round(seconds, 1),
        "kills": done,
        "kills_while_writing": sum(bool(one["left_half_written"]) for one in attempts),
        "attempts": attempts,
        "differences": differs[:20],
        "holds": not differs and done == kills,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--work", type=pathlib.Path, help="folder of the runs, which stays (default: a temporary one)")
    arguments = parser.parse_args()
    found = {"commit": commit(), "hardware": hardware(), "versions": versions()}
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or pathlib.Path(temporary)).resolve()
        found |= measure(arguments.profile, arguments.overrides, arguments.kills, arguments.seed, work)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    sys.exit(not found["holds"])


if __name__ == "__main__":
    main()
