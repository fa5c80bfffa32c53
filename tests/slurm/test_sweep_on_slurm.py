"""A sweep on a real cluster: jobs are preempted, cancelled and lose their node, and the table is the one that was computed here.

Takes minutes: 19 stages in processes of their own, two at a time. `pytest -m slurm`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from elsa_lightning.cli import main
from elsa_lightning.runs import Run
from elsa_lightning.sweep import queue
from elsa_lightning.sweep.plan_file import SWEEPS, find_plan, read_plan

from .conftest import ROOT

pytestmark = pytest.mark.slurm

HERE = {"trainer.accelerator": "cpu", "trainer.checkpoint_every": 1, "trainer.log_every": 1, "trainer.val_every": 0}
SMALL = {"rooms.train": 12, "rooms.val": 4, "rooms.test": 8, "evaluation.probe_steps": 5, **HERE}
SMALL |= {"data.corpus.train_clips": 40, "data.corpus.val_clips": 22, "data.corpus.test_clips": 22}
TABLE = f"""
table: {{name}}
title: Rows
source: a test
base: {ROOT / "experiments" / "elsa.yaml"}
columns:
  - {{{{key: localization/doa_mae_deg, label: "Error, °", better: lower, digits: 6}}}}
  - {{{{key: retrieval/map10, label: mAP, digits: 6}}}}
rows:
"""
STEPS = {"preempted": 60, "cancelled": 61, "lost": 62, "plain_1": 4, "plain_2": 5, "plain_3": 6}

IN_ONE_PROCESS = """
import sys
from dataclasses import replace
from pathlib import Path
from elsa_lightning.runs import perform, prepare
from elsa_lightning.stages import execute
from elsa_lightning.sweep.plan_file import read_plan
plan, runs, chunks, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for ref in read_plan(plan).refs():
    cfg = replace(ref.experiment, trainer=replace(ref.experiment.trainer, chunks=chunks))
    perform(prepare(replace(ref, experiment=cfg), runs).folder, execute)
    if ref.stage == last:
        break
"""
ONE_THREAD = {"ELSA_THREADS": "1", "OMP_NUM_THREADS": "1"}
OF_MACHINE = {"cost_s", "train_s", "date"}
"""What a report says of the computing, not of the computed."""


@contextmanager
def in_one_process(plan, runs, chunks=1, last=""):
    """Meanwhile do a plan's stages here, one after the other, without any scheduler; up to the first of the kind `last`."""
    command = [sys.executable, "-c", IN_ONE_PROCESS, plan, runs, str(chunks), last]
    with tempfile.TemporaryFile("w+") as log:  # not a pipe, which nobody would read meanwhile
        with subprocess.Popen(command, env=os.environ | ONE_THREAD, stdout=log, stderr=subprocess.STDOUT) as process:
            try:
                yield
                process.wait(timeout=600)
            finally:
                process.kill()
        log.seek(0)
        assert process.returncode == 0, log.read()


def wait_for(condition, what, seconds=240.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)
    return found


def computed(report):
    """A report without what depends on the machine and the moment."""
    if isinstance(report, dict):
        return {key: computed(value) for key, value in report.items() if key not in OF_MACHINE}
    return [computed(value) for value in report] if isinstance(report, list) else report


def elsa(*words):
    assert main([str(word) for word in words]) == 0


class Watched:
    """A sweep's runs and jobs."""

    def __init__(self, name: str, runs: Path) -> None:
        self.name, self.runs, self.sweep = name, runs, read_plan(find_plan(name, runs))

    def run(self, row: str, stage: str) -> Run:
        line = next(line for line in self.sweep.runs if line.row == row)
        name = next(self.sweep.stages[n].run for n in line.stages if self.sweep.stages[n].run.startswith(stage + "/"))
        return Run(self.runs / name)

    def jobs(self) -> list[queue.Job]:
        return queue.queued(queue.read_journal(self.runs / SWEEPS))

    def training(self, row: str) -> str:
        """The job that trains a row, once it has done some steps."""
        run = self.run(row, "train")

        def has_begun():
            steps = (run.folder / "metrics.jsonl").read_text().count("\n") if (run.folder / "metrics.jsonl").exists() else 0
            found = [job for job in self.jobs() if job.run == run.name and job.state == "RUNNING"]
            assert not run.done, "too fast for the test: give it more steps"
            return found[0].id if found and steps >= 2 else ""

        return wait_for(has_begun, f"{row} to train")

    def starts(self, row: str) -> int:
        return len(json.loads((self.run(row, "train").folder / "meta.json").read_text())["attempts"])


