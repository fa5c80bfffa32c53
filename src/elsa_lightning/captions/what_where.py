"""Texts for the spaces beside the joint one: *what* is heard without a word of space, and *where* it is without a word of the sound."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from elsa_lightning.captions.attributes import RULES, SpatialWords
from elsa_lightning.captions.templates import Dice, compose, kept_words, plain_caption

SPACES = ("what", "where")
"""Spaces beside the joint one, each with a text of its own for every example."""

WHERE_FRAMES: tuple[str, ...] = ("{d}", "{g}", "a sound {d}", "a sound {g}", "it is {d}", "heard {g}", "something {d}", "a recording, {d}")
"""Forms of a text that says nothing but the place; slots as in `templates.FRAMES`. Each says every word that is given."""

NOWHERE = "Somewhere."
"""Stands where there is no word of place to say; the loss does not look at it."""

NONE, UNKNOWN = -1, -2
"""Codes of an attribute: no word of it holds (or is said); nobody knows which holds."""

_CODES = {name: {word: code for code, word in enumerate(dict.fromkeys(rule.word for rule in rules))} for name, (_, rules) in RULES.items()}


def what_caption(caption: str) -> str:
    """What is heard, as a sentence."""
    return plain_caption(caption)


def where_caption(words: SpatialWords, rng: np.random.Generator, keep: float = 1.0) -> tuple[str, SpatialWords]:
    """A text of the place alone, and the words it says.

    Args:
        words: of the scene.
        rng: decides the words kept, the form, the wordings and their order.
        keep: probability of each word being kept; with none left all are said, and without any word `NOWHERE`.
    """
    if not words.items():
        return NOWHERE, words
    dice = Dice(rng)
    kept = kept_words(words, dice, keep)
    said = kept if kept.items() else words
    return compose("", said, dice, dice.pick(WHERE_FRAMES)), said


def codes_said(words: SpatialWords) -> list[int]:
    """A code for each attribute, in the order of `RULES`: its word's, or `NONE`."""
    return [_CODES[name].get(getattr(words, name), NONE) for name in RULES]


def codes_heard(words: SpatialWords, labels: Mapping[str, float]) -> list[int]:
    """As `codes_said`, with `UNKNOWN` where the label is not known (NaN).

    Args:
        words: that hold.
        labels: of the scene, as `words_of` takes them.
    """
    return [UNKNOWN if math.isnan(labels[RULES[name][0]]) else code for name, code in zip(RULES, codes_said(words), strict=True)]
