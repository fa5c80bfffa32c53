"""A sound as recorded → a clip of the wanted length and level: mono, ready to be placed in a room, or ambisonics. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from elsa_lightning.errors import DataError
from elsa_lightning.schema import AudioConfig

QUIET_CROP = 0.01
"""A crop whose RMS lies below this share of the whole sound's is replaced by the loudest crop."""
BLOCK = 1024
"""Samples squared at a time: few enough for a sum in float32 to keep its last bits, and for BLAS not to share them among threads."""
SEARCHED = 4096
"""Samples at a time in which the end of silence is looked for."""


def prepare(
    mono: np.ndarray,
    rate: int,
    audio: AudioConfig,
    rng: np.random.Generator | None = None,
    lead: int = 0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Strip silence, repeat to `min_s` and to `clip_s`, crop to `clip_s`, scale to RMS 1, and put before it what the sound did until then.

    Args:
        mono: (T,) at `rate`.
        rate: Hz.
        audio: lengths and the level of silence.
        rng: places the crop; None: the centre.
        lead: samples before the clip; the sound is taken to repeat itself.
        out: where the result goes, float32 of its shape; None: new memory.

    Returns:
        float32 (lead + round(clip_s · rate),); the clip itself has RMS 1.

    Raises:
        DataError: nothing but silence.
    """
    length = round(audio.clip_s * rate)
    peak = peak_of(mono)
    first, last = loud_part(mono, audio.strip_db, peak)
    sound = repeat(mono[first:last], max(length, round(audio.min_s * rate)))
    spare = len(sound) - length
    start = spare // 2 if rng is None else int(rng.integers(spare + 1))
    level = rms(sound[start : start + length])
    if spare and level < QUIET_CROP * peak and level < QUIET_CROP * rms(sound):  # no RMS exceeds the peak, which is known
        start = loudest(sound, length)
        level = rms(sound[start : start + length])
    clip = np.empty(lead + length, np.float32) if out is None else out
    for part, samples in _with_lead(sound, start, length, lead):
        np.divide(samples.astype(np.float32, copy=False), np.float32(level), out=clip[part])
    return clip


def _with_lead(sound: np.ndarray, start: int, length: int, lead: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Where in a clip of lead + length samples which samples of its sound go: `length` from `start` on, and the `lead` before them, as if
    the sound repeated itself."""
    there = min(start, lead)
    yield slice(lead - there, lead + length), sound[start - there : start + length]
    left = lead - there
    while left > 0:
        step = min(left, len(sound))
        yield slice(left - step, left), sound[len(sound) - step :]
        left -= step


def prepare_foa(foa: np.ndarray, rate: int, audio: AudioConfig, rng: np.random.Generator | None = None) -> np.ndarray:
    """The same for a recording, by what its W does: all channels are cut at the same places and get the same gain.

    Nothing comes before the clip: a recording has its room already.

    Args:
        foa: (4, T) at `rate`, ACN order.
        rate, audio, rng: see `prepare`.

    Returns:
        float32 (4, round(clip_s · rate)); W has RMS 1.

    Raises:
        DataError: W holds nothing but silence.
    """
    length = round(audio.clip_s * rate)
    first, last = loud_part(foa[0], audio.strip_db, peak_of(foa[0]))
    sound = repeat(foa[:, first:last], max(length, round(audio.min_s * rate)))
    spare = sound.shape[1] - length
    start = spare // 2 if rng is None else int(rng.integers(spare + 1))
    if rms(sound[0, start : start + length]) < QUIET_CROP * rms(sound[0]):
        start = loudest(sound[0], length)
    clip = sound[:, start : start + length].astype(np.float32)
    return clip / np.float32(rms(clip[0]))


def strip_silence(mono: np.ndarray, level_db: float) -> np.ndarray:
    """Without the leading and trailing samples below `level_db` re the peak.

    Raises:
        DataError: nothing but zeros.
    """
    first, last = loud_part(mono, level_db, peak_of(mono))
    return mono[first:last]


def loud_part(mono: np.ndarray, level_db: float, peak: float) -> tuple[int, int]:
    """Start and end of what `strip_silence` leaves.

    Args:
        mono: (T,).
        level_db: re the peak.
        peak: `peak_of` it.

    Raises:
        DataError: nothing but zeros.
    """
    if not peak > 0:
        raise DataError("a clip is silent", "take it out of the corpus: nothing can be placed in a room")
    level = peak * 10 ** (level_db / 20)
    return _first_loud(mono, level), len(mono) - _first_loud(mono[::-1], level)


def peak_of(sound: np.ndarray) -> np.floating:
    """Largest absolute value; NaN if there is one."""
    return np.maximum(sound.max(initial=0.0), -sound.min(initial=0.0))


def _first_loud(mono: np.ndarray, level: float) -> int:
    """Index of the first sample that reaches a level, which one does."""
    for start in range(0, len(mono), SEARCHED):
        loud = np.abs(mono[start : start + SEARCHED]) >= level
        if loud.any():
            return start + int(loud.argmax())
    raise AssertionError("no sample reaches the level")


def repeat(sound: np.ndarray, length: int) -> np.ndarray:
    """The sound (…, T) over and over until it has at least `length` samples: exactly `length` if it had to be repeated."""
    samples = sound.shape[-1]
    if samples >= length:
        return sound
    found = np.empty((*sound.shape[:-1], length), sound.dtype)
    for start in range(0, length, samples):
        count = min(samples, length - start)
        found[..., start : start + count] = sound[..., :count]
    return found


def rms(mono: np.ndarray) -> float:
    """Root mean square; squares are summed in the sound's own precision within each block, the blocks in double precision."""
    whole = len(mono) - len(mono) % BLOCK
    blocks, rest = mono[:whole].reshape(-1, BLOCK), mono[whole:]
    energies = [*np.vecdot(blocks, blocks).tolist(), float(rest @ rest)]
    return math.sqrt(math.fsum(energies) / len(mono))


def loudest(mono: np.ndarray, length: int) -> int:
    """Start of the window of `length` samples with the most energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(mono, dtype=np.float64))])
    return int(np.argmax(energy[length:] - energy[: len(energy) - length]))
