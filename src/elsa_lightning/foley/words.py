"""From caption frames to captions.

A frame is a noun phrase such as "{pace} drops of water [falling|dripping] into {vessel}": a slot in braces takes one of the wordings of a
drawn parameter, brackets offer alternatives. Captions stay free of places and rooms: those are said later, by the spatial sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

_CHOICE = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\ba (?=[aeio]|u(?!ni|s))(?!ewe|one)")


def slots_of(frame: str) -> tuple[str, ...]:
    """Names of the slots in a frame."""
    return tuple(_SLOT.findall(frame))


def fill(frame: str, words: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:
    """One caption from a frame: random alternatives, random wordings, "a" or "an" as the next word asks.

    Raises:
        KeyError: if the frame names a parameter that was not drawn.
    """
    text = _CHOICE.sub(lambda m: str(rng.choice(m[1].split("|"))), frame)
    text = _SLOT.sub(lambda m: str(rng.choice(words[m[1]])), text)
    return _ARTICLE.sub("an ", re.sub(r"\s+", " ", text).strip())


def captions(frames: Sequence[str], words: Mapping[str, Sequence[str]], rng: np.random.Generator, count: int = 5) -> tuple[str, ...]:
    """`count` different captions, from as many different frames as there are.

    Raises:
        ValueError: if the frames cannot give that many different captions.
    """
    found: dict[str, None] = {}
    for _ in range(20):
        for i in rng.permutation(len(frames)):
            found.setdefault(fill(frames[i], words, rng))
            if len(found) == count:
                return tuple(found)
    raise ValueError(f"only {len(found)} different captions from {frames[0]!r}")
