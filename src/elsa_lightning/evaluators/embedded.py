"""What evaluators work on and what they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elsa_lightning.bootstrap import Scores
from elsa_lightning.captions.attributes import attribute_index
from elsa_lightning.schema import EvaluationConfig, Experiment
from elsa_lightning.seeding import seed_of


@dataclass
class Embedded:
    """Embeddings and labels of one run.

    Attributes:
        tensors: as stage `embed` wrote them, and `embed_texts` and `intensity` where there are any.
        cfg: the experiment.
        classes: names of the sound classes, by label.
        fits: what was fitted on the training clips, by what it is: evaluators share it.
    """

    tensors: dict[str, Tensor]
    cfg: Experiment
    classes: list[str] = field(default_factory=list)
    fits: dict[Any, nn.Module] = field(default_factory=dict, repr=False)

    @property
    def evaluation(self) -> EvaluationConfig:
        """Knobs."""
        return self.cfg.evaluation

    @property
    def clips(self) -> int:
        """Clips of the test gallery."""
        return int(self.tensors["retrieval/clip_of_text"].max()) + 1

    @property
    def versions(self) -> int:
        """Examples of each test clip: they follow one another."""
        return len(self.tensors["test/audio"]) // self.clips

    @property
    def clip(self) -> Tensor:
        """`(N,)` clip of each test example."""
        if "test/clip" in self.tensors:  # a part of them, see `part`
            return self.tensors["test/clip"]
        return torch.arange(len(self.tensors["test/audio"])) // self.versions

    def seed(self, *purpose: str | int) -> int:
        """A seed for one purpose."""
        return seed_of(*purpose, self.cfg.seed)

    def of(self, split: str) -> dict[str, Tensor]:
        """The tensors of `test` or `probe`, without the prefix."""
        return {name.removeprefix(f"{split}/"): value for name, value in self.tensors.items() if name.startswith(f"{split}/")}

    def words(self, attribute: str, split: str) -> Tensor:
        """`(N,)` word of each example within `ATTRIBUTES[attribute]`, −1 where none holds or no place is heard."""
        labels = self.of(split)
        index = torch.as_tensor(attribute_index(attribute, {name: labels[name] for name in labels if labels[name].ndim == 1}))
        return index if split == "test" else torch.where(labels["is_spatial"], index, -1)

    def part(self, rows: Tensor) -> Embedded:
        """The same with some of the test examples, `rows (N,)` bool; what was fitted stays."""
        tensors = {**self.tensors, "test/clip": self.clip}
        tensors = {name: value[rows] if name.startswith("test/") else value for name, value in tensors.items()}
        return Embedded(tensors, self.cfg, self.classes, self.fits)


@dataclass
class Found:
    """What an evaluator found; keys are without its name.

    Attributes:
        metrics: key → number.
        absent: key, or group of keys, → why it has no figure.
        details: what is no single number, as plain containers.
        scores: key → the scores that a headline metric averages.
        arrays: name → coordinates, for map.npz.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def score(self, key: str, values: Tensor, clip: Tensor, kind: str = "mean", group: Tensor | None = None) -> None:
        """Keep what the metric `key` averages, if there is anything."""
        if len(values):
            self.scores[key] = Scores(
                values.detach().double().cpu().numpy(), clip.cpu().numpy(), kind, None if group is None else group.cpu().numpy()
            )

    def under(self, prefix: str) -> Found:
        """The same with a prefix before every key."""
        keyed = ({f"{prefix}/{k}": v for k, v in part.items()} for part in (self.metrics, self.absent))
        scores = {f"{prefix}/{k}": v for k, v in self.scores.items()}
        return Found(*keyed, {prefix: self.details} if self.details else {}, scores, self.arrays)

    def add(self, other: Found) -> None:
        """Take in what another found."""
        for name in ("metrics", "absent", "details", "scores", "arrays"):
            getattr(self, name).update(getattr(other, name))


Evaluator = Callable[[Embedded], Found]
