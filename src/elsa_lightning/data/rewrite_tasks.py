"""The rewriting task of an experiment: every different sentence that its training will want, for `elsa data rewrite`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.captions.attributes import SpatialWords
from elsa_lightning.captions.rewrite_request import Request
from elsa_lightning.captions.templates import plain_caption
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import Corpus
from elsa_lightning.schema import Experiment


def tasks_of(cfg: Experiment, corpus: Corpus, bank: RoomBank, seeds: Sequence[int] = ()) -> tuple[list[Request], int]:
    """Requests for all that trainings say with spatial words: each different caption with each different set of words once.

    Args:
        cfg: the experiment; captions, words and their draws are those of its training.
        corpus: sounds.
        bank: training rooms, whose labels say the words.
        seeds: of the trainings; none: the experiment's.

    Returns:
        The requests, in the order in which the trainings want them first, and how many captions they draw from them.

    Raises:
        ConfigError: the rooms are rendered during training.
    """
    found: dict[str, Request] = {}
    draws = 0
    for seed in seeds or (cfg.seed,):
        data = SpatialAudioText(dataclasses.replace(cfg, seed=seed), corpus, {"train": bank}, lambda captions: {})
        for caption, drawn in (one for step in data.training_templates() for one in step):
            draws += 1
            name = task_id(caption, drawn.words)
            if name not in found:
                found[name] = Request(name, caption, tuple(drawn.words.items()), drawn.text)
    return list(found.values()), draws


def task_id(caption: str, words: SpatialWords) -> str:
    """The same for the same plain caption and words in any experiment, so that tasks can be joined."""
    return hashlib.blake2b(json.dumps([plain_caption(caption), words.items()]).encode(), digest_size=8).hexdigest()
