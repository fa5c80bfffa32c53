"""Stage `embed_texts`: texts beyond those of `embed`, for the evaluators that ask for them.

A stage of its own, so that the embeddings that every table shares stay as they are.
"""

from __future__ import annotations

import dataclasses
import json

import torch
from safetensors.torch import save_file
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.captions.templates import plain_caption, prompt_phrase
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.metrics.retrieval import caption_groups
from elsa_lightning.schema_evaluation import all_templates
from elsa_lightning.stages.embed import embed_texts
from elsa_lightning.stages.execute import FACTS, Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.stages.train import load_trained, open_data
from elsa_lightning.training.precision import inference_device

FILE = "more_texts.safetensors"


def run(stage: Stage) -> dict:
    """Write, of P templates, C words, N test clips and M captions:

    `templates/<attribute> (P, C, E)`; `plain/text (M, E)`, at most `captions.per_clip` captions of each clip without spatial words, with
    `plain/clip_of_text (M,)` and `plain/group (M,)`; `directed/text (4, N, E)`, each clip's first spatial caption with each direction word,
    with `directed/group (4, N)`, and `directed/can_move (N,)`: whether its caption says a direction that can be exchanged.
    """
    cfg = stage.cfg
    trained = json.loads((stage.parents["train"] / FACTS).read_text())
    device = inference_device(cfg.trainer.accelerator)
    module = load_trained(cfg, stage.parents["train"], trained["checkpoint"]).to(device)
    data = open_data(stage, load_banks(stage))
    tensors: dict[str, Tensor] = {}
    stage.status(0, 3, "embedding templates")
    templates = all_templates(cfg.evaluation)
    for attribute, words in ATTRIBUTES.items():
        prompts = [template.format(prompt_phrase(attribute, word)) for template in templates for word in words]
        tensors[f"templates/{attribute}"] = embed_texts(module, data, prompts, device).unflatten(0, (len(templates), len(words)))
    stage.status(1, 3, "embedding captions without spatial words")
    texts, clips = plain_captions(data, cfg.captions.per_clip)
    tensors |= {"plain/text": embed_texts(module, data, texts, device), "plain/clip_of_text": clips, "plain/group": caption_groups(texts)}
    stage.status(2, 3, "embedding captions with other directions")
    directed, movable = directed_captions(data)
    every = [text for row in directed for text in row]
    tensors["directed/text"] = embed_texts(module, data, every, device).unflatten(0, (len(directed), -1))
    tensors["directed/group"] = torch.stack([caption_groups(row) for row in directed])
    tensors["directed/can_move"] = movable
    save_file({name: value.contiguous() for name, value in tensors.items()}, stage.folder / FILE)
    return {"templates": len(templates), "plain_captions": len(texts), "movable": int(movable.sum()), "device": device}


def plain_captions(data: SpatialAudioText, per_clip: int) -> tuple[list[str], Tensor]:
    """Each test clip's own captions, at most `per_clip`, and the row of the clip of each."""
    found = [(plain_caption(caption), row) for row, record in enumerate(data.test_records) for caption in record.captions[:per_clip]]
    return [text for text, _ in found], torch.tensor([row for _, row in found])


def directed_captions(data: SpatialAudioText) -> tuple[list[list[str]], Tensor]:
    """Direction × test clip: the first spatial caption of the clip with that direction for its own; and which clips have one to exchange.

    A clip without a direction word keeps its caption, and so does one whose record brings its own spatial captions: nobody knows which of
    its words to exchange.
    """
    words = data.test_words()
    movable = [word.direction is not None and not record.spatial_captions for word, record in zip(words, data.test_records, strict=True)]

    def said(direction: str) -> list[str]:
        moved = [dataclasses.replace(word, direction=direction) if can else word for word, can in zip(words, movable, strict=True)]
        return [captions[0] for captions in data.test_captions(moved)]

    return [said(direction) for direction in ATTRIBUTES["direction"]], torch.tensor(movable)
