"""What each part of elsa_modern's augmentation costs: a plain intensity estimator in degrees, and computing time in ms per clip.

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py [--clips 256]        (a minute on one core; prints JSON)

Bursts of pink-like noise in test rooms of the desk profile; the estimator is the mean active intensity, weighted by its squared length. A
part that costs many degrees would teach a net that directions cannot be heard.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time

import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.config import load_experiment
from elsa_lightning.data.roughening import roughen
from elsa_lightning.features import FrontEnd
from elsa_lightning.provenance import hardware
from elsa_lightning.schema import AugmentationConfig, Experiment

ROOT = pathlib.Path(__file__).parents[1]
REFINES = {"clip_share": ("clip_db",), "aliasing_hz": ("aliasing_leak",), "self_noise_snr_db": ("self_noise_corner_hz",)}
PARTS = (
    *("noise_snr_db", "mismatch_db", "low_cut_hz", "rotation_deg", "aliasing_hz", "delay_us", "phase_deg", "eq_db"),
    *("self_noise_snr_db", "rumble_snr_db", "dc_offset", "clip_share", "level_dbfs"),
)
DESK = ("noise_snr_db", "mismatch_db", "low_cut_hz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=256)
    clips = parser.parse_args().clips
    cfg = load_experiment(ROOT / "experiments" / "elsa_modern.yaml", "desk").experiment
    foa, direction = scenes(cfg, clips)
    chosen = {"none": (), **{name: (name,) for name in PARTS}, "desk profile of elsa.yaml": DESK, "all": PARTS}
    results = {name: cost(foa, direction, cfg, parts) for name, parts in chosen.items()}
    print(json.dumps({"hardware": hardware(), "threads": torch.get_num_threads(), "clips": clips, "parts": results}, indent=1))


def scenes(cfg: Experiment, count: int) -> tuple[Tensor, Tensor]:
    """FOA `(B, 4, T)` of bursts in rooms, and their directions `(B, 3)`."""
    rate, generator = cfg.audio.sample_rate, torch.Generator().manual_seed(0)
    cfg.rooms.test = count
    bank = build_bank(cfg.rooms, rate, "test")
    samples = round(cfg.audio.clip_s * rate)
    spectrum = torch.fft.rfft(torch.randn(count, samples, generator=generator))
    spectrum = spectrum / (1 + torch.fft.rfftfreq(samples, 1 / rate) / 1000)  # level to 1 kHz, then falling as speech does
    bursts = (torch.rand(count, -(-samples // 4000), generator=generator) > 0.5).float().repeat_interleave(4000, 1)[:, :samples]
    mono = torch.fft.irfft(spectrum, n=samples) * bursts
    rows = torch.arange(count)
    foa = torch.cat([convolve(mono[r], bank.rir(r), samples)[..., :samples] for r in rows.split(32)])
    azimuth, elevation = (bank.labels[name].float() for name in ("azimuth", "elevation"))
    return foa, torch.stack([azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()], 1)


def cost(foa: Tensor, direction: Tensor, cfg: Experiment, parts: tuple[str, ...]) -> dict[str, float]:
    """Mean and median error of the estimator, degrees, and CPU time per clip, ms."""
    names = [name for part in parts for name in (part, *REFINES.get(part, ()))]
    only = AugmentationConfig(**{name: getattr(cfg.augmentation, name) for name in names})
    front_end = FrontEnd(cfg.features, cfg.audio.sample_rate)
    spent, errors = 0.0, []
    for rows in torch.arange(len(foa)).split(32):
        begin = time.process_time()
        rough = roughen(foa[rows], rows * 31, only, cfg.audio.sample_rate)
        spent += time.process_time() - begin
        active = front_end(rough).intensity[:, :3].double()  # (B, 3, F, M)
        mean = (active * active.square().sum(1, keepdim=True)).mean((2, 3))
        truth = direction[rows].double()
        errors.append(torch.atan2(torch.linalg.cross(mean, truth).norm(dim=1), (mean * truth).sum(1)))
    error = torch.rad2deg(torch.cat(errors))
    return {
        "mean_deg": round(error.mean().item(), 1),
        "median_deg": round(error.median().item(), 1),
        "ms": round(1000 * spent / len(foa), 1),
    }


if __name__ == "__main__":
    main()
