"""Zero-shot accuracy of spatial attributes and of the sound's class, its control and how much hangs on the prompt's wording."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.metrics.zero_shot import predicted_shares, zero_shot_from_scores, zero_shot_scores
from elsa_lightning.schema_evaluation import all_templates

ACCURACIES = ("accuracy", "balanced_accuracy")


def evaluate(embedded: Embedded) -> Found:
    """Accuracy, balanced accuracy, number and confusion of every attribute and of the class, over the examples that have that label."""
    found = Found()
    for name, (labels, classes) in labelled(embedded, found).items():
        scores = zero_shot_scores(embedded.tensors["test/audio"], embedded.tensors[f"prompts/{name}"])
        result = zero_shot_from_scores(scores, labels)
        found.metrics |= {f"{name}/{key}": result[key] for key in (*ACCURACIES, "n")}
        found.details.setdefault("confusion", {})[name] = {"labels": list(classes), "counts": result["confusion"].tolist()}
        share, known = predicted_shares(scores, labels)
        right, clip = share.gather(1, known[:, None])[:, 0], embedded.clip[labels >= 0]
        found.score(f"{name}/accuracy", right, clip)
        found.score(f"{name}/balanced_accuracy", right, clip, "balanced", known)
    return found


def labelled(embedded: Embedded, found: Found) -> dict[str, tuple[Tensor, tuple[str, ...]]]:
    """Attribute, or `class`, → labels `(N,)` of the test examples and their names; what no example has goes to `found.absent`."""
    wanted = {name: (embedded.words(name, "test"), words) for name, words in ATTRIBUTES.items()}
    if "prompts/class" in embedded.tensors:
        names = tuple(embedded.classes) or tuple(map(str, range(len(embedded.tensors["prompts/class"]))))
        wanted["class"] = (embedded.tensors["test/label"], names)
    for name, (labels, words) in list(wanted.items()):
        if not (labels >= 0).any():
            found.absent[name] = "no test clip has a class" if name == "class" else f"no test clip is known to be {' or '.join(words)}"
            del wanted[name]
    return wanted


def shuffled_labels(embedded: Embedded) -> Found:
    """Balanced accuracy with labels shuffled among the examples that have one: mean, and the interval of 95 % of the shuffles."""
    found = Found()
    for name, (labels, _) in labelled(embedded, found).items():
        scores = zero_shot_scores(embedded.tensors["test/audio"], embedded.tensors[f"prompts/{name}"])[labels >= 0]
        labels = labels[labels >= 0]
        generator = torch.Generator().manual_seed(embedded.seed("shuffled labels", name))
        values = [
            zero_shot_from_scores(scores, labels[torch.randperm(len(labels), generator=generator)])["balanced_accuracy"]
            for _ in range(embedded.evaluation.shuffled_labels.shuffles)
        ]
        low, high = np.percentile(values, [2.5, 97.5])
        figures = {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}
        found.metrics |= {f"{name}/{key}": value for key, value in figures.items()}
        found.details[name] = figures | {"n": len(labels)}
    return found


def template_spread(embedded: Embedded) -> Found:
    """Accuracy under each template of `evaluation.template_spread` and the evaluation's own, and under all of them as an ensemble."""
    found = Found()
    templates = all_templates(embedded.evaluation)
    wanted = labelled(embedded, found)
    found.absent.pop("class", None)  # the templates are of spatial words
    for name in (name for name in wanted if name in ATTRIBUTES):
        labels, audio, prompts = wanted[name][0], embedded.tensors["test/audio"], embedded.tensors[f"templates/{name}"]  # (P, C, E)
        results = [zero_shot_from_scores(zero_shot_scores(audio, one), labels) for one in prompts]
        values = [result["balanced_accuracy"] for result in results]
        figures = {"mean": float(np.mean(values)), "min": min(values), "max": max(values), "spread": max(values) - min(values)}
        figures["ensemble"] = zero_shot_from_scores(zero_shot_scores(audio, prompts.transpose(0, 1)), labels)["balanced_accuracy"]
        found.metrics |= {f"{name}/{key}": value for key, value in figures.items()}
        found.details[name] = [
            {"template": template, **{key: result[key] for key in ACCURACIES}} for template, result in zip(templates, results, strict=True)
        ]
    return found
