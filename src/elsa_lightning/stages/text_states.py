"""Stage `text_states`: a frozen text encoder over all captions of a training, once for all rows that draw the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.atomic import disk_space_check
from elsa_lightning.data.captioning import Tokenizer
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.text_states import has_part, write_manifest, write_part
from elsa_lightning.models.text import build_text
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.stages.execute import Stage
from elsa_lightning.training.precision import inference_autocast, inference_device

BATCH = 128
"""Captions encoded at once."""

PART = 32 * BATCH
"""Captions in one file: what a kill can lose."""


@torch.no_grad()
def run(stage: Stage) -> dict:
    """Write the token states of every caption that training will draw; parts of an interrupted run are kept."""
    cfg = stage.cfg
    device = inference_device(cfg.trainer.accelerator)
    tower = build_text(cfg.model.text).to(device).eval()
    tokenizer = build_tokenizer(cfg.model.text)
    stage.status(0, 1, "drawing captions")
    captions, tokens = drawn_captions(stage, tokenizer)
    width = tower.encoder.config.hidden_size
    disk_space_check(stage.folder, 2 * tokens * width / 0.95, "make room, or read the captions at each step: --set data.text_states=live")

    def encode(batch: Sequence[str]) -> list[Tensor]:
        ids = tokenizer(batch)
        with inference_autocast(cfg.trainer.precision, device):
            states = tower.states({name: values.to(device) for name, values in ids.items()})
        return [state[:count] for state, count in zip(states, ids["attention_mask"].sum(1).tolist(), strict=True)]

    parts = [captions[first : first + PART] for first in range(0, len(captions), PART)]
    for number, part in enumerate(parts):
        if not has_part(stage.folder, number, part):
            write_part(stage.folder, number, part, encode_all(part, encode))
        stage.status(min((number + 1) * PART, len(captions)), len(captions), "encoding captions")
    write_manifest(stage.folder, len(parts), len(captions))
    return {"captions": len(captions), "tokens": tokens, "device": device}


def drawn_captions(stage: Stage, tokenizer: Tokenizer) -> tuple[list[str], int]:
    """The different captions of the training, those of like length together (no padding to speak of), and their tokens in all."""
    cfg = stage.cfg
    rooms = {"train": RoomBank.load(stage.parents["rooms"] / "train")}
    batches = SpatialAudioText(cfg, open_corpus(cfg.data.corpus), rooms, tokenizer).training_captions()
    counts: dict[str, int] = {}
    for batch in batches:
        new = list(dict.fromkeys(caption for caption in batch if caption not in counts))
        if new:
            counts |= zip(new, tokenizer(new)["attention_mask"].sum(1).tolist(), strict=True)
    return sorted(counts, key=counts.get), sum(counts.values())


def encode_all(captions: Sequence[str], encode: Callable[[Sequence[str]], list[Tensor]]) -> list[Tensor]:
    """`(tokens, H)` of each caption, `BATCH` at a time."""
    return [state for first in range(0, len(captions), BATCH) for state in encode(captions[first : first + BATCH])]
