"""How much of room size and source distance can be known from true DRR, C50 and T30: independent draws against rooms drawn as built.

    python benchmarks/room_draws.py [--train 1600] [--test 320]        (two minutes on two cores; prints JSON)

The desk profile's rooms are simulated twice, once with `rooms.absorption` and `slenderness` and once with both wide open; a small net
learns log floor area and log distance from the three labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib

import torch
from torch import Tensor, nn

from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.config import load_experiment
from elsa_lightning.provenance import hardware
from elsa_lightning.schema import RoomsConfig

ROOT = pathlib.Path(__file__).parents[1]
KNOWN = ("drr_db", "c50_db", "t30_s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=1600)
    parser.add_argument("--test", type=int, default=320)
    arguments = parser.parse_args()
    cfg = load_experiment(ROOT / "experiments" / "elsa.yaml", "desk").experiment
    as_built = dataclasses.replace(cfg.rooms, train=arguments.train, test=arguments.test)
    found = {"as built": as_built, "independent": independent(as_built)}
    results = {name: explained(rooms, cfg.audio.sample_rate) for name, rooms in found.items()}
    print(json.dumps({"hardware": hardware(), "rooms": [arguments.train, arguments.test], "known": KNOWN, **results}, indent=1))


def independent(rooms: RoomsConfig) -> RoomsConfig:
    """The same ranges, with size, proportions and T30 drawn independently."""
    free = {name: dataclasses.replace(getattr(rooms, name), slenderness=10.0) for name in ("ranges", "test_ranges")}
    return dataclasses.replace(rooms, absorption=[0.0, 1.0], **free)


def explained(rooms: RoomsConfig, sample_rate: int) -> dict[str, float]:
    """R² of log floor area, and the distance's mean absolute error over that of the median, on the test rooms."""
    banks = {split: build_bank(rooms, sample_rate, split).labels for split in ("train", "test")}
    inputs = {split: torch.stack([labels[name].float() for name in KNOWN], 1) for split, labels in banks.items()}
    mean, std = inputs["train"].mean(0), inputs["train"].std(0)
    inputs = {split: (values - mean) / std for split, values in inputs.items()}
    area = {split: labels["floor_area_m2"].float().log() for split, labels in banks.items()}
    distance = {split: labels["distance_m"].float().log() for split, labels in banks.items()}
    guess = fit(inputs["train"], area["train"])(inputs["test"])
    r2 = 1 - (guess - area["test"]).square().mean() / (area["test"] - area["test"].mean()).square().mean()
    metres = fit(inputs["train"], distance["train"])(inputs["test"]).exp()
    truth, constant = distance["test"].exp(), distance["train"].exp().median()
    ratio = (metres - truth).abs().mean() / (constant - truth).abs().mean()
    return {"floor_area_r2": round(r2.item(), 3), "distance_error_ratio": round(ratio.item(), 3)}


def fit(inputs: Tensor, wanted: Tensor, steps: int = 1000):
    """A net of two hidden layers, full batch; returns the function it is."""
    torch.manual_seed(0)
    mean, std = wanted.mean(), wanted.std()
    net = nn.Sequential(nn.Linear(inputs.shape[1], 32), nn.ELU(), nn.Linear(32, 32), nn.ELU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (net(inputs)[:, 0] - (wanted - mean) / std).square().mean().backward()
        optimizer.step()
        schedule.step()
    return lambda values: net(values)[:, 0].detach() * std + mean


if __name__ == "__main__":
    main()
