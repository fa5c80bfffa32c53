"""The spaces beside the joint one (`model.what_where`): what each finds, and what it finds that it should not know.

    what/retrieval/…                       between clips and their captions without spatial words (`metrics.retrieval`)
    what/zero_shot/class/…                 the sound's class
    where/retrieval/dup/…                  between clips and texts of places; equal places are right for each other
    where/zero_shot/<attribute>/…          direction, elevation, distance, area, reverberation
    leakage/where_finds_class/…            the class asked of *where*, and leakage/what_finds_direction/… the direction of *what*

Leakage is balanced accuracy with the chance level beside it: a space that knows nothing of the question scores chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES, attribute_index
from elsa_lightning.metrics.retrieval import retrieval_metrics
from elsa_lightning.metrics.zero_shot import zero_shot

ASKED = {"what": ("class",), "where": tuple(ATTRIBUTES)}
"""Space → what it is for."""
LEAKS = {"where_finds_class": ("where", "class"), "what_finds_direction": ("what", "direction")}
"""Name → space, and what it should not know."""

Found = tuple[dict[str, float], dict[str, str]]


def judge_spaces(tensors: dict[str, Tensor]) -> Found:
    """All metrics of both spaces, and why one is absent; neither where the model has no such spaces.

    Args:
        tensors: of stage `embed`.
    """
    found: dict[str, float] = {}
    absent: dict[str, str] = {}
    if "test/what" not in tensors:
        return found, absent
    for prefix, part in (
        ("what/retrieval", _retrieve(tensors, "what")),
        ("where/retrieval", _retrieve(tensors, "where")),
        *((f"{space}/zero_shot", _ask(tensors, space, names)) for space, names in ASKED.items()),
        ("leakage", _leak(tensors)),
    ):
        found |= {f"{prefix}/{name}": value for name, value in part[0].items()}
        absent |= {f"{prefix}/{name}".rstrip("/"): reason for name, reason in part[1].items()}
    return found, absent


def _retrieve(tensors: dict[str, Tensor], space: str) -> Found:
    """Between the first version of each clip and the space's texts of it; clips without any are not in the gallery."""
    clip_of_text = tensors[f"{space}/clip_of_text"]
    if not len(clip_of_text):
        return {}, {"": "no test clip has a word of place to say"}
    clips, row = clip_of_text.unique(return_inverse=True)
    first = tensors["test/version"] == 0
    values = retrieval_metrics(tensors[f"test/{space}"][first][clips], tensors[f"{space}/text"], row, tensors[f"{space}/group"])
    if space == "where":  # a place is no clip's own: which of those at the same place is meant, nobody can tell
        values = {name: value for name, value in values.items() if name.startswith(("dup/", "gallery"))}
    return values, {}


def _ask(tensors: dict[str, Tensor], space: str, names: tuple[str, ...]) -> Found:
    """Zero-shot accuracy in a space, over the clips that have the label."""
    found, absent = {}, {}
    for name in names:
        result, reason = _accuracy(tensors, space, name)
        if reason:
            absent[name] = reason
        found |= {f"{name}/{key}": result[key] for key in ("accuracy", "balanced_accuracy", "n") if key in result}
    return found, absent


def _leak(tensors: dict[str, Tensor]) -> Found:
    found, absent = {}, {}
    for leak, (space, name) in LEAKS.items():
        result, reason = _accuracy(tensors, space, name)
        if reason:
            absent[leak] = reason
            continue
        chance = 1 / len(tensors[f"{space}/prompts/{name}"])
        found |= {f"{leak}/balanced_accuracy": result["balanced_accuracy"], f"{leak}/chance": chance, f"{leak}/n": result["n"]}
    return found, absent


def _accuracy(tensors: dict[str, Tensor], space: str, name: str) -> tuple[dict[str, float | Tensor], str]:
    """`metrics.zero_shot` of one question to one space; and the reason where nobody can answer."""
    labels = {key.removeprefix("test/"): value for key, value in tensors.items() if key.startswith("test/")}
    index = labels["label"] if name == "class" else torch.as_tensor(attribute_index(name, labels))
    if f"{space}/prompts/{name}" not in tensors or not (index >= 0).any():
        return {}, "no test clip has a class" if name == "class" else f"no test clip is known to be {' or '.join(ATTRIBUTES[name])}"
    return zero_shot(tensors[f"test/{space}"], tensors[f"{space}/prompts/{name}"], index), ""
