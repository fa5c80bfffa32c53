"""Checks that the readers share: folders of a layout, numbers of a table, headers of audio files."""

from __future__ import annotations

import math
import pathlib

import soundfile

from elsa_lightning.errors import DataError

CHANNELS = 4


def foa_duration(path: pathlib.Path, rate: int) -> float:
    """Duration of a four-channel file from its header, s.

    Args:
        path: any format that libsndfile reads.
        rate: that it must have, Hz; 0 for any.

    Raises:
        DataError: it is missing or empty, cannot be decoded, or has other than four channels or another rate.
    """
    if not path.is_file():
        raise DataError(f"{path}: the audio is missing", "unpack the corpus whole, or copy the file again")
    try:
        header = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: it cannot be decoded ({error.error_string.rstrip('.')})", "copy it again from its source") from error
    if header.channels != CHANNELS:
        remedy = "first-order ambisonics have four: unpack the FOA format, not the binaural, stereo or array one"
        raise DataError(f"{path}: it has {header.channels} channel(s), not {CHANNELS}", remedy)
    if rate and header.samplerate != rate:
        raise DataError(
            f"{path}: its sample rate is {header.samplerate} Hz, not {rate} Hz",
            f"if the corpus was resampled on purpose, say --rate {header.samplerate}",
        )
    if not header.frames:
        raise DataError(f"{path}: it is empty", "copy it again from its source")
    return header.frames / header.samplerate


def relative(path: pathlib.Path, root: pathlib.Path) -> str:
    """A path in the corpus, with forward slashes."""
    return path.relative_to(root).as_posix()


def needs_folder(root: pathlib.Path, name: str, remedy: str) -> pathlib.Path:
    """A folder of the corpus' layout.

    Raises:
        DataError: it is not there.
    """
    folder = root / name
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist", remedy)
    return folder


def number(text: str, name: str, low: float, high: float, where: str) -> float:
    """A finite number of a table within its range.

    Raises:
        DataError: it is none, or outside.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or math.isinf(value):
        raise DataError(
            f"{where}: {name} is '{text}'", f"it must be a number from {low:g} to {high:g}: unpack the labels again, or mend them"
        )
    return value
