"""What the doctor is given and what it finds: plain values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elsa_lightning.data.doctor.conventions import Convention

UNEVEN, ENOUGH = 1.3, 8
"""Largest gain of a dipole channel over the smallest from which the channels were scaled one by one, which bends directions; and the least
number of stretches that can show it."""


@dataclass(frozen=True)
class Stretch:
    """A labelled part of a recording with one sound source.

    Args:
        name: to be named by in the report.
        audio: (4, T) as recorded.
        sample_rate: Hz.
        azimuth: as labelled, rad.
        elevation: as labelled, rad.
    """

    name: str
    audio: np.ndarray
    sample_rate: int
    azimuth: float
    elevation: float


@dataclass(frozen=True)
class Fit:
    """How a convention fits: great-circle errors, degrees, and the base-10 logarithm of its odds against the best (0 or less)."""

    convention: Convention
    mean_deg: float
    median_deg: float
    log10_odds: float


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Args:
        verdict: `fits` (the declared convention is among the best), `another` (another is clearly better), `none` (none fits, or the
            channels were scaled one by one) or `undecided` (too few stretches).
        declared: the convention that was stated, and its fit.
        best: classes of conventions that nothing is clearly better than, best first. Those of one class are the same to physics for these
            labels. Their normalisation is the likeliest, or the declared one if that fits.
        alike: why members of a class cannot be told apart; empty if every class has one member.
        normalisations: that fit the level, likeliest first.
        ratio: amplitude of the dipoles over W (SN3D 1, FuMa 1.41, N3D 1.73), median over stretches.
        ratio_error: its relative standard error.
        gains: of channels 2, 3, 4 relative to channel 1 under the best convention, without stretches that are astray; None where the labels
            do not say.
        turn_deg: by how much the recordings would have to be turned about the vertical, counter-clockwise, to fit best.
        turned_median_deg: median error if they were.
        used: number of stretches that count.
        levelled: how many of them have four channels of equal peak or equal power.
        shortened: how many of them were longer than is listened to.
        left_out: (name, why) of the others.
        astray: (name, error in degrees) of stretches whose label disagrees with the best convention, worst first.
    """

    verdict: str
    declared: Fit
    best: tuple[tuple[Fit, ...], ...]
    alike: str
    normalisations: tuple[str, ...]
    ratio: float
    ratio_error: float
    gains: tuple[float | None, ...]
    turn_deg: float
    turned_median_deg: float
    used: int = 0
    levelled: int = 0
    shortened: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    astray: tuple[tuple[str, float], ...] = ()

    @property
    def uneven(self) -> bool:
        """Whether the dipole channels have clearly different gains."""
        known = [gain for gain in self.gains if gain is not None]
        return self.used >= ENOUGH and self.verdict in ("fits", "another") and len(known) > 1 and max(known) > UNEVEN * min(known)
