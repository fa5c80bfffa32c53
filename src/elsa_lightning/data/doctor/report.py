"""A diagnosis as text and as JSON."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np

from elsa_lightning.data.doctor.conventions import DIPOLE_GAINS, NAMES, Convention, label_axes
from elsa_lightning.data.doctor.diagnosis import Diagnosis, Fit
from elsa_lightning.data.doctor.intensity import LONGEST_S

VERDICTS = {
    "fits": "the declared convention fits, and none fits clearly better",
    "another": "another convention fits clearly better than the declared one",
    "none": "no convention fits",
    "undecided": "too few stretches to tell",
}

SHOWN = 10
"""Stretches named in the text; JSON has them all."""

CLASSES = 4
"""Groups of conventions shown in the text."""


def as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as plain values; angles in degrees."""
    return {
        "verdict": diagnosis.verdict,
        "stretches": {
            "used": diagnosis.used,
            "channels_of_equal_level": diagnosis.levelled,
            "shortened": diagnosis.shortened,
            "left_out": [{"stretch": name, "why": why} for name, why in diagnosis.left_out],
        },
        "declared": _fit_dict(diagnosis.declared),
        "best": [[_geometry_dict(fit) for fit in members] for members in diagnosis.best],
        "cannot_be_told_apart_because": diagnosis.alike,
        "normalisation": {
            "fitting": list(diagnosis.normalisations),
            "dipoles_over_w": round(diagnosis.ratio, 4),
            "relative_error": round(diagnosis.ratio_error, 4),
            "expected": {name: round(gain, 4) for name, gain in DIPOLE_GAINS.items()},
        },
        "channel_gains": [None if gain is None else round(gain, 3) for gain in diagnosis.gains],
        "channel_gains_uneven": diagnosis.uneven,
        "left_over_turn_deg": round(diagnosis.turn_deg, 1),
        "median_error_after_turn_deg": round(diagnosis.turned_median_deg, 2),
        "labels_that_disagree": [{"stretch": name, "error_deg": round(error, 1)} for name, error in diagnosis.astray],
    }


def lines(diagnosis: Diagnosis) -> list[str]:
    """The report, a line each."""
    return [
        *_counts(diagnosis),
        f"declared    {diagnosis.declared.convention}",
        f"            {_errors(diagnosis.declared)}",
        *_best(diagnosis),
        *_level(diagnosis),
        *_warnings(diagnosis),
        f"verdict     {VERDICTS[diagnosis.verdict]}{_gain(diagnosis)}",
    ]


def _fit_dict(fit: Fit) -> dict[str, Any]:
    errors = {"mean_error_deg": round(fit.mean_deg, 2), "median_error_deg": round(fit.median_deg, 2)}
    return {"convention": fit.convention.to_dict()} | errors | {"log10_odds_against_best": round(fit.log10_odds, 2)}


def _geometry_dict(fit: Fit) -> dict[str, Any]:
    """Without the normalisation, which directions do not tell."""
    whole = _fit_dict(fit)
    return whole | {"convention": {name: value for name, value in whole["convention"].items() if name != "normalisation"}}


def _errors(fit: Fit) -> str:
    return f"direction errors: mean {fit.mean_deg:.1f}°, median {fit.median_deg:.1f}°"


def _counts(diagnosis: Diagnosis) -> list[str]:
    out = [f"stretches   {diagnosis.used} used, {len(diagnosis.left_out)} left out"]
    for why, count in collections.Counter(why for _, why in diagnosis.left_out).most_common():
        names = [name for name, reason in diagnosis.left_out if reason == why]
        out.append(f"            {count} {why}: {_some(names)}")
    if diagnosis.shortened:
        out.append(f"            of {diagnosis.shortened} longer than {LONGEST_S:g} s only the beginning")
    return out


