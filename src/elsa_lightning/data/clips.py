"""A sound as recorded → a clip of the wanted length and level: mono, ready to be placed in a room, or ambisonics. Imports no torch."""

from __future__ import annotations

import numpy as np

from elsa_lightning.errors import DataError
from elsa_lightning.schema import AudioConfig

QUIET_CROP = 0.01
"""A crop whose RMS lies below this share of the whole sound's is replaced by the loudest crop."""


def prepare(mono: np.ndarray, rate: int, audio: AudioConfig, rng: np.random.Generator | None = None, lead: int = 0) -> np.ndarray:
    """Strip silence, repeat to `min_s` and to `clip_s`, crop to `clip_s`, scale to RMS 1, and put before it what the sound did until then.

    Args:
        mono: (T,) at `rate`.
        rate: Hz.
        audio: lengths and the level of silence.
        rng: places the crop; None: the centre.
        lead: samples before the clip; the sound is taken to repeat itself.

    Returns:
        float32 (lead + round(clip_s · rate),); the clip itself has RMS 1.

    Raises:
        DataError: nothing but silence.
    """
    length = round(audio.clip_s * rate)
    sound = repeat(strip_silence(mono, audio.strip_db), max(length, round(audio.min_s * rate)))
    spare = len(sound) - length
    start = spare // 2 if rng is None else int(rng.integers(spare + 1))
    clip = sound[start : start + length].astype(np.float32)
    if rms(clip) < QUIET_CROP * rms(sound):
        start = loudest(sound, length)
        clip = sound[start : start + length].astype(np.float32)
    before = sound.take(np.arange(start - lead, start), mode="wrap").astype(np.float32)
    return np.concatenate([before, clip]) / np.float32(rms(clip))


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
    first, last = loud_part(foa[0], audio.strip_db)
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
    first, last = loud_part(mono, level_db)
    return mono[first:last]


def loud_part(mono: np.ndarray, level_db: float) -> tuple[int, int]:
    """Start and end of what `strip_silence` leaves.

    Raises:
        DataError: nothing but zeros.
    """
    size = np.abs(mono)
    peak = size.max(initial=0.0)
    if not peak > 0:
        raise DataError("a clip is silent", "take it out of the corpus: nothing can be placed in a room")
    loud = size >= peak * 10 ** (level_db / 20)
    return int(loud.argmax()), len(loud) - int(loud[::-1].argmax())


def repeat(sound: np.ndarray, length: int) -> np.ndarray:
    """The sound (…, T) over and over until it has at least `length` samples: exactly `length` if it had to be repeated."""
    return sound if sound.shape[-1] >= length else sound.take(np.arange(length), axis=-1, mode="wrap")


def rms(mono: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))


def loudest(mono: np.ndarray, length: int) -> int:
    """Start of the window of `length` samples with the most energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(mono, dtype=np.float64))])
    return int(np.argmax(energy[length:] - energy[: len(energy) - length]))
