"""How fast is a training step? The real module, losses, clipping and optimiser on synthetic sound; no rendering, no data loading."""

from __future__ import annotations

import resource
import statistics
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.captions.what_where import SPACES
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import ConfigError
from elsa_lightning.features import Features
from elsa_lightning.losses.spatial import TargetScale
from elsa_lightning.schema import Experiment, MiniLmConfig
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.precision import inference_autocast, resolve_precision

TOKENS = 32
"""Tokens a caption; the paper's captions with spatial words have 20 to 40."""
_MINILM_WORDS = 30522


class BenchStep:
    """Training steps of an experiment on one synthetic batch.

    Args:
        cfg: the experiment; corpus, rooms and rendering are not looked at.
        device: cpu, cuda or mps.
        clips: examples in the batch.
    """

    def __init__(self, cfg: Experiment, device: str, clips: int) -> None:
        scale = TargetScale(0.0, 1.0)
        self.cfg, self.device = cfg, device
        self.module = ElsaModule(cfg, {"distance": scale, "area": scale}, 10_000).to(device).train()
        built = self.module.configure_optimizers()
        self.optimizer, self.schedule = built["optimizer"], built["lr_scheduler"]["scheduler"]
        self.batch = synthetic_batch(cfg, clips).to(device)
        self.foa = self.batch.foa
        warnings.filterwarnings("ignore", message=".*`self.log.*trainer.*")  # nobody logs here

    def front_end(self) -> Features:
        """Features of the batch; they stand in the batch from then on."""
        self.batch.features = self.module.front_end(self.foa)
        return self.batch.features

    def train(self) -> Tensor:
        """One step on the features that the batch holds: forward, losses, backward, clipping, update, schedule."""
        self.module.on_train_batch_start(self.batch, 0)
        with inference_autocast(self.cfg.trainer.precision, self.device):
            loss = self.module.training_step(self.batch, 0)
        loss.backward()
        self.module.configure_gradient_clipping(self.optimizer)
        self.optimizer.step()
        self.module.model.clamp_logit_scale()
        self.schedule.step()
        self.optimizer.zero_grad()
        return loss.detach()


def synthetic_batch(cfg: Experiment, clips: int) -> AudioTextBatch:
    """Noise from all directions, and captions of random words."""
    generator = torch.Generator().manual_seed(0)
    index = torch.arange(clips)
    ids = torch.randint(4, _words(cfg), (clips, min(TOKENS, cfg.model.text.max_tokens)), generator=generator)
    names = [f"noise {i}" for i in range(clips)]
    return AudioTextBatch(
        split="train",
        key=index,
        render_key=index,
        clip=index,
        version=torch.zeros_like(index),
        records=[ClipRecord(name, "train", "", (name,), name, "") for name in names],
        label=torch.full_like(index, -1),
        room=index,
        is_spatial=torch.ones(clips, dtype=torch.bool),
        foa=0.1 * torch.randn(clips, 4, round(cfg.audio.clip_s * cfg.audio.sample_rate), generator=generator),
        spatial={
            "azimuth": 6 * torch.rand(clips, generator=generator) - 3,
            "elevation": torch.rand(clips, generator=generator) - 0.5,
            "distance_m": 1 + torch.rand(clips, generator=generator),
            "floor_area_m2": 20 + 50 * torch.rand(clips, generator=generator),
        },
        captions=names,
        plain=torch.zeros(clips, dtype=torch.bool),
        tokens={"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        **_texts_beside(cfg, names, ids),
    )


def _texts_beside(cfg: Experiment, names: list[str], ids: Tensor) -> dict[str, Any]:
    """What a batch holds for the spaces beside the joint one: as many words again for each, and a place for every example."""
    if not cfg.model.what_where.width:
        return {}
    tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    places = torch.arange(len(names))[:, None].expand(-1, len(RULES)) % 2
    texts, tokens = dict.fromkeys(SPACES, names), dict.fromkeys(SPACES, tokens)
    return {"texts": texts, "text_tokens": tokens, "said": places, "heard": places}


def _words(cfg: Experiment) -> int:
    return _MINILM_WORDS if isinstance(cfg.model.text, MiniLmConfig) else cfg.model.text.vocab_size


def bench_step(cfg: Experiment, device: str, clips: int, steps: int) -> dict[str, Any]:
    """Medians over `steps` steps after one that warms up.

    Returns:
        clips, device, precision, `step_s`, `front_end_s`, `clips_per_s`, `front_end_share`, `peak_memory_mb` (of the device; on a CPU of
        the process).

    Raises:
        ConfigError: a GPU that is not there, or numbers below 1.
    """
    if clips < 1 or steps < 1:
        raise ConfigError(f"{clips} clips, {steps} steps", "give at least one of each")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here", "write --device cpu")
    torch.set_flush_denormal(True)
    bench = BenchStep(cfg, device, clips)
    times: dict[str, list[float]] = {"front_end": [], "step": []}
    for turn in range(steps + 1):
        if turn == 1 and device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for name, work in (("front_end", bench.front_end), ("step", bench.train)):
            seconds = timed(work, device)
            if turn:
                times[name].append(seconds)
    step, front_end = statistics.median(times["step"]), statistics.median(times["front_end"])
    return {
        "clips": clips,
        "device": device,
        "precision": resolve_precision(cfg.trainer.precision, device),
        "steps": steps,
        "step_s": float(f"{step:.4g}"),
        "front_end_s": float(f"{front_end:.4g}"),
        "clips_per_s": float(f"{clips / (step + front_end):.4g}"),
        "front_end_share": round(front_end / (step + front_end), 3),
        "peak_memory_mb": peak_memory_mb(device),
    }


def timed(work, device: str) -> float:
    """Seconds of a piece of work, with what it queued on a GPU."""
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_memory_mb(device: str) -> int:
    """Largest memory so far, MB: tensors on a GPU, or the whole process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10
