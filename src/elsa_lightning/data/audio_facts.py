"""Rate and length of a clip's file, and whether training could load it; a mono copy of one with more channels.

`inspect` runs in worker processes, which import nothing heavier than numpy for it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from elsa_lightning.data.audio_file import RATES_HZ, SILENCE, read_audio
from elsa_lightning.errors import DataError, RunError

CHUNK_S = 1.0
"""Of a FLAC file, so much is decoded at the beginning (until something is heard) and at the end."""

CANCELLED = 1e-3
"""A mean of channels whose peak is below this share of theirs is what rounding left of channels that cancel."""


def facts_of(path: Path) -> dict[str, int]:
    """What a manifest says of a file: frames, rate (Hz), channels.

    The file is read whole, as training would read it. Of FLAC, the format of the largest corpora, only both ends are decoded: a header that
    makes sense, a sound, and the last second where the header says it is. Damage in between is for `elsa data check` to find.

    Args:
        path: of an audio file of one or more channels.

    Raises:
        DataError: `read_audio` refuses the file.
    """
    facts = None
    try:
        with soundfile.SoundFile(path) as file:
            facts = {"frames": file.frames, "rate": file.samplerate, "channels": file.channels}
            if file.format == "FLAC" and _ends_are_sound(file):
                return facts
    except (soundfile.LibsndfileError, OSError) as error:
        if facts is None:
            read_audio(path, RATES_HZ[0])  # says what is wrong
            raise DataError(f"audio file {path} cannot be opened ({error})", "check the disk") from error
    samples = read_audio(path, facts["rate"], facts["channels"])
    return facts | {"frames": samples.shape[-1]}


def _ends_are_sound(file: soundfile.SoundFile) -> bool:
    """Whether a file needs no further look."""
    low, high = RATES_HZ
    count = round(CHUNK_S * file.samplerate)
    if not (0 < file.frames < 2**40 and low <= file.samplerate <= high):
        return False
    heard = False
    while not heard and len(chunk := file.read(count, dtype="float32", always_2d=True)):
        heard = bool(np.abs(chunk).max() >= SILENCE)
    last = min(count, file.frames)
    file.seek(file.frames - last)
    return heard and len(file.read(last, dtype="float32", always_2d=True)) == last


def write_mono(path: Path, facts: dict[str, int], copy: Path) -> int:
    """Write the mean of a file's channels as FLAC, 24 bit; quieter by one gain where it would exceed full scale.

    Args:
        path: a file of two channels or more.
        facts: of it.
        copy: where to.

    Returns:
        The copy's size, bytes.

    Raises:
        DataError: the file cannot be read, or its channels cancel.
        RunError: the copy cannot be written.
    """
    samples = read_audio(path, facts["rate"], facts["channels"])  # (channels, T)
    mono = samples.mean(axis=0, dtype=np.float64)
    peak = np.abs(mono).max()
    if peak < max(SILENCE, CANCELLED * np.abs(samples).max()):
        raise DataError(f"audio file {path} is silent once mixed down: its channels cancel", "take one channel of it")
    content = io.BytesIO()
    soundfile.write(content, mono / max(1.0, peak), facts["rate"], format="FLAC", subtype="PCM_24")
    temporary = copy.with_name(f".{copy.name}.part")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.getbuffer())
        os.replace(temporary, copy)
    except OSError as error:
        raise RunError(f"{copy} cannot be written ({error.strerror})", "make room, or choose another folder") from error
    return content.getbuffer().nbytes


def inspect(task: tuple[str, str]) -> dict[str, Any]:
    """One file's facts as a value, faults included, for the journal.

    Args:
        task: the file, and where its mono copy goes if it has more channels; empty: it is then a fault.

    Returns:
        frames, rate, and for a mono copy mono (its path) and bytes; or fault, a pair of message and remedy.

    Raises:
        RunError: a mono copy cannot be written.
    """
    path, copy = Path(task[0]), task[1]
    try:
        facts = facts_of(path)
        channels = facts.pop("channels")
        if channels == 1:
            return facts
        if not copy:
            raise DataError(f"audio file {path} has {channels} channels, not 1", "mix it down: --mix-down FOLDER writes mono copies there")
        return facts | {"mono": copy, "bytes": write_mono(path, facts | {"channels": channels}, Path(copy))}
    except DataError as fault:
        return {"fault": [fault.message, fault.remedy]}
