"""Data work in parts: what is submitted, and what a second call leaves alone."""

import re
import subprocess
from pathlib import Path

import pytest

from elsa_lightning.errors import ConfigError
from elsa_lightning.sweep import queue, snapshot
from elsa_lightning.sweep.plan_file import SWEEPS
from elsa_lightning.sweep.resources import load_resources
from elsa_lightning.sweep.shards import Shards, dry_run, submit

RENDER = Shards("spatial", 4, ["data", "render", "--out", "my PART/export"], ["--webdataset"])


class Queue:
    """Remembers calls of sbatch; what it shows as waiting is set by the test."""

    def __init__(self):
        self.jobs, self.cancelled, self.waiting = [], [], []

    def __call__(self, *command, patience_s=0.0):
        if command[0] == "sbatch":
            text = Path(command[-1]).read_text()
            self.jobs.append((str(100 + len(self.jobs)), command, re.search(r"--job-name=(\S+)", text)[1]))
            return self.jobs[-1][0] + "\n"
        if command[0] == "scancel":
            self.cancelled += command[1:]
            return ""
        return "\n".join(self.waiting)

    def wait(self, job, number, reason="Dependency"):
        name = next(name for id, _, name in self.jobs if id == job)
        self.waiting.append(f"{name}|{job}|{number}|PENDING|{reason}")


@pytest.fixture
def slurm(monkeypatch):
    found = Queue()
    monkeypatch.setattr(queue, "slurm", found)
    monkeypatch.setattr(queue, "has_slurm", lambda: True)
    monkeypatch.setattr(snapshot, "take", lambda target: None)
    return found


@pytest.fixture
def send(tmp_path, slurm):
    return lambda shards=RENDER: submit(shards, tmp_path / "runs", load_resources(None), uncommitted=True, tell=lambda line: None)


def finish(tmp_path, *parts):
    folder = tmp_path / "runs" / SWEEPS / "spatial" / "done"
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        (folder / part).touch()


def test_parts_are_one_array_and_the_joining_waits_for_all(send, slurm, tmp_path):
    assert send() == {"parts": "100", "last": "101"}
    (_, parts, _), (_, last, _) = slurm.jobs
    assert "--dependency=afterok:100" in last and not any("dependency" in word for word in parts)
    text = Path(parts[-1]).read_text()
    assert "#SBATCH --array=1-4\n" in text and """data render --out 'my PART/export' --shard "$SLURM_ARRAY_TASK_ID"/4\n""" in text
    assert "data render --out 'my PART/export' --join --webdataset\n" in Path(last[-1]).read_text()
    for call in (parts, last):
        assert subprocess.run(["bash", "-n", call[-1]], check=False).returncode == 0


def test_what_is_done_or_waits_is_not_submitted_again(send, slurm, tmp_path):
    send()
    for number in (1, 2, 3, 4):
        slurm.wait("100", number)
    slurm.wait("101", 0)
    assert send() == {}
    finish(tmp_path, "1", "2")
    slurm.waiting = []
    slurm.wait("100", 3)
    slurm.wait("101", 0, "DependencyNeverSatisfied")  # part 4 has failed
    assert send() == {"parts": "102", "last": "103"}
    assert "#SBATCH --array=4\n" in Path(slurm.jobs[2][1][-1]).read_text() and slurm.cancelled == ["101_0"]
    assert "--dependency=afterok:102:100_3" in slurm.jobs[3][1]
    slurm.waiting = []
    finish(tmp_path, "3", "4")
    assert send() == {"last": "104"} and not any("dependency" in word for word in slurm.jobs[4][1])
    finish(tmp_path, "last")
    assert send() == {}


def test_a_name_belongs_to_one_work(send, slurm):
    send()
    with pytest.raises(ConfigError, match="is another work already"):
        send(Shards("spatial", 8, RENDER.words, []))


def test_a_dry_run_leaves_nothing(slurm, tmp_path):
    shown = dry_run(RENDER, tmp_path / "runs", load_resources(None, ["stages.features_train.cpus=7"]))
    assert "LAST=$(sbatch --parsable --dependency=afterok:${PARTS}" in shown and "--cpus-per-task=7" in shown
    assert not (tmp_path / "runs").exists() and not slurm.jobs


@pytest.mark.parametrize(
    "count, words, message",
    [
        (4, ["data", "prepare"], "`data prepare` does not work in parts"),
        (0, ["data", "render"], "0 parts"),
        (4, ["data", "render", "--shard=1/2"], "is set for each part"),
        (4, ["rooms", "bank", "x", "--join", "4"], "is set for each part"),
    ],
)
def test_what_has_no_parts_is_a_message(count, words, message):
    with pytest.raises(ConfigError, match=message):
        Shards("x", count, words, [])


def test_more_parts_than_an_array_takes_are_refused(send):
    with pytest.raises(ConfigError, match="2000 parts are more"):
        send(Shards("spatial", 2000, RENDER.words, []))
