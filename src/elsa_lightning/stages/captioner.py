"""Stages `captioner` and `captions`: learn to say what an embedding holds, and say it of the test clips."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import lightning
from safetensors.torch import load_file
from torch import Tensor

from elsa_lightning.atomic import partial_folder, write_text
from elsa_lightning.captions.consensus import agreed
from elsa_lightning.data.embedded_captions import EmbeddedCaptions
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import DataError
from elsa_lightning.models.captioner import (
    PrefixCaptioner,
    build_language,
    captioner_of,
    decode,
    load_tokenizer,
    train_tokenizer,
)
from elsa_lightning.schema import CaptionerConfig, Experiment, SmallGpt2Config
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.embed import FILE
from elsa_lightning.stages.execute import FACTS, Stage
from elsa_lightning.training.captioning import CaptioningModule, CaptionPairs
from elsa_lightning.training.checkpoints import read_checkpoint
from elsa_lightning.training.precision import inference_device
from elsa_lightning.training.trainer import fit

LANGUAGE = "language"
"""Folder of the tokenizer and of GPT-2's config."""

CAPTIONS = "captions.jsonl"
"""One line per test item: clip, version, words, unknown, own, references, hypothesis."""


def run(stage: Stage) -> dict:
    """Train, or go on training, on the spatial training clips' embeddings; the checkpoint's path is in facts.json."""
    cfg, own = stage.cfg, stage.cfg.captioner
    tensors = load_file(stage.parents["embed"] / FILE)
    captions = embedded_captions(cfg, tensors, "probe")
    rows = captions.is_spatial.nonzero()[:, 0]
    if not len(rows):
        raise DataError("no training clip is spatial: there is nothing that a captioner could say of places", "lower data.mono_share")
    audio = tensors["probe/audio"][rows].float()  # (N, E)

    def caption(row: int, epoch: int) -> str:
        return captions.training(int(rows[row]), epoch)

    tokenizer = _tokenizer(stage, [caption(row, 0) for row in range(len(rows))])
    lightning.seed_everything(seed_of("captioner weights", cfg.seed) % 2**32, workers=True, verbose=False)
    language = build_language(own, len(tokenizer))
    language.config.save_pretrained(stage.folder / LANGUAGE)
    module = CaptioningModule(
        cfg, PrefixCaptioner(language, audio.mean(0), audio.std(0, correction=0), own.prefix_length, own.deaf).train()
    )
    one_process = {"devices": 1, "nodes": 1, "strategy": "auto", "chunks": 1, "select": "last", "val_every": 0}
    trainer = dataclasses.replace(cfg.trainer, batch_size=own.batch_size, steps=own.steps, **one_process)
    done = fit(module, CaptionPairs(cfg, audio, caption, tokenizer), trainer, stage.folder, own.steps, "captioner")
    return {
        "checkpoint": str(done.checkpoint.relative_to(stage.folder)),
        "train_seconds": round(done.seconds, 1),
        "steps": own.steps,
        "pairs": len(rows),
        "tokens": len(tokenizer),
        "trainable": sum(p.numel() for p in module.captioner.parameters()),
        "device": done.device,
        "precision": done.precision,
    }


def run_captions(stage: Stage) -> dict:
    """Write `captions.jsonl`: every test item with its references and what the captioner says."""
    cfg, own = stage.cfg, stage.cfg.captioner
    tensors = load_file(stage.parents["embed"] / FILE)
    captions = embedded_captions(cfg, tensors, "test")
    device = inference_device(cfg.trainer.accelerator)
    audio = tensors["test/audio"].float()
    captioner, tokenizer = load_captioner(stage.parents["captioner"], own, audio.shape[1])
    captioner.to(device)
    said: list[str] = []
    started = time.perf_counter()
    for part in audio.split(cfg.evaluation.batch_size):
        said += say(captioner, tokenizer, part.to(device), own, len(said))
        stage.status(len(said), len(audio), "captioning test clips")
    lines = []
    for index, hypothesis in enumerate(said):
        record = captions.record(index)
        line = {
            "clip": record.clip_id,
            "version": index % captions.versions,
            "words": dict(captions.words[index].items()),
            "unknown": captions.unknown[index],
            "own": list(record.captions),
            "references": captions.references(index),
            "hypothesis": hypothesis,
        }
        lines.append(json.dumps(line, ensure_ascii=False))
    write_text(stage.folder / CAPTIONS, "\n".join(lines) + "\n")
    return {"captions": len(said), "seconds": round(time.perf_counter() - started, 1), "device": device}


def say(captioner: PrefixCaptioner, tokenizer: Any, audio: Tensor, cfg: CaptionerConfig, first: int) -> list[str]:
    """Captions of embeddings `(B, E)`: searched for, or the most agreed ones of several drafts.

    Args:
        captioner: in evaluation mode.
        tokenizer: its own.
        audio: on its device.
        cfg: how to decode.
        first: number of the first of these clips: a clip's drafts are drawn by its number.
    """
    if not cfg.drafts:
        return decode(tokenizer, captioner.generate(audio, tokenizer.eos_token_id, cfg.max_tokens, cfg.beam, cfg.length_penalty))
    seeds = [seed_of("caption draft", first + row, draft) for row in range(len(audio)) for draft in range(cfg.drafts)]
    rows = captioner.draw(audio.repeat_interleave(cfg.drafts, 0), tokenizer.eos_token_id, cfg.max_tokens, seeds)
    drafts = decode(tokenizer, rows)
    groups = [drafts[i : i + cfg.drafts] for i in range(0, len(drafts), cfg.drafts)]
    return [group[agreed(group, cfg.agreement, cfg.word_keep)] for group in groups]


def embedded_captions(cfg: Experiment, tensors: dict[str, Tensor], part: str) -> EmbeddedCaptions:
    """Captions of the clips of embed's file.

    Args:
        cfg: the experiment.
        tensors: of the file.
        part: `probe`, the training items of epoch 0, or `test`.
    """
    labels = {name.removeprefix(f"{part}/"): values for name, values in tensors.items() if name.startswith(f"{part}/")}
    records = open_corpus(cfg.data.corpus).records("train" if part == "probe" else "test")
    return EmbeddedCaptions(cfg, records, labels, labels["is_spatial"])


def load_captioner(folder: Path, cfg: CaptionerConfig, width: int) -> tuple[PrefixCaptioner, Any]:
    """The trained captioner of a finished stage, in evaluation mode, and its tokenizer.

    Args:
        folder: of the stage.
        cfg: with prefix length.
        width: of the embeddings.
    """
    captioner = captioner_of(folder / LANGUAGE, width, cfg.prefix_length, cfg.deaf)
    checkpoint = json.loads((folder / FACTS).read_text())["checkpoint"]
    state = read_checkpoint(folder / checkpoint)["state_dict"]
    captioner.load_state_dict({name.removeprefix("captioner."): value for name, value in state.items()})
    return captioner.eval(), load_tokenizer(str(folder / LANGUAGE))


def _tokenizer(stage: Stage, captions: list[str]) -> Any:
    """The pretrained tokenizer, or one made of the captions; kept in the stage's folder, where a resumed training finds it."""
    folder, language = stage.folder / LANGUAGE, stage.cfg.captioner.language
    if not folder.exists():
        small = isinstance(language, SmallGpt2Config)
        tokenizer = train_tokenizer(captions, language.vocab_size) if small else load_tokenizer(language.checkpoint)
        whole = partial_folder(folder)
        tokenizer.save_pretrained(whole)
        os.rename(whole, folder)
    return load_tokenizer(str(folder))
