"""A finished run as a model's folder (`api.folder`): weights, scales of the targets, and what its card says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from elsa_lightning import corpora
from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.api import folder as folders
from elsa_lightning.atomic import read_json
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import RunError
from elsa_lightning.losses.spatial import TargetScale
from elsa_lightning.models import build_tokenizer
from elsa_lightning.runs import Run, RunConfig, read_config
from elsa_lightning.schema import Experiment
from elsa_lightning.stages.captioner import load_captioner
from elsa_lightning.stages.execute import FACTS
from elsa_lightning.stages.train import load_trained, target_scales

_PARENT = {"evaluate": "embed", "embed": "train"}
"""Stage → the one before it on the way to the training."""


def export_run(run: Path | str, out: Path | str) -> dict[str, Any]:
    """Write the model that a run trained.

    Args:
        run: folder of a finished stage `train`, `embed` or `evaluate`; the card has figures where it is `evaluate`.
        out: folder to write.

    Returns:
        `about` as config.json holds it.

    Raises:
        RunError: no such run, or not finished.
    """
    chain = _chain(Path(run))
    trained, folder = chain["train"], chain["train"].folder
    planned = read_config(folder)
    facts = json.loads((folder / FACTS).read_text())
    network = load_trained(planned.experiment, folder, facts["checkpoint"]).model
    scales = _scales(planned)
    about = {**_provenance(planned, trained, facts), **_evaluation(chain.get("evaluate"))}
    parts = folders.Parts(planned.experiment, network, build_tokenizer(planned.experiment.model.text), scales, about)
    if "evaluate" in chain:
        _add_captioner(parts, chain["evaluate"])
    folders.write(parts, Path(out))
    return about


def _chain(folder: Path) -> dict[str, Run]:
    """Stage → run, from the given one back to its training.

    Raises:
        RunError: one is not there or not finished.
    """
    found: dict[str, Run] = {}
    while True:
        run = Run(folder.resolve())
        if run.stage not in ("train", *_PARENT):
            raise RunError(f"{folder} is no run of a trained model", "name runs/train/… or runs/evaluate/…, as `elsa train` prints them")
        if not run.done:
            raise RunError(f"{folder} is {run.state}", "finish it: the command that began it goes on from there")
        found[run.stage] = run
        if run.stage == "train":
            return found
        folder = read_config(run.folder).parents[_PARENT[run.stage]]


def _add_captioner(parts: folders.Parts, run: Run) -> None:
    """The captioner that an evaluation scored, where it scored one; the training's own configuration may know of none."""
    captions = read_config(run.folder).parents.get("captions")
    if captions is None:
        return
    planned = read_config(captions)
    own, width = planned.experiment.captioner, parts.experiment.model.embedding
    parts.captioner = folders.Captioner(*load_captioner(planned.parents["captioner"], own, width))
    parts.experiment = dataclasses.replace(parts.experiment, captioner=own)


def _scales(planned: RunConfig) -> dict[str, TargetScale | None]:
    """Those that the training standardised its targets by, computed as it did (`stages.train.target_scales`)."""
    cfg = planned.experiment
    scales = target_scales(RoomBank.load(planned.parents["rooms"] / "train"), open_corpus(cfg.data.corpus))
    return {name: scales[name] if getattr(cfg.loss, name).standardize else None for name in ("distance", "area")}


def _provenance(planned: RunConfig, run: Run, facts: dict[str, Any]) -> dict[str, Any]:
    cfg, meta = planned.experiment, read_json(run.folder / "meta.json") or {}
    about = {"corpus": corpora.described(cfg.data.corpus) | {"content_hash": planned.corpus_hash}}
    about |= {name: meta.get(name) for name in ("commit", "hardware", "versions")}
    about |= {name: facts.get(name) for name in ("steps", "train_seconds", "precision")}
    return about | {"run": run.name, "seed": cfg.seed, "started_from": _started_from(cfg)}


def _started_from(cfg: Experiment) -> list[str]:
    """Names of pretrained weights, without the folders that they lay in."""
    given = [getattr(getattr(cfg.model, tower), "checkpoint", "") for tower in ("semantic", "spatial", "text")]
    return [name if name.count("/") == 1 and not Path(name).expanduser().exists() else Path(name).name for name in given if name]


def _evaluation(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {}
    found = run.metrics()
    return {"metrics": found["metrics"], "gallery": found.get("meta", {}).get("gallery", {})}