@pytest.fixture
def planned(tmp_path):
    """Plans a table of some rows: row → its steps."""

    def planned(name, steps, **values):
        rows = "".join(f"  - {{id: {row}, label: {row}, overrides: {{trainer.steps: {count}}}}}\n" for row, count in steps.items())
        (tmp_path / f"{name}.yaml").write_text(TABLE.format(name=name) + rows)
        runs, words = tmp_path / "runs", [f"{key}={value}" for key, value in {**SMALL, **values}.items()]
        elsa("sweep", "plan", tmp_path / f"{name}.yaml", "--profile", "smoke", "--name", name, "--runs", runs, "--set", *words)
        return Watched(name, runs)

    return planned


def submit(runs, name, *words):
    elsa("sweep", "submit", name, "--runs", runs, "-j", 2, "--uncommitted", "--slurm", "default.extra=[--exclusive]", *words)


def test_a_sweep_that_is_preempted_cancelled_and_loses_a_node(cluster, planned, tmp_path, capsys):
    planned, here = planned("six", STEPS), tmp_path / "here"
    runs, plan = planned.runs, planned.runs / SWEEPS / "six" / "plan.json"
    with in_one_process(plan, here):
        disturb(cluster, planned, capsys)
    reports = []
    for folder in (runs, here):
        elsa("sweep", "table", plan, "--runs", folder, "--results", folder / "results")
        reports.append(computed(json.loads(next((folder / "results").glob("*.json")).read_text())))
    assert reports[0] == reports[1]
    assert all(row["cells"]["retrieval/map10"]["values"] for row in reports[0]["rows"])


def disturb(cluster, planned, capsys):
    """Submit the sweep; preempt one training, cancel another and submit it again, take a third one's node away; wait for the end."""
    runs = planned.runs
    submit(runs, "six")
    assert len(planned.jobs()) == 19
    submit(runs, "six")
    assert "nothing to submit" in capsys.readouterr().out and len(planned.jobs()) == 19

    cluster.run("scontrol", "requeue", planned.training("preempted"))  # as a preemption with PreemptMode=REQUEUE does
    planned.training("cancelled")
    elsa("sweep", "cancel", "six", "--rows", "cancelled", "--runs", runs)
    gone = {planned.run("cancelled", stage).name for stage in ("train", "embed", "evaluate")}
    assert not gone & {job.run for job in planned.jobs()}
    submit(runs, "six")
    assert gone <= {job.run for job in planned.jobs()}

    job = planned.training("lost")
    node = cluster.run("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()
    cluster.kill_node(node)
    cluster.wait_for(lambda: cluster.states()[node] == "down", "SLURM to miss the node", 60)
    cluster.start_node(node)
    cluster.wait_for(lambda: cluster.states()[node] != "down", "the node to come back", 60)

    wait_for(lambda: not planned.jobs(), "all jobs to end", 1200)
    elsa("sweep", "status", "six", "--runs", runs)
    said = capsys.readouterr().out
    assert "6 rows and seeds: 6 done" in said, said + cluster.run("scontrol", "--oneliner", "show", "job")
    assert [planned.starts(row) for row in STEPS] == [2, 2, 2, 1, 1, 1]
    for row in ("preempted", "cancelled", "lost"):
        assert "continuing from step" in (planned.run(row, "train").folder / "log.txt").read_text()


def test_two_nodes_with_two_processes_each_train_as_one_process(cluster, planned, tmp_path):
    """With the joined batch in four parts, as four processes have it: batch norm takes each part's own statistics."""
    pair = planned("pair", {"spread": 4}, **{"trainer.batch_size": 16})
    here = "stages.train.setup=[export MASTER_ADDR=127.0.0.1]"  # no name server knows the two nodes that this machine plays
    submit(pair.runs, "pair", "stages.train.nodes=2", "stages.train.devices=2", here)
    run = pair.run("spread", "train")
    with in_one_process(pair.runs / SWEEPS / "pair" / "plan.json", tmp_path / "here", chunks=4, last="train"):
        wait_for(lambda: run.done or run.failure, "the training", 300)
        wait_for(lambda: not any(job.run == run.name for job in pair.jobs()), "its job to end")
        elsa("sweep", "cancel", "pair", "--runs", pair.runs)
    assert run.done, run.failure
    facts = json.loads((run.folder / "facts.json").read_text())
    assert facts["devices"] == 4
    roots = (pair.runs, tmp_path / "here")
    found, wanted = (torch.load(root / run.name / facts["checkpoint"], weights_only=True)["state_dict"] for root in roots)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if "running_" in name or "num_batches" in name:  # the first process' own
            continue
        other = found[name]
        if name.endswith("in_proj_bias"):  # a softmax does not feel its keys' bias: its gradient is rounding, of which Adam makes steps
            third = len(value) // 3
            value, other = (torch.cat([one[:third], one[2 * third :]]) for one in (value, other))
        torch.testing.assert_close(other, value, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
