"""A sound class: its label, its synthesiser and the frames of its captions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio


@dataclass(frozen=True)
class Sound:
    """One class of the corpus.

    Args:
        label: plain words, such as "church bell".
        make: draws the parameters and gives the audio (n,), at any level.
        frames: caption frames (`foley.words`), each of which mentions something drawn.
    """

    label: str
    make: Callable[[Draw, Studio], np.ndarray]
    frames: tuple[str, ...]
