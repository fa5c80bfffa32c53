"""From an experiment to its rewriting task, to rewrites by a stub model, to a training that says them: commands and stages."""

import json
import sys
from pathlib import Path

import pytest

from elsa_lightning.captions.rewrite import rewrite_all
from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewrite_request import read_requests
from elsa_lightning.cli import main
from elsa_lightning.cli_rewrite import write_outcomes
from elsa_lightning.config import load_experiment
from elsa_lightning.corpora import content_hash
from elsa_lightning.scheduler import Scheduler
from elsa_lightning.stages_plan import plan_run

sys.path.insert(0, str(Path(__file__).parents[1]))

from captions.stub_writer import StubWriter

ROOT = Path(__file__).parents[2]
SMALL = ["rooms.train=8", "rooms.val=3", "rooms.test=4", "data.corpus.train_clips=16", "data.corpus.val_clips=6", "trainer.val_every=0"]
SMALL += ["data.corpus.test_clips=8", "trainer.steps=3", "trainer.batch_size=8", "trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_rewrites_reach_a_training(tmp_path, capsys):
    runs, task, rewritten = tmp_path / "runs", tmp_path / "task.jsonl", tmp_path / "rewritten.jsonl"
    command = ["data", "rewrite-tasks", "--profile", "smoke", "--runs", str(runs), "--set", *SMALL, "--out"]
    assert main([*command, str(task)]) == 0
    requests, printed = read_requests(task), capsys.readouterr().out
    draws = int(printed.partition("training draws ")[2].split()[0])
    assert f"{len(requests)} different sentences" in printed and 0 < len(requests) <= draws
    assert main([*command, str(tmp_path / "again.jsonl")]) == 0
    assert (tmp_path / "again.jsonl").read_bytes() == task.read_bytes()

    outcomes, _ = rewrite_all(requests, StubWriter(), AnswerCache(tmp_path / "cache"), retries=0)
    write_outcomes(rewritten, requests, outcomes)
    experiment = load_experiment("experiments/elsa.yaml", "smoke", overrides=[*SMALL, f"captions.rewrites={rewritten}"]).experiment
    stages = [ref for ref in plan_run(experiment, content_hash(experiment.data.corpus)) if ref.stage in ("rooms", "train")]
    outcome = Scheduler(stages, runs).run()
    assert outcome.exit_code == 0, outcome.failed

    folder = runs / stages[1].run_id
    drawn = json.loads((folder / "facts.json").read_text())["captions_drawn"]
    assert sum(drawn.values()) == 24 and drawn["rewrite"] + drawn["template"] == draws  # three steps of eight
    log = (folder / "log.txt").read_text()
    assert log.count("training captions: ") == 1 and f"{drawn['rewrite']} rewrite" in log and f"{rewritten}: " in log
    (rooms,) = (runs / "rooms").iterdir()
    assert len(json.loads((rooms / "meta.json").read_text())["attempts"]) == 1  # simulated for the task, used by the training


def test_a_missing_file_of_rewrites_is_one_clear_error(tmp_path, capsys):
    missing = f"captions.rewrites={tmp_path / 'no.jsonl'}"
    assert main(["train", "--profile", "smoke", "--runs", str(tmp_path / "runs"), "--set", missing]) == 2
    told = capsys.readouterr().err
    assert "no.jsonl cannot be read" in told and "elsa data rewrite" in told and not (tmp_path / "runs").exists()
