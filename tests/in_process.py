"""Stages in the test's own process, for tests of what they compute and not of how they are started: each start of an interpreter costs the
import of torch and Lightning, and a run has seven."""

from pathlib import Path

import torch

from elsa_lightning.config import load_experiment
from elsa_lightning.corpora import content_hash
from elsa_lightning.runs import perform, prepare
from elsa_lightning.stages import execute
from elsa_lightning.stages_plan import plan_run

ROOT = Path(__file__).parents[1]


def train_here(runs: Path, *overrides: str) -> None:
    """Every stage of the paper's experiment at the smoke profile, one after another, from rooms to metrics."""
    experiment = load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=list(overrides)).experiment
    threads = torch.get_num_threads()
    try:
        for ref in plan_run(experiment, content_hash(experiment.data.corpus)):
            prepare(ref, runs)
            perform(runs / ref.run_id, execute)
    finally:
        torch.set_flush_denormal(False)  # stages flush denormals, which other tests of this process draw
        torch.set_num_threads(threads)
