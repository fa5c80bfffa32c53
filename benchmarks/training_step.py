"""Our training step against a bare loop on transformers' ClapModel, and our front end against its feature extractor (bar 1 of issue 5).

    python benchmarks/training_step.py [--repeats 5] [--clips 8] [--only front_end step]        (CPU; prints JSON)

step        paper-size towers with random weights, clips of 10 s at 48 kHz, the same log-mels and tokens, the same optimiser. Ours: the
            module with both towers, the spatial branch and its heads, all losses, the gradient's norm, update and schedule; features given.
            Theirs: ClapModel's forward with its loss, backward, update: no spatial branch. Ours again with the intensity pooled into 64 mel
            bands (`features.intensity.bands`) instead of the paper's 513 bins, whose convolutions are most of what the branch costs.
front_end   one thread, one clip: our log-mel, and our whole front end with its four spectra and the intensity, against the extractor.

The ways take turns, so that a busy moment meets them all. Beside wall time stands the process's CPU time, which counts less of what
others do on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import elsa_lightning  # noqa: F401 - lets torchaudio load before transformers asks for it
from elsa_lightning.config import load_experiment
from elsa_lightning.features import FrontEnd
from elsa_lightning.provenance import commit, hardware, versions
from elsa_lightning.training.step_bench import BenchStep, peak_memory_mb

ROOT = pathlib.Path(__file__).parents[1]
RATE, SECONDS = 48000, 10
BANDED = "features.intensity.bands=64"
STEP_BAR, FRONT_END_BAR = 1.05, 4.0


def interleaved(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds of each way, after a turn that warms up; the order of the ways alternates."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            start, busy = time.perf_counter(), time.process_time()
            ways[name]()
            if turn:
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - busy)
    return {
        name: {"wall_s": float(f"{statistics.median(wall[name]):.4g}"), "cpu_s": float(f"{statistics.median(cpu[name]):.4g}")}
        for name in ways
    }


def training_step(repeats: int, clips: int) -> dict[str, Any]:
    """Ours against theirs, and ours part by part."""
    from transformers import ClapConfig, ClapModel

    overrides = ["optim.fused=true", "trainer.precision=32-true", "trainer.accelerator=cpu"]
    cfg = load_experiment(ROOT / "experiments" / "elsa.yaml", overrides=overrides).experiment
    ours = BenchStep(cfg, "cpu", clips)
    banded = BenchStep(load_experiment(ROOT / "experiments" / "elsa.yaml", overrides=[*overrides, BANDED]).experiment, "cpu", clips)
    features = ours.front_end()
    banded.front_end()
    clap = ClapModel(ClapConfig()).train()
    optimizer = torch.optim.Adam(clap.parameters(), lr=cfg.optim.lr, betas=tuple(cfg.optim.betas), fused=True)

    def theirs() -> None:
        clap(input_features=features.log_mel, return_loss=True, **ours.batch.tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    model = ours.module.model
    found = interleaved(
        {
            "ours": ours.train,
            "ours, 64 bands": banded.train,
            "theirs": theirs,
            "spatial branch alone": lambda: model.spatial(features.intensity).sum().backward(),
        },
        repeats,
    )

    def over_theirs(seconds: dict[str, float]) -> dict[str, float]:
        return {kind: round(value / found["theirs"][kind], 3) for kind, value in seconds.items()}

    ratios = over_theirs(found["ours"])
    rest = {kind: found["ours"][kind] - found["spatial branch alone"][kind] for kind in ratios}
    return {
        "clips": clips,
        "tokens": ours.batch.tokens["input_ids"].shape[1],
        "parameters": {"ours": _count(model), "theirs": _count(clap)},
        "seconds": found,
        "ratio": ratios,
        "ratio with 64 bands": over_theirs(found["ours, 64 bands"]),
        "ratio without the spatial branch": over_theirs(rest),
        "bar": STEP_BAR,
        "holds": ratios["wall_s"] <= STEP_BAR,
        "peak_memory_mb": peak_memory_mb("cpu"),
    }


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def front_end(repeats: int) -> dict[str, Any]:
    """Per clip, on one thread."""
    from transformers import ClapFeatureExtractor

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14000, truncation="rand_trunc", padding="repeatpad")
    foa = 0.1 * torch.randn(1, 4, RATE * SECONDS, generator=torch.Generator().manual_seed(0))
    clip = foa[0, 0].numpy()
    cfg = load_experiment(ROOT / "experiments" / "elsa.yaml").experiment
    ours = FrontEnd(cfg.features, RATE)

    def theirs() -> torch.Tensor:
        return extractor(clip, sampling_rate=RATE, return_tensors="pt")["input_features"]

    difference = (theirs()[0, 0] - ours.log_mel(foa[:, 0])[0]).abs().max().item()
    found = interleaved(
        {"log-mel": lambda: ours.log_mel(foa[:, 0]), "log-mel and intensity": lambda: ours(foa), "theirs": theirs}, 5 * repeats
    )
    torch.set_num_threads(threads)
    times = {name: {kind: round(found["theirs"][kind] / found[name][kind], 2) for kind in ("wall_s", "cpu_s")} for name in list(found)[:2]}
    return {
        "seconds per clip": found,
        "times faster": times,
        "largest difference of the log-mels, dB": float(f"{difference:.2g}"),
        "bar": FRONT_END_BAR,
        "holds": times["log-mel"]["wall_s"] >= FRONT_END_BAR and difference <= 1e-3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--repeats", type=int, default=5, help="medians of so many turns, of five times as many for the front end (default: 5)"
    )
    parser.add_argument("--clips", type=int, default=8, help="examples in a batch (default: 8)")
    parser.add_argument("--threads", type=int, default=0, help="of the training steps (default: as many as torch takes)")
    parser.add_argument("--only", nargs="+", choices=["front_end", "step"], default=["front_end", "step"])
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    found: dict[str, Any] = {"commit": commit(), "hardware": hardware(), "versions": versions(), "threads": torch.get_num_threads()}
    if "front_end" in arguments.only:
        found["front_end"] = front_end(arguments.repeats)
    if "step" in arguments.only:
        found["step"] = training_step(arguments.repeats, arguments.clips)
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
