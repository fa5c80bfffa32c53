"""Stage `evaluate`: every metric of the tables, from embeddings only."""

from __future__ import annotations

import json

import torch
from safetensors.torch import load_file
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES, attribute_index
from elsa_lightning.metrics.localization import localization_metrics
from elsa_lightning.metrics.retrieval import retrieval_metrics
from elsa_lightning.metrics.zero_shot import zero_shot
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.embed import FILE
from elsa_lightning.stages.execute import Stage
from elsa_lightning.training.probe import fit_probe
from elsa_lightning.training.trainer import quiet_lightning


def run(stage: Stage) -> dict:
    """Write `metrics.json`: {"metrics": {name: value}, "meta": {…}}."""
    quiet_lightning()
    tensors = load_file(stage.parents["embed"] / FILE)
    facts = json.loads((stage.parents["embed"] / "texts.json").read_text())
    stage.status(0, 3, "retrieval")
    metrics = {f"retrieval/{name}": value for name, value in retrieve(tensors).items()}
    stage.status(1, 3, "zero-shot")
    metrics |= {f"zero_shot/{name}": value for name, value in classify(tensors).items()}
    stage.status(2, 3, "probes")
    metrics |= {f"localization/{name}": value for name, value in localize(tensors, stage.cfg).items()}
    meta = {
        "gallery": {
            "clips": facts["gallery"],
            "captions": len(facts["captions"]),
            "ids": facts["gallery_hash"],
            "test examples": facts["test_examples"],
        }
    }
    (stage.folder / "metrics.json").write_text(json.dumps({"metrics": {k: float(v) for k, v in metrics.items()}, "meta": meta}, indent=1))
    return meta


def retrieve(tensors: dict[str, Tensor]) -> dict[str, float]:
    """Retrieval between the first version of each clip and its captions."""
    clips = int(tensors["retrieval/clip_of_text"].max()) + 1
    first = tensors["test/audio"][:: len(tensors["test/audio"]) // clips]  # a clip's versions follow one another
    return retrieval_metrics(first, tensors["retrieval/text"], tensors["retrieval/clip_of_text"], tensors["retrieval/group"])


def classify(tensors: dict[str, Tensor]) -> dict[str, float]:
    """Zero-shot accuracy of every attribute and of the sound's class."""
    labels = {name.removeprefix("test/"): value for name, value in tensors.items() if name.startswith("test/")}
    wanted = {name: attribute_index(name, labels) for name in ATTRIBUTES}
    if "prompts/class" in tensors:
        wanted["class"] = labels["label"]
    found = {}
    for name, index in wanted.items():
        result = zero_shot(tensors["test/audio"], tensors[f"prompts/{name}"], torch.as_tensor(index))
        found |= {f"{name}/{key}": result[key] for key in ("accuracy", "balanced_accuracy", "n")}
    return found


def localize(tensors: dict[str, Tensor], cfg: Experiment) -> dict[str, float]:
    """Errors of two-layer probes trained on the embeddings of training clips."""
    ev, seed = cfg.evaluation, seed_of("probe", cfg.seed)
    here = tensors["probe/is_spatial"]  # a non-spatial clip has no place that could be read off it
    known = {name: tensors[f"probe/{name}"][here] for name in ("audio", "direction", "distance_m")}
    direction = fit_probe("direction", known["audio"], known["direction"], ev.probe_hidden, ev.probe_steps, seed)
    distance = fit_probe("distance", known["audio"], known["distance_m"], ev.probe_hidden, ev.probe_steps, seed)
    with torch.no_grad():
        audio = tensors["test/audio"]
        return localization_metrics(direction(audio), tensors["test/direction"], distance(audio), tensors["test/distance_m"])
