"""Which convention explains a set of labelled first-order recordings: their intensity directions against their labels.

Directions tell order, sense and mounting; they say nothing of the normalisation, which is read from the level of the dipoles. What labels
of the given directions cannot tell apart, whatever the recording, is named as one class (labels at elevation 0: a microphone upside down is
the same as azimuths counted clockwise); what these recordings merely failed to tell apart is named beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from elsa_lightning.data.doctor import evidence
from elsa_lightning.data.doctor.conventions import Convention, every_convention, label_axes, unit_vectors
from elsa_lightning.data.doctor.diagnosis import Diagnosis, Fit, Stretch
from elsa_lightning.data.doctor.intensity import LONGEST_S, Measurement, measure
from elsa_lightning.errors import DataError

SAME = math.radians(2.0)
"""Conventions whose predictions differ by no more than this for any label are the same to physics."""

POOR = math.radians(25.0)
"""Median error above which a convention does not fit, even if it fits better than chance would."""

ASTRAY = math.radians(30.0)
"""A label this far from its recording, and four times as far as most, disagrees with the best convention."""

LEAST_TURN_DEG, TURNS = 10.0, 36
"""A yaw that is not on the list is considered if it is further than this from those that are, for no microphone stands exactly straight;
and must beat them by as much more as this many distinguishable yaws make up for."""


def examine(stretches: Iterable[Stretch], declared: Convention) -> Diagnosis:
    """Compare every convention with the recordings.

    Args:
        stretches: read one after the other; none is kept.
        declared: what the corpus says of itself.

    Raises:
        DataError: no stretch can be used.
    """
    names: list[str] = []
    found: list[Measurement] = []
    labels: list[tuple[float, float]] = []
    left_out: list[tuple[str, str]] = []
    shortened = 0
    for stretch in stretches:
        one = measure(stretch.audio, stretch.sample_rate)
        if one.left_out:
            left_out.append((stretch.name, one.left_out))
            continue
        names.append(stretch.name)
        found.append(one)
        labels.append((stretch.azimuth, stretch.elevation))
        shortened += stretch.audio.shape[1] > round(LONGEST_S * stretch.sample_rate)
    if not found:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out[:5]) or "there are none"
        raise DataError(f"no stretch can be used ({reasons})", "give stretches of at least 0.05 s with one sound from one direction each")
    diagnosis, errors = _diagnose(found, unit_vectors(*np.array(labels).T), declared)
    astray = tuple((names[i], math.degrees(errors[i])) for i in np.argsort(-errors) if errors[i] > _limit(errors))
    return replace(diagnosis, shortened=shortened, left_out=tuple(left_out), astray=astray)


def _limit(errors: np.ndarray) -> float:
    """Error, rad, from which a label disagrees."""
    return max(ASTRAY, 4 * float(np.median(errors)))


def _diagnose(found: list[Measurement], labelled: np.ndarray, declared: Convention) -> tuple[Diagnosis, np.ndarray]:
    """The diagnosis but for what concerns single stretches, and the best convention's errors (N,), rad.

    Args:
        found: N measurements.
        labelled: (N, 3) unit vectors in the labels' frame.
        declared: see `examine`.
    """
    seen = np.stack([one.direction for one in found])  # (N, 3) by channel
    ratios = np.array([one.ratio for one in found])
    levelled = sum(one.levelled for one in found)
    level, level_error = evidence.typical_ratio(ratios)
    normalisations = evidence.fitting_normalisations(level, level_error)
    likely = declared.normalisation if declared.normalisation in normalisations or not normalisations else normalisations[0]
    listed = [replace(declared, normalisation=likely)]
    listed += [one for one in every_convention() if one.normalisation == likely and one != listed[0]]
    table = _compare(listed, seen, labelled)
    turned = _compare(listed + _turned(table, seen, labelled), seen, labelled)
    if turned.evidence.max() > table.evidence.max() + evidence.CLEAR + math.log(TURNS):
        table = turned
    top = int(table.evidence.argmax())
    turn, after_turn = evidence.left_over_turn(seen @ label_axes(table.listed[top]).T, labelled)
    classes = _classes(table)
    sound = table.errors[top] <= _limit(table.errors[top])
    diagnosis = Diagnosis(
        verdict="none" if 2 * levelled > len(found) else _verdict(table, normalisations, declared),
        declared=replace(_fit(table, 0), convention=declared),
        best=tuple(tuple(_fit(table, index) for index in members) for members in classes),
        alike=_why_alike(labelled) if any(len(members) > 1 for members in classes) else "",
        normalisations=normalisations,
        ratio=math.exp(level),
        ratio_error=level_error,
        gains=evidence.channel_gains((seen * ratios[:, None])[sound], table.predicted[top][sound]),
        turn_deg=math.degrees(turn),
        turned_median_deg=math.degrees(np.median(after_turn)),
        used=len(found),
        levelled=levelled,
    )
    return diagnosis, table.errors[top]


@dataclass(frozen=True)
class _Table:
    """C conventions, the declared one first, against N stretches."""

    listed: list[Convention]
    predicted: np.ndarray  # (C, N, 3) by channel
    errors: np.ndarray  # (C, N) rad
    evidence: np.ndarray  # (C,)


def _compare(listed: list[Convention], seen: np.ndarray, labelled: np.ndarray) -> _Table:
    predicted = np.stack([labelled @ label_axes(one) for one in listed])
    errors = evidence.angles_between(predicted, seen)
    return _Table(listed, predicted, errors, evidence.direction_evidence(errors))


def _turned(table: _Table, seen: np.ndarray, labelled: np.ndarray) -> list[Convention]:
    """The best class with the yaw that fits best, in whole degrees: microphones need not stand at multiples of 45°."""
    out = []
    for index in _classes(table)[0]:
        one = table.listed[index]
        turn = math.degrees(evidence.left_over_turn(seen @ label_axes(one).T, labelled)[0])
        if abs(turn) > LEAST_TURN_DEG:
            out.append(replace(one, yaw_deg=round(one.yaw_deg + (turn if one.azimuth == "ccw" else -turn))))
    return out


def _fit(table: _Table, index: int) -> Fit:
    own = np.degrees(table.errors[index])
    behind = float(table.evidence[index] - table.evidence.max())
    return Fit(table.listed[index], float(own.mean()), float(np.median(own)), behind / math.log(10))


def _classes(table: _Table) -> list[list[int]]:
    """Conventions that nothing is clearly better than, grouped by equal predictions; the declared one leads its group."""
    classes: list[list[int]] = []
    for index in np.argsort(-np.round(table.evidence, 6), kind="stable"):
        if table.evidence.max() - table.evidence[index] >= evidence.CLEAR:
            break
        for members in classes:
            if (evidence.angles_between(table.predicted[members[0]], table.predicted[index]) <= SAME).all():
                members.append(int(index))
                break
        else:
            classes.append([int(index)])
    return [sorted(members) for members in classes]


def _verdict(table: _Table, normalisations: tuple[str, ...], declared: Convention) -> str:
    """See `Diagnosis`. The best of many conventions must beat chance by as much more."""
    best = table.evidence.max()
    if np.median(table.errors[table.evidence.argmax()]) > POOR or not normalisations:
        return "none"
    if best < evidence.CLEAR + math.log(len(table.listed)):
        return "undecided"
    return "fits" if best - table.evidence[0] < evidence.CLEAR and declared.normalisation in normalisations else "another"


def _why_alike(labelled: np.ndarray) -> str:
    """What is missing in the labels' directions (N, 3): the axes along which they do not spread."""
    spreads, axes = np.linalg.eigh(labelled.T @ labelled / len(labelled))  # ascending
    missing = int((spreads < math.sin(SAME) ** 2).sum())
    if missing == 2:
        return "all labels name one direction or its opposite"
    if missing == 1 and abs(axes[2, 0]) > math.cos(SAME):
        return "all labels lie in the horizontal plane"
    return "all labels lie in one plane" if missing else "they differ by two degrees or less for any label"
