"""`elsa bench step`: the step that is measured is the step that trains."""

from __future__ import annotations

import json
import pathlib

import pytest
import torch

from elsa_lightning.cli import main
from elsa_lightning.config import load_experiment
from elsa_lightning.training.step_bench import BenchStep, bench_step

EXPERIMENT = str(pathlib.Path(__file__).parents[2] / "experiments/elsa.yaml")


@pytest.fixture
def cfg():
    return load_experiment(EXPERIMENT, "smoke", overrides=["optim.lr_scale.text=0"]).experiment


def test_a_measured_step_moves_all_that_is_trained(cfg):
    bench = BenchStep(cfg, "cpu", 6)
    before = {name: tensor.clone() for name, tensor in bench.module.named_parameters()}
    features = bench.front_end()
    assert torch.equal(features.log_mel, bench.module.front_end(bench.foa).log_mel)
    losses = [bench.train().item() for _ in range(8)]
    assert losses[-1] < losses[0]
    still = {name for name, tensor in bench.module.named_parameters() if torch.equal(tensor, before[name])}
    assert still == {name for name in before if name.startswith("model.text.")}  # frozen
    assert all(parameter.grad is None for parameter in bench.module.parameters())


def test_figures_belong_together(cfg):
    found = bench_step(cfg, "cpu", 4, 2)
    assert found["clips_per_s"] == pytest.approx(4 / (found["step_s"] + found["front_end_s"]), rel=0.01)
    assert 0 < found["front_end_share"] < 1 and found["peak_memory_mb"] > 50 and found["precision"] == "32-true"


def test_the_command(capsys):
    assert main(["bench", "step", EXPERIMENT, "--profile", "smoke", "--clips", "4", "--steps", "1", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["profile"] == "smoke" and found["clips"] == 4 and found["commit"] is not None
    assert main(["bench", "step", EXPERIMENT, "--profile", "smoke", "--clips", "4", "--steps", "1", "--device", "cpu"]) == 0
    assert "clips/s" in capsys.readouterr().out
    assert main(["bench", "step", EXPERIMENT, "--profile", "smoke", "--clips", "0"]) == 2
