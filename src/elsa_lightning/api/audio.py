"""`Audio`: samples that say their rate and the layout of their channels. Imports no torch."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from elsa_lightning.data.audio_file import RATES_HZ, SILENCE
from elsa_lightning.data.spatial_columns import LAYOUTS, MONO
from elsa_lightning.errors import DataError

FOA = "foa_acn_sn3d"
"""Layout in which everything is computed: first-order ambisonics, W Y Z X, SN3D."""

NO_STEREO = (
    "stereo tells left from right only, by the microphones' own levels and delays: the model's directions come from ambisonics",
    "give first-order ambisonics (four channels), or one channel: samples.mean(0) as layout 'mono' to hear what it is, not where",
)
"""Why two channels are refused, and what to do."""


@dataclass(frozen=True)
class Audio:
    """A sound in memory.

    Args:
        samples: (T,) or (1, T) for mono, (4, T) for ambisonics: floats, or signed integers, which are divided by their full scale. Only
            ratios of channels matter: levels are set to those of the training.
        rate: Hz; never guessed, as every rate gives some answer.
        layout: `mono`, `foa_acn_sn3d` (AmbiX: W Y Z X, SN3D), `foa_acn_n3d` or `foa_fuma` (W X Y Z, W at −3 dB).

    Raises:
        DataError: samples that are no such sound; the message says what to do.
    """

    samples: np.ndarray
    rate: int
    layout: str

    def __post_init__(self) -> None:
        check_layout(self.layout)
        rate = check_rate(self.rate)
        samples = _as_floats(self.samples)
        if self.layout == MONO and samples.ndim == 2 and len(samples) == 1:
            samples = samples[0]
        _check_shape(samples.shape, self.layout)
        low, high = samples.min(), samples.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise DataError("the samples are not finite (NaN or infinity)", "find where they come from: no sound has such samples")
        if max(-low, high) < SILENCE:
            raise DataError(f"the sound is silent (its peak is below {SILENCE:g})", "scale it if it has other units, or leave it out")
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", rate)

    @property
    def seconds(self) -> float:
        """Length, s."""
        return self.samples.shape[-1] / self.rate


def check_layout(layout: Any) -> None:
    """Refuse what is no layout, and stereo with the reason.

    Raises:
        DataError: so.
    """
    if layout == "stereo":
        raise DataError(*NO_STEREO)
    if layout not in LAYOUTS:
        raise DataError(f"there is no layout {layout!r}", f"choose {', '.join(LAYOUTS)}")


def check_rate(rate: Any) -> int:
    """A sample rate as a whole number of Hz.

    Raises:
        DataError: none, or an absurd one.
    """
    low, high = RATES_HZ
    if rate is None:
        raise DataError(
            "an array has no sample rate", "give it: embed_audio(array, rate=48000, layout='mono'), or Audio(array, rate, layout)"
        )
    whole = isinstance(rate, numbers.Real) and not isinstance(rate, bool) and float(rate).is_integer()
    if not whole or not low <= rate <= high:
        raise DataError(f"the sample rate {rate!r} is not one", f"give whole Hz from {low} to {high}, such as 48000 (not kHz)")
    return int(float(rate))


def refuse_channels(count: int, layout: str | None, what: str) -> DataError:
    """The error for a number of channels that no layout has.

    Args:
        count: channels that there are.
        layout: the wanted one; None: any.
        what: subject of the message.
    """
    if count == 2 and layout in (None, MONO):
        return DataError(f"{what} is stereo: {NO_STEREO[0]}", NO_STEREO[1])
    if layout == MONO:
        more = ": say layout='foa_acn_sn3d' if it is ambisonics, or mix it down" if count == 4 else ": take one, or mix them down"
        return DataError(f"{what} has {count} channels, mono has one", f"there are {count}{more}")
    if count == 1:
        return DataError(f"{what} has one channel, {layout} has four", "say layout='mono'")
    advice = "of higher-order ambisonics in ACN order cut the first four channels" if count > 4 else "give (4, T)"
    return DataError(f"{what} has {count} channels; mono has one and first-order ambisonics four", advice)


def _as_floats(samples: Any) -> np.ndarray:
    """float32; signed integers divided by their full scale."""
    if hasattr(samples, "detach"):  # a torch tensor
        samples = samples.detach().cpu().numpy()
    try:
        array = np.asarray(samples)
    except ValueError:  # rows of several lengths
        array = np.asarray(None)
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    if array.dtype.kind == "u":
        raise DataError(
            f"samples of type {array.dtype} have an offset that is not told", "convert them to floats around 0 (8-bit WAV: x / 128 - 1)"
        )
    if array.dtype.kind != "f":
        raise DataError(f"samples of type {array.dtype} are no sound", "give an array of floats, (T,) or (4, T)")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _check_shape(shape: tuple[int, ...], layout: str) -> None:
    if not shape or 0 in shape:
        raise DataError(f"samples of shape {shape} hold no sound", "give an array (T,) or (4, T)")
    if len(shape) > 2:
        raise DataError(f"samples of shape {shape} are several sounds", "give a list of sounds, each (T,) or (4, T)")
    channels = 1 if len(shape) == 1 else shape[0]
    if len(shape) == 2 and channels > shape[1] and (shape[1] <= 4 or channels > 64):
        raise DataError(f"samples of shape {shape} lie with time first", "transpose them: channels come first, (4, T)")
    if len(shape) == 2 and layout == MONO:
        raise refuse_channels(channels, layout, f"samples of shape {shape}")
    if layout != MONO and channels != 4:
        raise refuse_channels(channels, layout, f"samples of shape {shape}")
