"""Stage `evaluate`: every metric of the tables, from embeddings only."""

from __future__ import annotations

import json
import math

import torch
from safetensors.torch import load_file
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES, attribute_index
from elsa_lightning.evaluators import captioning
from elsa_lightning.losses.spatial import known
from elsa_lightning.metrics.localization import distance_metrics, localization_metrics
from elsa_lightning.metrics.retrieval import retrieval_metrics
from elsa_lightning.metrics.zero_shot import zero_shot
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of
from elsa_lightning.stages.captioner import CAPTIONS
from elsa_lightning.stages.embed import FILE
from elsa_lightning.stages.execute import Stage
from elsa_lightning.training.probe import fit_probe
from elsa_lightning.training.trainer import quiet_lightning


def run(stage: Stage) -> dict:
    """Write `metrics.json`: {"metrics": {name: value}, "meta": {…}}.

    What no clip has a label for has no metric: `meta["absent"]` names it with the reason.
    """
    quiet_lightning()
    tensors = load_file(stage.parents["embed"] / FILE)
    facts = json.loads((stage.parents["embed"] / "texts.json").read_text())
    stage.status(0, 3, "retrieval")
    metrics = {f"retrieval/{name}": value for name, value in retrieve(tensors).items()}
    stage.status(1, 3, "zero-shot")
    found, absent = classify(tensors)
    metrics |= {f"zero_shot/{name}": value for name, value in found.items()}
    missing = {f"zero_shot/{name}": reason for name, reason in absent.items()}
    stage.status(2, 3, "probes")
    found, absent = localize(tensors, stage.cfg)
    metrics |= {f"localization/{name}": value for name, value in found.items()}
    missing |= {f"localization/{name}": reason for name, reason in absent.items()}
    for kind, part in by_rooms(tensors).items():
        for family, (found, absent) in {"zero_shot": classify(part), "localization": localize(part, stage.cfg)}.items():
            metrics |= {f"{kind}/{family}/{name}": value for name, value in found.items()}
            missing |= {f"{kind}/{family}/{name}": reason for name, reason in absent.items()}
    if "captions" in stage.parents:
        found, absent = captioning.evaluate(captioning.read_captions(stage.parents["captions"] / CAPTIONS), stage.cfg.captioner)
        metrics |= {f"captioning/{name}": value for name, value in found.items()}
        missing |= {f"captioning/{name}": reason for name, reason in absent.items()}
    meta = {
        "gallery": {
            "clips": facts["gallery"],
            "captions": len(facts["captions"]),
            "ids": facts["gallery_hash"],
            "test examples": facts["test_examples"],
        }
    } | ({"absent": missing} if missing else {})
    (stage.folder / "metrics.json").write_text(json.dumps({"metrics": {k: float(v) for k, v in metrics.items()}, "meta": meta}, indent=1))
    return meta


def by_rooms(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The same embeddings with the test clips in simulated or in measured rooms alone; empty where all test rooms are of one kind."""
    if "test/in_measured_room" not in tensors:
        return {}
    measured = tensors["test/in_measured_room"]
    kinds = {"simulated": ~measured, "measured": measured}
    return {kind: {k: v[here] if k.startswith("test/") else v for k, v in tensors.items()} for kind, here in kinds.items()}


def retrieve(tensors: dict[str, Tensor]) -> dict[str, float]:
    """Retrieval between the first version of each clip and its captions."""
    clips = int(tensors["retrieval/clip_of_text"].max()) + 1
    first = tensors["test/audio"][:: len(tensors["test/audio"]) // clips]  # a clip's versions follow one another
    return retrieval_metrics(first, tensors["retrieval/text"], tensors["retrieval/clip_of_text"], tensors["retrieval/group"])


def classify(tensors: dict[str, Tensor]) -> tuple[dict[str, float], dict[str, str]]:
    """Zero-shot accuracy of every attribute and of the sound's class, over the clips that have that label; and why one is absent."""
    labels = {name.removeprefix("test/"): value for name, value in tensors.items() if name.startswith("test/")}
    wanted = {name: attribute_index(name, labels) for name in ATTRIBUTES}
    if "prompts/class" in tensors:
        wanted["class"] = labels["label"]
    found, absent = {}, {}
    for name, index in wanted.items():
        if not (torch.as_tensor(index) >= 0).any():
            absent[name] = (
                f"no test clip is known to be {' or '.join(ATTRIBUTES[name])}" if name in ATTRIBUTES else "no test clip has a class"
            )
            continue
        result = zero_shot(tensors["test/audio"], tensors[f"prompts/{name}"], torch.as_tensor(index))
        found |= {f"{name}/{key}": result[key] for key in ("accuracy", "balanced_accuracy", "n")}
    return found, absent


def localize(tensors: dict[str, Tensor], cfg: Experiment) -> tuple[dict[str, float], dict[str, str]]:
    """Errors of two-layer probes trained on the embeddings of training clips, over the clips with that label; and why one is absent."""
    metrics: dict[str, float] = {}
    absent: dict[str, str] = {}
    ev, seed = cfg.evaluation, seed_of("probe", cfg.seed)
    for target, label, metric in (("direction", "direction", localization_metrics), ("distance", "distance_m", distance_metrics)):
        # a non-spatial clip has no place that could be read off it; a recording's may be unknown
        here = known(tensors[f"probe/{label}"], tensors["probe/is_spatial"])
        there = known(tensors[f"test/{label}"], torch.ones_like(tensors["test/is_spatial"]))
        learnt, asked = tensors[f"probe/{label}"][here], tensors[f"test/{label}"][there]
        if reason := _nothing_to_probe(learnt, asked, target):
            absent[target] = reason
            continue
        probe = fit_probe(target, tensors["probe/audio"][here], learnt, ev.probe_hidden, ev.probe_steps, seed)
        with torch.no_grad():
            metrics |= metric(probe(tensors["test/audio"][there]), asked)
    if math.isnan(metrics.get("distance_ratio", 0.0)):
        del metrics["distance_ratio"]
        absent["distance_ratio"] = "all test clips with a known distance have the same one"
    return metrics, absent


def _nothing_to_probe(learnt: Tensor, asked: Tensor, target: str) -> str:
    """Why a probe cannot be trained or judged; empty if it can."""
    for split, values in (("training", learnt), ("test", asked)):
        if not len(values):
            return f"no {split} clip has a known {target}"
    same = target == "distance" and len(learnt.unique()) < 2  # nothing to scale by
    return f"all training clips with a known {target} have the same one" if same else ""
