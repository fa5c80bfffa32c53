"""What generated captions are worth: against the references in words, and against the labels in space.

**Task.** Each line of `captions.jsonl` (stage `captions`) is a version of a test clip with what the captioner says of it.

**Metrics.** `bleu1` … `bleu4`, `rouge_l`, `cider_d`, `unique_words` (`metrics.captioning`); `length`, words per caption;
`spatial_words_right` and `spatial_words/…` (`captions.stated_words`); `meteor`, `spider`, `fense` where another interpreter has aac-metrics
(`elsewhere`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from elsa_lightning.captions.stated_words import judge, shares
from elsa_lightning.errors import RunError
from elsa_lightning.evaluators.elsewhere import scores_elsewhere
from elsa_lightning.metrics.captioning import ORDER, bleu, cider_d, rouge_l, tokenize, unique_words
from elsa_lightning.schema import CaptionerConfig


@dataclass(frozen=True)
class CaptionedClip:
    """A line of `captions.jsonl`.

    Attributes:
        clip: its id.
        version: which of its spatial versions.
        words: attribute → word of its label, where its value has one.
        unknown: attributes whose label nobody knows.
        own: the clip's captions without spatial words.
        references: spatial captions of this version.
        hypothesis: the generated one.
    """

    clip: str
    version: int
    words: dict[str, str]
    unknown: list[str]
    own: list[str]
    references: list[str]
    hypothesis: str


def read_captions(path: Path) -> list[CaptionedClip]:
    """The lines of a file.

    Raises:
        RunError: it is missing or damaged.
    """
    names = [field.name for field in fields(CaptionedClip)]
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [CaptionedClip(**{name: line[name] for name in names}) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RunError(f"{path} is missing or damaged ({fault})", f"delete the folder {path.parent} and run again") from fault


def evaluate(clips: Sequence[CaptionedClip], cfg: CaptionerConfig) -> tuple[dict[str, float], dict[str, str]]:
    """Metric → value, and metric → why it has none.

    Args:
        clips: at least one.
        cfg: where aac-metrics is to be had.
    """
    metrics = overlap(clips)
    found, absent = shares([judge(one.hypothesis, one.words, one.unknown, one.own) for one in clips])
    metrics |= {_name(key): value for key, value in found.items()}
    missing = {_name(key): reason for key, reason in absent.items()}
    elsewhere, faults = scores_elsewhere([one.hypothesis for one in clips], [one.references for one in clips], cfg.scorer_python, cfg.java)
    return metrics | elsewhere, missing | faults


def overlap(clips: Sequence[CaptionedClip]) -> dict[str, float]:
    """The measures of words in common with the references."""
    hypotheses = [tokenize(one.hypothesis) for one in clips]
    references = [[tokenize(text) for text in one.references] for one in clips]
    return {
        **{f"bleu{n}": value for n, value in zip(range(1, ORDER + 1), bleu(hypotheses, references), strict=True)},
        "rouge_l": rouge_l(hypotheses, references),
        "cider_d": cider_d(hypotheses, references)[0],
        "unique_words": float(unique_words(hypotheses)),
        "unique_words_of_references": float(unique_words(words for others in references for words in others)),
        "length": sum(map(len, hypotheses)) / len(hypotheses),
        "n": float(len(clips)),
    }


def _name(key: str) -> str:
    """`right` → spatial_words_right, the headline; everything else below spatial_words/; nothing at all → both."""
    return "spatial_words_right" if key == "right" else f"spatial_words/{key}" if key else "spatial_words"
