"""One audio file opened and decoded whole, in blocks: what it is, and everything that is wrong with it."""

from __future__ import annotations

import hashlib
import pathlib
from dataclasses import dataclass

import numpy as np
import soundfile

from elsa_lightning.data.audio_file import RATES_HZ, SILENCE, end_is_missing
from elsa_lightning.data.trust.clipping import CLIP_SHARE, FlatTops

BLOCK = 2**20
"""Samples decoded at a time, so that an hour of sound needs no more memory than a minute."""

Found = tuple[str, str]
"""A kind of fault, and what was found."""


@dataclass(frozen=True)
class Sound:
    """What one file holds.

    Args:
        rate: Hz; 0 where the file could not be opened.
        channels: 0 where the file could not be opened.
        frames: samples per channel that could be decoded.
        digest: hash of the decoded samples (16-bit PCM and FLAC of one sound have the same); empty where something hinders its use.
        found: faults, worst first.
    """

    rate: int = 0
    channels: int = 0
    frames: int = 0
    digest: str = ""
    found: tuple[Found, ...] = ()


class Meter:
    """Level, flat crests and hash of a sound that comes in blocks.

    Args:
        channels: of the sound.
        subtype: how it is stored, as libsndfile calls it.
    """

    def __init__(self, channels: int, subtype: str = "") -> None:
        self.frames, self.peak, self.not_finite = 0, 0.0, 0
        self.tops = FlatTops(channels, subtype)
        self.hash = hashlib.blake2b(f"{channels} channels".encode(), digest_size=16)

    def add(self, block: np.ndarray) -> None:
        """Take in the next samples, float32 (T, channels)."""
        self.frames += len(block)
        bad = block.size - int(np.count_nonzero(np.isfinite(block)))
        self.not_finite += bad
        if not bad:
            self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
            self.tops.add(block)
        self.hash.update(np.ascontiguousarray(block, dtype="<f4"))

    def found(self, clip_share: float) -> list[Found]:
        """Faults of the samples."""
        if self.not_finite:
            return [("not finite", f"{self.not_finite} samples are NaN or infinite")]
        if self.peak < SILENCE:
            return [("silent", f"peak {self.peak:.1e} re full scale")]
        share = self.tops.share()
        return [("clipped", f"{100 * share:.2f} % of the samples in flat-topped crests")] if share >= clip_share else []


def probe_samples(samples: np.ndarray, rate: int, clip_share: float = CLIP_SHARE) -> Sound:
    """A sound in memory, mono (T,), as `probe_file` sees a file."""
    if not len(samples):
        return Sound(rate, 1, 0, "", (("empty", "no samples"),))
    meter = Meter(1)
    meter.add(np.asarray(samples, dtype=np.float32)[:, None])
    return _sound(rate, 1, meter, meter.found(clip_share))


def probe_file(path: str | pathlib.Path, channels: int = 1, clip_share: float = CLIP_SHARE) -> Sound:
    """Decode a file to its end.

    Every file that `read_audio` refuses has a fault that is `unusable`, and no other file has.

    Args:
        path: any format that libsndfile reads.
        channels: that the file should have.
        clip_share: share of flat-topped samples from which on it is called clipped.
    """
    path = pathlib.Path(path)
    try:
        if not path.is_file():
            return Sound(found=(("missing", "does not exist"),))
        if path.stat().st_size == 0:
            return Sound(found=(("empty", "0 bytes"),))
        with soundfile.SoundFile(path) as file:
            return _probe(path, file, channels, clip_share)
    except soundfile.LibsndfileError as error:
        return Sound(found=(("unreadable", f"cannot be opened ({error.error_string.rstrip('.')})"),))
    except OSError as error:
        return Sound(found=(("unreadable", f"cannot be read ({error.strerror})"),))


def _probe(path: pathlib.Path, file: soundfile.SoundFile, channels: int, clip_share: float) -> Sound:
    meter, broken = Meter(file.channels, file.subtype), ""
    try:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            meter.add(block)
    except soundfile.LibsndfileError as error:
        broken = error.error_string.rstrip(".")
    found: list[Found] = []
    if end_is_missing(path, file) or (broken and not _end_is_readable(path)):
        found.append(("truncated", f"its end is missing ({broken or f'after {meter.frames} samples'})"))
    elif broken:
        found.append(("unreadable", f"damaged after about {meter.frames} of {file.frames} samples ({broken})"))
    elif not file.frames:
        found.append(("empty", "no samples"))
    elif meter.frames < file.frames:
        found.append(("truncated", f"ends after {meter.frames} of {file.frames} samples"))
    if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
        found.append(("unreadable", f"claims a sample rate of {file.samplerate} Hz"))
    if file.channels != channels:
        found.append(("channels", f"{file.channels} channel(s), not {channels}"))
    if meter.frames:
        found += meter.found(clip_share)
    return _sound(file.samplerate, file.channels, meter, found)


def _end_is_readable(path: pathlib.Path) -> bool:
    """Whether the last sample is there: then a failure lies in the middle."""
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(file.frames - 1)
            return len(file.read(1)) == 1
    except soundfile.LibsndfileError:
        return False


def _sound(rate: int, channels: int, meter: Meter, found: list[Found]) -> Sound:
    usable = not {kind for kind, _ in found} & {"truncated", "unreadable", "empty", "silent", "not finite"}
    return Sound(rate, channels, meter.frames, meter.hash.hexdigest() if usable else "", tuple(found))
