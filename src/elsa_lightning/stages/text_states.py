"""Stage `text_states`: a frozen text encoder over all captions of a training, once for all rows that draw the same ones."""

from __future__ import annotations

import torch

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.text_states import TextStatesWriter
from elsa_lightning.models.text import build_text
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.stages.execute import Stage
from elsa_lightning.training.precision import inference_autocast, inference_device

BATCH = 128
"""Captions encoded at once."""


@torch.no_grad()
def run(stage: Stage) -> dict:
    """Write the token states of every caption that training will draw."""
    cfg = stage.cfg
    device = inference_device(cfg.trainer.accelerator)
    tower = build_text(cfg.model.text).to(device).eval()
    tokenizer = build_tokenizer(cfg.model.text)
    stage.status(0, 1, "drawing captions")
    rooms = {"train": RoomBank.load(stage.parents["rooms"] / "train")}
    datamodule = SpatialAudioText(cfg, open_corpus(cfg.data.corpus), rooms, tokenizer)
    captions = list(dict.fromkeys(caption for batch in datamodule.training_captions() for caption in batch))
    counts = tokenizer(captions)["attention_mask"].sum(1)
    order = counts.argsort(stable=True).tolist()  # captions of like length together: no padding to speak of
    writer = None
    for first in range(0, len(order), BATCH):
        chosen = [captions[i] for i in order[first : first + BATCH]]
        tokens = tokenizer(chosen)
        with inference_autocast(cfg.trainer.precision, device):
            states = tower.states({name: values.to(device) for name, values in tokens.items()})
        writer = writer or TextStatesWriter(stage.folder, int(counts.sum()), states.shape[-1])
        writer.add(chosen, states, tokens["attention_mask"])
        stage.status(first + len(chosen), len(order), "encoding captions")
    writer.close()
    return {"captions": len(captions), "tokens": int(counts.sum()), "device": device}
