"""Stage `train`: the contrastive training of one row."""

from __future__ import annotations

import functools
import logging
import pathlib

import lightning
import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import FeatureCache
from elsa_lightning.data.readers import Corpus, open_corpus
from elsa_lightning.data.recordings import internal_labels
from elsa_lightning.data.text_states import TextStates
from elsa_lightning.losses.spatial import TargetScale
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.training.checkpoints import read_checkpoint
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.showing import show_clips
from elsa_lightning.training.trainer import fit

RUN_NAME = "curves"
LOG = logging.getLogger(__name__)


def run(stage: Stage) -> dict:
    """Train, or go on training; the chosen checkpoint's path is in facts.json."""
    cfg = stage.cfg
    lightning.seed_everything(seed_of("weights", cfg.seed) % 2**32, workers=True, verbose=False)
    banks = load_banks(stage)
    data = open_data(stage, banks)
    steps = data.total_steps
    module = ElsaModule(cfg, target_scales(banks["train"], data.corpus), steps)
    if "pretraining" in stage.parents:
        from elsa_lightning.models.spatial import load_branch

        load_branch(module.model.spatial, stage.parents["pretraining"])
    show = functools.partial(show_clips, cfg=cfg, corpus=data.corpus, banks=banks, tokenizer=data.tokenizer)
    done = fit(module, data, cfg.trainer, stage.folder, steps, RUN_NAME, show)
    said = report_captions(cfg, data)
    trainable = sum(p.numel() for p in module.model.parameters() if p.requires_grad)
    return {
        "checkpoint": str(done.checkpoint.relative_to(stage.folder)),
        "train_seconds": round(done.seconds, 1),
        "steps": steps,
        "trainable": trainable,
        "device": done.device,
        "devices": cfg.trainer.devices * cfg.trainer.nodes,
        "precision": done.precision,
        "threads": torch.get_num_threads(),
        **said,
    }


def report_captions(cfg: Experiment, data: SpatialAudioText) -> dict:
    """With `captions.rewrites`, log how many training captions of each kind this process has written, and return it for facts.json.

    Of a training that was interrupted, the captions since its last start count; of several ranks, those of this one.
    """
    if not cfg.captions.rewrites:
        return {}
    drawn = data.captions_drawn
    text = ", ".join(f"{count} {kind}" for kind, count in drawn.items())
    LOG.info("training captions: %s", text or "none: no step was left to do")
    if drawn and not drawn.get("rewrite"):
        LOG.warning("no caption was found in %s: was it made for this experiment? elsa data rewrite-tasks", cfg.captions.rewrites)
    return {"captions_drawn": drawn}


def open_data(stage: Stage, banks: dict[str, RoomBank]) -> SpatialAudioText:
    """The stage's datamodule, on its cached features and text states where it has them."""
    cfg = stage.cfg
    caches = None
    if cfg.data.rendering == "cached":
        caches = {}
        if "features_train" in stage.parents:
            caches["train"] = FeatureCache.load(stage.parents["features_train"] / "train")
        caches |= {split: FeatureCache.load(stage.parents["features_eval"] / split) for split in ("val", "test")}
    states = TextStates(stage.parents["text_states"]) if "text_states" in stage.parents else None
    return SpatialAudioText(cfg, open_corpus(cfg.data.corpus), banks, build_tokenizer(cfg.model.text), caches, states)


def target_scales(bank: RoomBank, corpus: Corpus | None = None) -> dict[str, TargetScale]:
    """Mean and standard deviation of the distance (m) and the log floor area over the training rooms and recordings."""
    distance, area = (training_labels(bank, corpus, name) for name in ("distance_m", "floor_area_m2"))
    return {"distance": TargetScale.of(distance), "area": TargetScale.of(area.log())}


def training_labels(bank: RoomBank, corpus: Corpus | None, name: str) -> Tensor:
    """`(N,)`: what training may learn of one label, to scale it by.

    Args:
        bank: of the training rooms; counts where the corpus has mono clips to place in them.
        corpus: its training recordings count where the label is known; None: it has none.
        name: of the label.

    Returns:
        The label of each room and recording. Recordings alone that know fewer than two values of it have no spread to scale by; then the
        rooms' are the unit.
    """
    rooms = bank.labels[name]
    rooms = rooms[~rooms.isnan()]  # nobody may have measured a real room's
    records = corpus.records("train") if corpus is not None else []
    values = torch.tensor([internal_labels(record)[name] for record in records if record.recorded])
    if not len(values):
        return rooms
    only_recorded = len(values) == len(records)
    values = values[~values.isnan()]
    if not only_recorded:
        return torch.cat([rooms.cpu(), values])
    return values if len(values.unique()) > 1 else rooms


def load_trained(cfg: Experiment, folder: pathlib.Path, checkpoint: str) -> ElsaModule:
    """The trained module of a finished training stage, in evaluation mode.

    Args:
        cfg: the experiment.
        folder: of the training stage.
        checkpoint: path below it.
    """
    unit = TargetScale(0.0, 1.0)
    module = ElsaModule(cfg, {"distance": unit, "area": unit}, 1)
    state = read_checkpoint(folder / checkpoint)
    module.on_load_checkpoint(state)
    module.load_state_dict(state["state_dict"])
    return module.eval()