def _best(diagnosis: Diagnosis) -> list[str]:
    """The best convention, or all between which nothing decides. None of them is singled out."""
    first = [fit.convention for fit in diagnosis.best[0]]
    title = "nearest" if diagnosis.verdict == "none" else "best"
    if len(first) == 1:
        known = len(diagnosis.normalisations) == 1
        out = [f"{title:12s}{first[0] if known else first[0].geometry}"]
    else:
        out = [f"{title:12s}one of {len(first)} that cannot be told apart by physics ({diagnosis.alike}):"]
        out += [f"            - {one.geometry}" for one in first]
    out += [f"            {_errors(diagnosis.best[0][0])}", f"            {_axes(first)}", *_same_as(first)]
    if diagnosis.verdict == "none":
        return out
    for members in diagnosis.best[1:CLASSES]:
        out.append(f"            not excluded by these recordings ({_errors(members[0])}):")
        out += [f"            - {fit.convention.geometry}" for fit in members]
    if len(diagnosis.best) > CLASSES:
        out.append(f"            nor are {sum(map(len, diagnosis.best[CLASSES:]))} others")
    return out


def _same_as(members: list[Convention]) -> list[str]:
    """Labels of another kind that would explain what a mounting explains."""
    out = []
    if any(one.upside_down and one.azimuth == "cw" for one in members):
        out.append("upside down with clockwise azimuths = elevations counted downwards")
    if any(one.yaw_deg for one in members):
        out.append("turned = azimuths counted from another zero")
    return [f"            the same to physics: {text}" for text in out]


def _axes(members: list[Convention]) -> str:
    """Which channels, with which signs, point along the labels' axes, as far as all members agree."""
    names = ("azimuth 0°", "azimuth +90°", "elevation +90°")
    rows = np.stack([label_axes(one) for one in members])  # (members, 3, 3)
    terms = [" ".join(_term(gain, channel) for channel, gain in enumerate(row, 2) if abs(gain) > 1e-6) for row in rows[0]]
    agreed = np.abs(rows - rows[0]).max(axis=(0, 2)) < 0.1  # (3,)
    words = [f"{name} = {term}" if same else f"{name} unknown" for name, term, same in zip(names, terms, agreed, strict=True)]
    return "in the labels' frame: " + ", ".join(words)


def _term(gain: float, channel: int) -> str:
    size = "" if math.isclose(abs(gain), 1.0) else f"{abs(gain):.2f}·"
    return f"{'+' if gain > 0 else '-'}{size}channel {channel}"


def _level(diagnosis: Diagnosis) -> list[str]:
    expected = ", ".join(f"{NAMES[name]} {gain:.2f}" for name, gain in DIPOLE_GAINS.items())
    measured = f"dipoles : W = {diagnosis.ratio:.2f} ± {diagnosis.ratio * diagnosis.ratio_error:.2f} (expected: {expected})"
    if not diagnosis.normalisations:
        return [f"level       fits no normalisation: {measured}"]
    words = " or ".join(NAMES[name] for name in diagnosis.normalisations)
    unclear = "; these recordings do not tell which" if len(diagnosis.normalisations) > 1 else ""
    return [f"level       {words}{unclear}: {measured}"]


def _warnings(diagnosis: Diagnosis) -> list[str]:
    out = []
    if diagnosis.levelled:
        out.append(
            f"warning     in {diagnosis.levelled} stretches all channels have the same level: clipped, or scaled one by one, which bends"
            " every direction"
        )
    if diagnosis.uneven:
        gains = ", ".join("?" if gain is None else f"{gain:.2f}" for gain in diagnosis.gains)
        out.append(f"warning     channels 2, 3, 4 have uneven gains ({gains}): were they scaled one by one? That bends every direction")
    if diagnosis.astray and diagnosis.verdict in ("fits", "another"):
        worst = [f"{name} ({error:.0f}°)" for name, error in diagnosis.astray]
        out.append(f"warning     {len(worst)} labels disagree with the best convention: {_some(worst)}")
    if diagnosis.verdict == "none":
        out.append("hint        are the labels in degrees, of these very files, and is there one source in each stretch?")
    return out


def _gain(diagnosis: Diagnosis) -> str:
    """How much better the best is."""
    if diagnosis.verdict != "another":
        return ""
    best, declared = diagnosis.best[0][0], diagnosis.declared
    if declared.convention.geometry in {fit.convention.geometry for members in diagnosis.best for fit in members}:
        return f": by its level {NAMES[diagnosis.normalisations[0]]}, not {NAMES[declared.convention.normalisation]}"
    return (
        f": mean error {best.mean_deg:.1f}° instead of {declared.mean_deg:.1f}° (odds 10^{-declared.log10_odds:.0f} : 1, were the stretches"
        " independent)"
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
