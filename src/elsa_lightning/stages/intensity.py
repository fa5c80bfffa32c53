"""Stage `intensity`: where the mean active intensity of each test clip points. No model: all rows and seeds of a table share it."""

from __future__ import annotations

import torch
from safetensors.torch import save_file
from torch import Tensor

from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import FeatureCache
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.training.precision import inference_device

FILE = "intensity.safetensors"


def run(stage: Stage) -> dict:
    """Write `intensity/active (N, 3)`: the mean of the active intensity over frames and bands, of every test example in order."""
    cfg = stage.cfg
    cache = {"test": FeatureCache.load(stage.parents["features_eval"] / "test")} if "features_eval" in stage.parents else None
    data = SpatialAudioText(cfg, open_corpus(cfg.data.corpus), load_banks(stage), lambda captions: {}, cache)
    device = inference_device(cfg.trainer.accelerator)
    loader = data.test_dataloader()
    parts: list[Tensor] = []
    for number, batch in enumerate(loader):
        stage.status(number, len(loader), "measuring intensity")
        batch = data.on_after_batch_transfer(data.on_before_batch_transfer(batch).to(device))
        parts.append(batch.features.intensity[:, :3].double().mean(dim=(2, 3)).float().cpu())
    save_file({"intensity/active": torch.cat(parts)}, stage.folder / FILE)
    return {"test_examples": sum(map(len, parts)), "corpus": data.corpus.name, "synthetic": data.corpus.synthetic, "device": device}
