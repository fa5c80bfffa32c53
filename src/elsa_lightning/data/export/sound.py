"""Four channels → the bytes of a file: FLAC of 24 bits or WAV of 32-bit floats, with one gain for all channels. Imports no torch.

The gain is the largest power of two, at most 1, with which every channel stays below full scale: nothing is clipped, and `samples / gain`
is the sound as it was rendered. The WAV header is written here because libsndfile puts the time of writing into it.
"""

from __future__ import annotations

import io
import math
import pathlib
import struct

import numpy as np
import soundfile

from elsa_lightning.errors import DataError

FORMATS = ("flac", "wav")
"""24-bit FLAC, or WAV of 32-bit floats (which holds the rendered samples exactly)."""

FULL_SCALE = 2**23
"""Of 24 bits: samples lie within ±(FULL_SCALE − 1)."""

MOST_FLAC_HZ = 655350
"""Highest sample rate that FLAC can state, Hz."""

_PADDING_BITS = 8  # libsndfile takes 24 bits in the upper part of 32
_IEEE_FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT
_BYTES = {"flac": 3, "wav": 4}


def gain_for(foa: np.ndarray) -> float:
    """The gain of a clip `(4, T)`: a power of two, at most 1.

    Raises:
        DataError: samples that are not finite.
    """
    peak = float(np.abs(foa).max(initial=0.0))
    if not math.isfinite(peak):
        raise DataError("the rendered sound is not finite", "look at this clip and at the room bank (`elsa data check`)")
    gain = min(1.0, 2.0 ** -math.frexp(peak)[1])
    return gain if np.rint(peak * gain * FULL_SCALE) < FULL_SCALE else gain / 2


def stored(foa: np.ndarray, gain: float, file_format: str) -> np.ndarray:
    """What a file holds of a clip: int32 `(T, 4)` in units of 1 / FULL_SCALE for FLAC, float32 `(T, 4)` for WAV."""
    scaled = foa.T * np.float32(gain)
    if file_format == "wav":
        return np.ascontiguousarray(scaled, dtype="<f4")
    return np.rint(scaled.astype(np.float64) * FULL_SCALE).astype(np.int32)


def encoded(samples: np.ndarray, sample_rate: int, file_format: str) -> bytes:
    """A file of what `stored` gave: the same bytes for the same samples."""
    if file_format == "wav":
        return _wav(samples, sample_rate)
    file = io.BytesIO()
    soundfile.write(file, samples << _PADDING_BITS, sample_rate, format="FLAC", subtype="PCM_24")
    return file.getvalue()


def decoded(path: pathlib.Path, file_format: str) -> np.ndarray:
    """What a file holds, as `stored` gave it.

    Raises:
        DataError: it is missing, or cannot be decoded.
    """
    try:
        samples, _ = soundfile.read(path, dtype="float32" if file_format == "wav" else "int32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"{path} cannot be read ({error})", "render it again: delete the file, then the same call") from error
    return samples if file_format == "wav" else samples >> _PADDING_BITS


def most_bytes(samples: int, channels: int, file_format: str) -> int:
    """No file of so many samples is larger: FLAC of noise takes a little more than the samples themselves."""
    return int(1.01 * samples * channels * _BYTES[file_format]) + 2**14


def _wav(samples: np.ndarray, sample_rate: int) -> bytes:
    """RIFF WAVE of 32-bit floats with the fact chunk that such files must have."""
    frames, channels = samples.shape
    data = samples.tobytes()
    form = struct.pack("<HHIIHHH", _IEEE_FLOAT, channels, sample_rate, sample_rate * channels * 4, channels * 4, 32, 0)
    chunks = b"".join(name + struct.pack("<I", len(body)) + body for name, body in ((b"fmt ", form), (b"fact", struct.pack("<I", frames))))
    size = 4 + len(chunks) + 8 + len(data)
    if size >= 2**32:
        raise DataError(f"a clip of {size / 2**30:.1f} GiB does not fit a WAV", "lower audio.clip_s, or export FLAC")
    return b"RIFF" + struct.pack("<I", size) + b"WAVE" + chunks + b"data" + struct.pack("<I", len(data)) + data
