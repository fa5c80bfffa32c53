"""A sound as a source of blocks at the model's rate, from memory or from a file of any length, readable several times. Imports no torch.

A file of up to `WHOLE_S` is read as the corpora's files are (`data.audio_file.read_audio`), so that the samples are those of the training,
bit for bit; a longer one is decoded and resampled a block at a time. soxr's stream gives the bits of the whole.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import soundfile
import soxr

from elsa_lightning.api.audio import FOA, Audio, check_layout, check_rate, refuse_channels
from elsa_lightning.data.audio_file import RATES_HZ, SILENCE, end_is_missing, read_audio
from elsa_lightning.data.recordings import internal_audio
from elsa_lightning.data.spatial_columns import MONO
from elsa_lightning.errors import DataError

WHOLE_S = 60.0
"""Files up to this length, s, are read at once."""
BLOCK = 65536
"""Samples decoded at a time of longer ones."""


class Source(Protocol):
    """A sound at the model's rate."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def mono(self) -> bool:
        """Whether there is one channel."""
        ...

    def blocks(self) -> Iterator[np.ndarray]:
        """The sound's parts in order, float32 (C, n), ACN/SN3D or one channel; the same parts whenever it is called."""
        ...


@dataclass(frozen=True)
class Memory:
    """Samples that are at hand."""

    name: str
    samples: np.ndarray
    """(C, T)."""

    @property
    def mono(self) -> bool:
        """Whether there is one channel."""
        return len(self.samples) == 1

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples in blocks."""
        for start in range(0, self.samples.shape[1], BLOCK):
            yield self.samples[:, start : start + BLOCK]


@dataclass(frozen=True)
class LongFile:
    """A file that is decoded anew each time."""

    path: pathlib.Path
    rate: int
    layout: str

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def mono(self) -> bool:
        """Whether there is one channel."""
        return self.layout == MONO

    def blocks(self) -> Iterator[np.ndarray]:
        """The file decoded and resampled in blocks.

        Raises:
            DataError: it ends too early, cannot be decoded or holds samples that are not finite.
        """
        with _reading(self.path), soundfile.SoundFile(os.fsencode(self.path)) as file:
            stream = None
            if file.samplerate != self.rate:
                stream = soxr.ResampleStream(file.samplerate, self.rate, file.channels, dtype="float32", quality="HQ")
            left = file.frames
            while left:
                block = file.read(min(BLOCK, left), dtype="float32", always_2d=True)  # (n, C)
                left -= len(block)
                if not len(block):
                    raise DataError(f"audio file {self.path} is truncated ({left} samples are missing)", "copy it again from its source")
                if not np.isfinite(block).all():
                    raise DataError(f"audio file {self.path} holds samples that are not finite (NaN or infinity)", "write it again")
                if stream is not None:
                    block = stream.resample_chunk(block, last=not left)
                if len(block):
                    yield _internal(np.ascontiguousarray(block.T), self.layout)


def open_source(sound: Any, rate: int, given_rate: int | None = None, layout: str | None = None) -> Source:
    """A user's sound as a source.

    Args:
        sound: path of a file, `Audio`, or an array with its `given_rate`.
        rate: the model's, Hz.
        given_rate: of an array.
        layout: of a file or array; None: mono of one channel, ACN/SN3D of four.

    Raises:
        DataError: no sound that the model can hear, with the reason.
    """
    if isinstance(sound, str | os.PathLike):
        if given_rate is not None:
            raise DataError(f"{sound} is a file, which says its own rate", "leave rate= away, or give the samples as an array")
        return _open_file(pathlib.Path(sound).expanduser(), rate, layout)
    if isinstance(sound, bytes) or sound is None or np.isscalar(sound):
        raise DataError(f"a sound cannot be {type(sound).__name__}", "give a path, an array with its rate, or Audio(samples, rate, layout)")
    if not isinstance(sound, Audio):
        given_rate = check_rate(given_rate)
        shape = tuple(getattr(sound, "shape", ()))
        sound = Audio(sound, given_rate, layout or (FOA if len(shape) == 2 and shape[0] == 4 else MONO))
    elif given_rate is not None or layout is not None:
        raise DataError("Audio says its own rate and layout", "leave rate= and layout= away")
    samples = np.atleast_2d(sound.samples)
    if sound.rate != rate:
        samples = np.ascontiguousarray(soxr.resample(samples.T, sound.rate, rate, quality="HQ").T)
    return _in_memory("the sound", samples, sound.layout, sound.rate)


def _open_file(path: pathlib.Path, rate: int, layout: str | None) -> Source:
    if layout is not None:
        check_layout(layout)
    with _reading(path):
        if not path.is_file() or path.stat().st_size == 0:
            read_audio(path, rate)  # says what is wrong
        with soundfile.SoundFile(os.fsencode(path)) as file:
            channels, frames, own_rate = file.channels, file.frames, file.samplerate
            cut = end_is_missing(path, file)
        layout = layout or {1: MONO, 4: FOA}.get(channels)
        if layout is None or channels != (1 if layout == MONO else 4):
            raise refuse_channels(channels, layout, f"audio file {path}")
        low, high = RATES_HZ
        if cut or frames <= WHOLE_S * own_rate or not low <= own_rate <= high:
            return _in_memory(str(path), np.atleast_2d(read_audio(path, rate, channels)), layout, own_rate)
    return LongFile(path, rate, layout)


def _in_memory(name: str, samples: np.ndarray, layout: str, own_rate: int) -> Memory:
    if not samples.shape[1]:
        raise DataError(f"{name} is shorter than one sample of the model's rate", f"it has {own_rate} Hz: is that right?")
    return Memory(name, _internal(samples, layout))


def _internal(samples: np.ndarray, layout: str) -> np.ndarray:
    """Channels (C, n) as this package has them."""
    return samples if layout in (MONO, FOA) else internal_audio(samples, layout)


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[None]:
    """Turns what soundfile and the system raise into one message that names the file."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"audio file {path} cannot be decoded ({error.error_string.rstrip('.')})", "it is damaged or no audio file"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long or holds a NUL, no permission, a broken disk
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"audio file {_shown(path)} cannot be opened ({said})", "check its name and permissions") from error


def _shown(path: pathlib.Path) -> str:
    name = repr(str(path))[1:-1]
    return name if len(name) <= 200 else f"{name[:90]}…{name[-90:]}"


def is_silent(peak: float) -> bool:
    """Whether a peak is that of no sound (−100 dB re full scale)."""
    return not peak >= SILENCE
