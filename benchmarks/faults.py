"""A table run killed at random moments against the same one left alone: every figure and every embedding, byte for byte (issue 7).

    OMP_NUM_THREADS=1 python benchmarks/faults.py [--kills 20] [--commands]        (prints JSON; 1 if a byte differs)

The table runs once to its end. Another run of it, in a folder of its own, is killed (SIGKILL) when the share of its stages that is done,
those under way counted by their own progress, passes a random value and one is at work, up to a second later; then it is started again,
until it has been killed often enough and may finish. Compared are `metrics.json` of every evaluation, the embeddings, the report's
figures, and metrics.jsonl and the TensorBoard curves of every training, whose steps must go up and never come twice. What was done at a
kill must be the same file afterwards. A run is a fork of this process that works through the stages in order, as importing torch anew
takes longer than a stage of the smoke profile; with `--commands` it is `elsa table run`, whose stages are processes that end with it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Any

from elsa_lightning.corpora import content_hash
from elsa_lightning.event_files import scalars
from elsa_lightning.locks import holder_of
from elsa_lightning.provenance import commit, hardware, versions
from elsa_lightning.report_publish import publish
from elsa_lightning.runs import Run
from elsa_lightning.stages_plan import StageRef
from elsa_lightning.table_file import find_table, load_table
from elsa_lightning.tables import Plan
from elsa_lightning.tables import plan as plan_table

ROOT = pathlib.Path(__file__).parents[1]
SAME = ("evaluate/*/metrics.json", "embed/*/embeddings.safetensors", "embed_texts/*/*.safetensors", "*/*/metrics.jsonl")
"""Files of the runs that must be equal, byte for byte."""
POLL_S = 0.02
AT_MOST_S = 3600.0
"""For one attempt."""


class Forked:
    """A fork of this process that works through the stages; answers as `subprocess.Popen` does.

    Args:
        stages: parents before children.
        runs: folder of all runs.
        log: file of what it prints.
    """

    def __init__(self, stages: list[StageRef], runs: pathlib.Path, log: pathlib.Path) -> None:
        sys.stdout.flush()
        self.pid, self.code = os.fork(), None
        if self.pid == 0:
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os._exit(work_through(stages, runs))

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it works."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, at its end or after some seconds at most, when it is killed."""
        end = time.monotonic() + (seconds or AT_MOST_S)
        while self.poll() is None:
            if time.monotonic() > end:
                self.send_signal(signal.SIGKILL)
            time.sleep(POLL_S)
        return self.code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it works still."""
        if self.poll() is None:
            os.kill(self.pid, number)


def work_through(stages: list[StageRef], runs: pathlib.Path) -> int:
    """Every stage that is not done; an exit code."""
    from elsa_lightning.runs import perform, prepare
    from elsa_lightning.stages import execute

    try:
        for ref in stages:
            run = prepare(ref, runs)
            if not run.done:
                perform(run.folder, execute)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class TableRun:
    """A run of a table in folders of its own.

    Args:
        work: where they lie.
        plan: of the table.
        words: of `elsa table run` with the same plan; None: in forks of this process.
    """

    def __init__(self, work: pathlib.Path, plan: Plan, words: list[str] | None) -> None:
        self.runs, self.results, self.log, self.plan = work / "runs", work / "results", work / "log.txt", plan
        work.mkdir(parents=True, exist_ok=True)
        common = ["--jobs", "1", "--runs", str(self.runs), "--results", str(self.results)]
        self.command = words and [sys.executable, "-m", "elsa_lightning", "table", "run", *words, *common]

    def start(self) -> subprocess.Popen | Forked:
        """The run's process."""
        if self.command is None:
            return Forked(self.plan.stages, self.runs, self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1"})

    def finish(self) -> float:
        """Run it to its end, and write its report; the seconds it took."""
        began = time.perf_counter()
        process = self.start()
        if process.wait(AT_MOST_S):
            sys.exit(f"the table failed:\n{self.log.read_text()[-3000:]}")
        publish(self.plan, self.runs, self.results)
        return time.perf_counter() - began

    def folders(self) -> list[pathlib.Path]:
        """Of the runs."""
        return [path.parent for path in self.runs.glob("*/*/config.yaml")]

    def progress(self, stages: int) -> float:
        """Share of the stages that is done, in [0, 1]."""
        runs = [Run(folder) for folder in self.folders()]
        return sum(1.0 if run.done else min(run.status.get("fraction") or 0.0, 0.99) for run in runs) / stages

    def done(self) -> dict[str, str]:
        """Finished run → its done.json."""
        return {Run(folder).name: (folder / "done.json").read_text() for folder in self.folders() if Run(folder).done}


def attempt(table: TableRun, stages: int, at: float, delay: float) -> dict[str, Any]:
    """One attempt, killed `delay` seconds after its progress has passed `at`."""
    before = table.done()
    process, end = table.start(), time.monotonic() + AT_MOST_S
    while process.poll() is None and time.monotonic() < end:
        if table.progress(stages) >= at and any(holder_of(folder / "lock") for folder in table.folders()):
            break  # a stage is at work again
        time.sleep(POLL_S)
    time.sleep(delay)
    under_way = [Run(folder).name for folder in table.folders() if not Run(folder).done]
    process.send_signal(signal.SIGKILL)
    code = process.wait()
    time.sleep(0.5)  # its stages' processes end with it
    return {
        "at": round(at, 3),
        "killed": code == -signal.SIGKILL,
        "under_way": under_way,
        "lost": sorted(name for name, text in before.items() if table.done().get(name) != text),
    }


def compare(one: TableRun, other: TableRun) -> list[str]:
    """Everything in which two finished tables differ."""
    found = []
    for pattern in SAME:
        files = [{str(path.relative_to(t.runs)): path.read_bytes() for path in t.runs.glob(pattern)} for t in (one, other)]
        found += [name for name in {**files[0], **files[1]} if files[0].get(name) != files[1].get(name)]
    reports = [json.loads(next(t.results.glob("*.json")).read_text())["rows"] for t in (one, other)]
    found += [f"row {mine['id']}" for mine, theirs in zip(*reports, strict=True) if mine["cells"] != theirs["cells"]]
    return found + [f"curve {name}" for name in faulty_curves(one, other)]


def faulty_curves(one: TableRun, other: TableRun) -> list[str]:
    """Curves of the second table that are not the first one's, or whose steps do not go up; those of speed by their steps alone."""
    found = []
    for folder in one.runs.glob("*/*/tb/*"):
        wanted, curves = scalars(folder), scalars(other.runs / folder.relative_to(one.runs))
        for tag in {**wanted, **curves}:
            steps = [step for step, _ in curves.get(tag, [])]
            timed = tag.startswith("perf/")
            same = steps == [step for step, _ in wanted.get(tag, [])] if timed else curves.get(tag) == wanted.get(tag)
            if not same or any(a >= b for a, b in itertools.pairwise(steps)):
                found.append(f"{folder.relative_to(one.runs)} {tag}")
    return found


def measure(plan: Plan, words: list[str] | None, kills: int, seed: int, work: pathlib.Path) -> dict[str, Any]:
    """The two tables and what they differ in."""
    alone, killed = TableRun(work / "alone", plan, words), TableRun(work / "killed", plan, words)
    seconds = alone.finish()
    stages = len(alone.folders())
    draw = random.Random(seed)
    attempts = []
    for at in sorted(draw.uniform(0, 1 - 1 / stages) for _ in range(kills)):
        attempts.append(attempt(killed, stages, at, draw.uniform(0, 1)))
        print(json.dumps(attempts[-1]), file=sys.stderr, flush=True)
    killed.finish()
    differs, lost = compare(alone, killed), [name for one in attempts for name in one["lost"]]
    done = sum(one["killed"] for one in attempts)
    return {
        "table": plan.name,
        "processes": "forks" if words is None else "elsa table run",
        "seed": seed,
        "stages": stages,
        "seconds_alone": round(seconds, 1),
        "kills": done,
        "attempts": attempts,
        "curves": sum(len(scalars(folder)) for folder in killed.runs.glob("*/*/tb/*")),
        "lost": lost,
        "differences": differs[:20],
        "holds": not differs and not lost and done == kills,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="zero_shot_attributes")
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--commands", action="store_true", help="`elsa table run` instead of forks of this process")
    parser.add_argument("--work", type=pathlib.Path, help="folder of the runs, which stays (default: a temporary one)")
    arguments = parser.parse_args()
    words = [arguments.table, "--profile", arguments.profile, "--seeds", "1"]
    words += ["--set", *arguments.overrides] if arguments.overrides else []
    plan = plan_table(load_table(find_table(arguments.table)), arguments.profile, content_hash, [0], arguments.overrides)
    if not arguments.commands:
        import elsa_lightning.stages.evaluate
        import elsa_lightning.stages.train
        from elsa_lightning.threads import use_threads

        assert elsa_lightning.stages.evaluate and elsa_lightning.stages.train
        use_threads(1)
    found = {"commit": commit(), "hardware": hardware(), "versions": versions()}
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or pathlib.Path(temporary)).resolve()
        found |= measure(plan, words if arguments.commands else None, arguments.kills, arguments.seed, work)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    sys.exit(not found["holds"])


if __name__ == "__main__":
    main()
