"""One clip of the corpus: a fresh draw of a class's parameters, its sound and its captions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.foley.catalog import CLASSES, SOUNDS
from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, peak
from elsa_lightning.foley.words import captions
from elsa_lightning.seeding import rng_of

PEAK = 0.8
"""Largest magnitude of every clip."""

MIN_RATE, MAX_RATE = 16000, 48000


@dataclass(frozen=True)
class FoleyClip:
    """A synthesised clip.

    Args:
        audio: float32 (T,), peak `PEAK`.
        label: class.
        parameters: what was drawn, by name.
        captions: at least five different noun phrases, none of which says anything about place or room.
    """

    audio: np.ndarray
    label: str
    parameters: dict[str, float | int | str]
    captions: tuple[str, ...]


def draw(seed: int, index: int, split: str, label: str | None = None, sample_rate: int = 16000, duration_s: float = 5.0) -> FoleyClip:
    """Synthesises one clip; the same key gives the same clip in any process.

    Args:
        seed: seed of the corpus.
        index: index of the clip in its split.
        split: train, val or test: they share no value of any continuous parameter.
        label: class; None takes the classes in turn.
        sample_rate: 16000 to 48000 Hz. Parameters, captions and the timing of events do not depend on it, noise does.
        duration_s: length of the clip, at least 0.5 s.

    Raises:
        DataError: for an unknown label or split.
        ConfigError: for a sample rate or duration out of range.
    """
    label = CLASSES[index % len(CLASSES)] if label is None else label
    if label not in SOUNDS:
        raise DataError(f"foley has no class '{label}'", f"use one of: {', '.join(CLASSES)}")
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise ConfigError(f"foley cannot be made at {sample_rate} Hz", f"use a sample rate from {MIN_RATE} to {MAX_RATE} Hz")
    if duration_s < 0.5:
        raise ConfigError(f"foley clips of {duration_s} s are too short", "use a duration of at least 0.5 s")
    sound, drawn = SOUNDS[label], Draw(seed, split, index, label)
    studio = Studio(sample_rate, duration_s, rng_of("foley noise", seed, split, index, label))
    audio = sound.make(drawn, studio)
    audio = PEAK * peak(audio - np.mean(audio))
    phrases = captions(sound.frames, drawn.words, rng_of("foley words", seed, split, index, label))
    return FoleyClip(audio.astype(np.float32), label, drawn.values, phrases)
