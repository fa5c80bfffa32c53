"""A tiny experiment, its files and a stub of the stages: everything here runs without torch."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "experiments" / "elsa.yaml"
CACHED = ["data.rendering=cached", "data.text_states=shared", "model.text.name=minilm", "pretraining.steps=5", "trainer.steps=10"]

STUB = """
import json, os, sys, time
from pathlib import Path
from elsa_lightning.errors import RunError
from elsa_lightning.locks import Held
from elsa_lightning.lifetime import end_with_parent, listening
from elsa_lightning.runs import perform, read_config, write_status

def execute(folder):
    config = read_config(folder)
    print("executing", config.stage, flush=True)
    for parent in config.parents.values():
        assert (parent / "done.json").exists(), parent
    with open(os.environ["STUB_LOG"], "a") as log:
        log.write(f"{config.stage}/{config.fingerprint}\\n")
    write_status(folder, 0.5, "half way")
    if config.stage == os.environ.get("STUB_FAIL"):
        raise RunError("the loss is not finite", "lower optim.lr")
    if config.stage == os.environ.get("STUB_HANG"):
        time.sleep(60)
    if config.stage == "evaluate":
        value = 10.0 + config.experiment.seed + len(config.experiment.model.spatial.name)
        found = {"metrics": {"localization/doa_mae_deg": value, "retrieval/map10": 0.5, "retrieval/chance_r1": 0.01}}
        (folder / "metrics.json").write_text(json.dumps(found | {"meta": {"gallery": {"clips": 4, "ids": "ab12"}}}))

end_with_parent()
try:
    with listening():
        perform(sys.argv[1], execute)
except (RunError, Held) as fault:
    print(fault)
    sys.exit(fault.exit_code)
"""

TABLE = """
table: tiny
title: A tiny table
source: nowhere
base: {base}
seeds: [0, 1]
columns:
  - {{key: localization/doa_mae_deg, label: "Error, °", better: lower, digits: 1}}
  - {{key: retrieval/map10, label: "mAP@10, %", scale: 100}}
rows:
  - id: static
    label: Static
    overrides: {{model.spatial.name: static_iv}}
    paper: {{localization/doa_mae_deg: {{value: 27.4, standing: unconfirmed}}}}
  - {{id: learned, label: Learned, paper: {{retrieval/map10: {{value: 24.8, standing: printed}}}}}}
  - {{id: rival, label: Rival, run: false, paper: {{localization/doa_mae_deg: {{value: 11.7, standing: printed}}}}}}
claims:
  - {{left: learned, op: "<", right: static, key: localization/doa_mae_deg}}
  - {{left: learned, op: "~", right: static, key: retrieval/map10, tolerance: 1.0}}
  - {{left: learned, op: ">=", right: 90, key: retrieval/map10}}
floors:
  - {{row: static, key: localization/doa_mae_deg, op: "<=", value: 19.5}}
  - {{row: static, key: retrieval/map10, op: ">=", value: 10, times: retrieval/chance_r1}}
  - {{row: static, key: retrieval/map10, op: ">=", value: 99, corpus: esc50}}
"""


@pytest.fixture
def write(tmp_path):
    """Write a file below the test's folder and give its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def experiment_file(write):
    return write("experiments/small.yaml", "trainer: {steps: 10, batch_size: 4}\noptim.lr: 1e-3\n")


@pytest.fixture
def table(write, experiment_file):
    from elsa_lightning.table_file import load_table

    return load_table(write("ablations/tiny.yaml", TABLE.format(base="../experiments/small.yaml")))


@pytest.fixture
def plan(table):
    from elsa_lightning.tables import plan

    return plan(table, None, lambda corpus: "c0ffee")


@pytest.fixture
def stub(write, tmp_path, monkeypatch):
    """The command of a stage that takes no time; the names of executed stages go to `stub.log`."""
    command = (sys.executable, str(write("stub.py", STUB)))
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "stub.log"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    return command


@pytest.fixture
def executed(tmp_path):
    """Names of the stages that the stub has worked on, in order."""

    def executed() -> list[str]:
        log = tmp_path / "stub.log"
        return log.read_text().split() if log.exists() else []

    return executed


@pytest.fixture
def marks(experiment_file):
    """Stage → fingerprint of the cached experiment with overrides."""

    from elsa_lightning.config import load_experiment
    from elsa_lightning.stages_plan import plan_run

    def marks(*overrides, corpus="c0ffee", start=CACHED):
        experiment = load_experiment(experiment_file, overrides=[*start, *overrides]).experiment
        return {ref.stage: ref.fingerprint for ref in plan_run(experiment, corpus)}

    return marks


def changed(before, after):
    """Stages whose fingerprints differ."""
    return {stage for stage in before if before[stage] != after.get(stage)}
