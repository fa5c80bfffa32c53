"""Windows of a sound of any length, each of the length and level that the model was trained on. Imports no torch.

A sound of up to one clip (or `audio.min_s`) is treated as an evaluation treats it: edge silence removed, repeated, its centre taken. Of a
longer one, windows start every `hop` samples as long as they fit, and one more ends with the sound if the last did not (`windows`). Nothing
is random, nothing is padded, no window comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from elsa_lightning.api.sources import Source, is_silent
from elsa_lightning.data.clips import QUIET_CROP, loudest, peak_of, repeat, rms
from elsa_lightning.errors import DataError

W = 0
"""Channel that sets the level."""


def windows(n: int, size: int, hop: int) -> list[int]:
    """Starts of the windows of a sound.

    Every `hop` samples one that fits; if the last of them does not end with the sound, one more that does. A sound that is not longer than
    a window has one, from its start.

    Args:
        n: samples of the sound.
        size: of a window.
        hop: from one window to the next, at least 1.

    Returns:
        Increasing starts; all windows together cover the sound if `hop` is at most `size`.

    Raises:
        DataError: a length that is not positive.
    """
    if min(n, size, hop) < 1:
        raise DataError(f"windows of {size} samples every {hop} samples of {n}", "give positive numbers")
    if n <= size:
        return [0]
    starts = list(range(0, n - size + 1, hop))
    return starts if starts[-1] == n - size else [*starts, n - size]


@dataclass(frozen=True)
class Cut:
    """How sounds are cut.

    Attributes:
        size: samples of a window, the training's clip.
        hop: samples from one window to the next.
        reach: sounds up to this length are repeated to it and give their centre, as in an evaluation.
        strip_db: leading and trailing parts below this level, dB re the peak, are left out; None: nothing is.
    """

    size: int
    hop: int
    reach: int
    strip_db: float | None


@dataclass
class _Survey:
    first: int
    """Block in which the sound begins …"""
    last: int
    """… and ends."""
    level: np.floating | float
    """Of W, at which it does; 0: all counts."""


def cut(source: Source, how: Cut) -> Iterator[tuple[np.ndarray, float]]:
    """A sound's windows in order, in the memory of a few.

    The source is read twice: for its peak, which says where its edge silence ends, then for the windows.

    Args:
        source: the sound.
        how: lengths.

    Yields:
        samples (C, size), a copy, and the RMS of W in it; those in which W is zero are left out.

    Raises:
        DataError: a silent sound, or a file that cannot be read to its end.
    """
    survey = _survey(source, how)
    held, origin, start = np.empty((0, 0), np.float32), 0, 0  # `held` begins at sample `origin` of the sound
    for block in _sounding(source, survey):
        held = block if not held.size else np.concatenate([held, block], 1)
        end = origin + held.shape[1]
        if end <= how.reach:
            continue
        while start + how.size <= end:
            yield from _window(held[:, start - origin : start - origin + how.size])
            start += how.hop
        keep = max(origin, min(start, end - how.size))
        held, origin = held[:, keep - origin :].copy(), keep
    end = origin + held.shape[1]
    if end <= how.reach and not start:
        yield from _window(centre(held, how))
    elif start - how.hop + how.size < end:
        yield from _window(held[:, held.shape[1] - how.size :])


def centre(sound: np.ndarray, how: Cut) -> np.ndarray:
    """The part of a short sound (C, n) that an evaluation hears: repeated to `reach`, centre crop, or the loudest if that is quiet.

    The rule of `data.clips.prepare` and `prepare_foa`; both find the same crop.
    """
    sound = repeat(sound, how.reach)
    spare = sound.shape[1] - how.size
    start = spare // 2
    level = rms(sound[W, start : start + how.size])
    if spare and level < QUIET_CROP * peak_of(sound[W]) and level < QUIET_CROP * rms(sound[W]):
        start = loudest(sound[W], how.size)
    return sound[:, start : start + how.size]


def _window(samples: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    level = rms(samples[W])
    if level > 0:
        yield samples.copy(), level


def _survey(source: Source, how: Cut) -> _Survey:
    """Where the sound begins and ends, by its W."""
    peaks = [peak_of(block[W]) for block in source.blocks()]
    peak = float(max(peaks, default=0.0))
    if is_silent(peak):
        told = "is silent" if source.mono else "has a silent W channel"
        raise DataError(f"{source.name} {told}", "leave it out, or check its layout: there is nothing to hear")
    level = 0.0 if how.strip_db is None else peak * 10 ** (how.strip_db / 20)
    loud = [index for index, value in enumerate(peaks) if value >= level]
    return _Survey(loud[0], loud[-1], level)


def _sounding(source: Source, survey: _Survey) -> Iterator[np.ndarray]:
    """The blocks without leading and trailing samples below the level."""
    for index, block in enumerate(source.blocks()):
        if index > survey.last:
            return
        if index < survey.first:
            continue
        if survey.level and index in (survey.first, survey.last):
            loud = np.flatnonzero(np.abs(block[W]) >= survey.level)
            first = loud[0] if index == survey.first else 0
            block = block[:, first : loud[-1] + 1 if index == survey.last else None]
        yield block
