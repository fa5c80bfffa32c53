"""One mono audio file → float32 samples at the wanted rate. Whatever is wrong with the file is one message that names it."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import soundfile
import soxr

from elsa_lightning.errors import DataError

RATES_HZ = (4000, 384000)
"""Sample rates outside this range are taken for a damaged header."""
SILENCE = 1e-5
"""A file whose peak lies below this (−100 dB re full scale) is silent."""
OVERRUN_S = 0.1
"""A part of a file may end this much behind the file (a label's frame that is not full)."""
STREAMED = 0x7FFFF000
"""Lengths above this mean "unknown" in the header of a WAV that was written to a pipe."""


def read_audio(path: str | pathlib.Path, sample_rate: int, channels: int = 1, start_s: float = 0.0, duration_s: float = 0.0) -> np.ndarray:
    """Read a file, whole or in part, and resample it (soxr, HQ).

    Args:
        path: any format that libsndfile reads (wav, flac, ogg, mp3, …).
        sample_rate: wanted rate, Hz.
        channels: that the file must have.
        start_s: where to begin, s.
        duration_s: how much to read, s; 0: up to the end.

    Returns:
        float32 (T,) for one channel, (channels, T) for more.

    Raises:
        DataError: the file is missing, empty, unreadable, truncated, silent, of another channel count, of an absurd rate or not finite, or
            ends before the part does.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise DataError(f"audio file {path} does not exist", "check the corpus' folder, or take its line out of the table")
    if path.stat().st_size == 0:
        raise DataError(f"audio file {path} is empty (0 bytes)", "copy it again from its source")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:  # as bytes: a name may be no text
            truncated = end_is_missing(path, file)
            if not truncated:
                _check_header(path, file, channels)
            first, count = (0, file.frames) if truncated else _part(path, file, start_s, duration_s)
            if first:
                file.seek(first)
            samples = file.read(count, dtype="float32", always_2d=True)  # (T, channels)
            if truncated or len(samples) < count:
                raise DataError(
                    f"audio file {path} is truncated (its end is missing after {len(samples)} samples)", "copy it again from its source"
                )
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"audio file {path} cannot be decoded ({error.error_string.rstrip('.')})", "it is damaged or truncated: copy it again"
        ) from error
    _check_samples(path, samples)
    if rate != sample_rate:
        samples = soxr.resample(samples, rate, sample_rate, quality="HQ")
    samples = np.ascontiguousarray(samples.T, dtype=np.float32)  # (channels, T)
    return samples[0] if channels == 1 else samples


def _check_header(path: pathlib.Path, file: soundfile.SoundFile, channels: int) -> None:
    if file.frames == 0:
        raise DataError(f"audio file {path} is empty (no samples)", "copy it again from its source")
    if file.channels != channels:
        wanted = f"{channels} channels of first-order ambisonics are expected: give it its real layout"
        if channels == 1:
            ambisonics = ', or say its "layout" in the manifest if it is ambisonics' if file.channels == 4 else ""
            wanted = f"mono is expected: mix it down first{ambisonics}"
        raise DataError(f"audio file {path} has {file.channels} channel(s), not {channels}", wanted)
    low, high = RATES_HZ
    if not low <= file.samplerate <= high:
        raise DataError(
            f"audio file {path} claims a sample rate of {file.samplerate} Hz",
            f"rates from {low} to {high} Hz are possible: mend its header",
        )


def _part(path: pathlib.Path, file: soundfile.SoundFile, start_s: float, duration_s: float) -> tuple[int, int]:
    """First sample and number of samples of a part; its end may lie up to `OVERRUN_S` behind the file's, where it is cut."""
    first = round(start_s * file.samplerate)
    count = round(duration_s * file.samplerate) or file.frames - first
    if first >= file.frames or first + count > file.frames + round(OVERRUN_S * file.samplerate):
        raise DataError(
            f"audio file {path} ends at {file.frames / file.samplerate:.3f} s, before its part from {start_s:g} s"
            + (f" to {start_s + duration_s:g} s" if duration_s else ""),
            "correct start_s and duration_s, or copy the file again: it may be truncated",
        )
    return first, min(count, file.frames - first)


def end_is_missing(path: pathlib.Path, file: soundfile.SoundFile) -> bool:
    """Whether the file is shorter than it says, in formats where libsndfile reads what is there without complaint."""
    if file.format in ("WAV", "WAVEX", "RF64", "AIFF"):
        return _data_chunk_is_cut(file.extra_info)
    return file.format == "OGG" and not _ends_with_last_page(path)


def _data_chunk_is_cut(log: str) -> bool:
    """libsndfile shortens a WAV's data chunk to the file's length and says so in its log only: "data : 32000 (should be 19956)"."""
    for line in log.splitlines():
        name, _, rest = line.partition(":")
        if name.strip() in ("data", "SSND") and "should be" in rest:
            stated, actual = (int("".join(c for c in part if c.isdigit()) or 0) for part in rest.split("should be", 1))
            return actual < stated < STREAMED
    return False


def _ends_with_last_page(path: pathlib.Path) -> bool:
    """Whether an Ogg stream's last page is whole and marked as the end (RFC 3533, section 6)."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 2**17))
        tail = file.read()
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < 27 or not page[5] & 4:
        return False
    segments = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(segments)


def _check_samples(path: pathlib.Path, samples: np.ndarray) -> None:
    low, high = samples.min(), samples.max()  # NaN if there is one
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"audio file {path} holds samples that are not finite (NaN or infinity)", "write it again from its source")
    if max(-low, high) < SILENCE:
        raise DataError(f"audio file {path} is silent", "take it out of the corpus: nothing can be placed in a room")
