"""The rule by which parts with one sound source are cut out of labels with overlaps.

Labels are pieces: stretches of one event from a constant direction, 100 ms frames in the DCASE sets, whole events in TUT 2018. A moment
belongs to an event's single-source part if

1. the event is active, and
2. no other event is active at it, nor closer to it than `guard_s` before or after (labels are quantised, and rooms ring on).

Each unbroken run of such moments is cut again where its source moves: pieces are taken from the start as long as no two of their directions
are farther apart than `max_move_deg`; the first that is opens the next part. Parts of at least `min_s` are kept. Their direction is the
normalised mean of the unit vectors, their distance the mean distance, both weighted by time.

Unlabelled sounds are beyond any rule: see each corpus' caution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from elsa_lightning.data.recorded.directions import Vector, dot, mean_direction
from elsa_lightning.errors import ConfigError

Span = tuple[float, float]
"""Start and end, s."""

_TINY_S = 1e-9
_TINY_RAD = 1e-6


@dataclass(frozen=True)
class Rule:
    """What a single-source part must fulfil.

    Args:
        min_s: least duration, s.
        guard_s: distance in time from any other event, s.
        max_move_deg: largest angle between two of its directions, degrees; at most 90.

    Raises:
        ConfigError: a value that makes no sense.
    """

    min_s: float = 1.0
    guard_s: float = 0.2
    max_move_deg: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.min_s < math.inf:
            raise ConfigError(f"segments of at least {self.min_s:g} s", "choose a duration above 0")
        if not 0 <= self.guard_s < math.inf:
            raise ConfigError(f"a guard time of {self.guard_s:g} s", "choose 0 or more")
        if not 0 < self.max_move_deg <= 90:
            raise ConfigError(f"a largest movement of {self.max_move_deg:g}°", "choose above 0 and at most 90 degrees")


@dataclass(frozen=True)
class Piece:
    """A part of one event with one direction; also the form of the parts that the rule keeps.

    Args:
        start_s: from the beginning of the recording.
        end_s: after `start_s`.
        event: what tells events apart; pieces of one event do not overlap.
        label: sound class, or empty.
        direction: unit vector, x front, y left, z up.
        distance_m: NaN if unknown.
    """

    start_s: float
    end_s: float
    event: str
    label: str
    direction: Vector
    distance_m: float = math.nan

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Tally:
    """Where the time goes in which a labelled sound is active, s; `used` + `short` + `guard` + `overlapping` is all of it.

    Args:
        used: in the parts that were kept.
        short: one event, but too short for `min_s` (or moving too fast).
        guard: one event, but too close in time to another.
        overlapping: several events.
    """

    used: float = 0.0
    short: float = 0.0
    guard: float = 0.0
    overlapping: float = 0.0

    @property
    def labelled(self) -> float:
        """All of it."""
        return self.used + self.short + self.guard + self.overlapping

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def single_source(pieces: Iterable[Piece], rule: Rule) -> tuple[list[Piece], Tally]:
    """Cut the single-source parts out of one recording's labels.

    Args:
        pieces: in any order.
        rule: see the module.

    Returns:
        the parts by start time, and where the labelled time went.
    """
    events: dict[str, list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.start_s, piece.end_s)):
        events.setdefault(piece.event, []).append(piece)
    spans = {event: _merged((piece.start_s, piece.end_s) for piece in own) for event, own in events.items()}
    kept: list[Piece] = []
    used = short = alone = 0.0
    for event, own in events.items():
        others = [span for other, its in spans.items() if other != event for span in its]
        alone += _length(_without(spans[event], others))
        for span in _without(spans[event], [(start - rule.guard_s, end + rule.guard_s) for start, end in others]):
            for run in _steady(_within(own, span), math.radians(rule.max_move_deg)):
                part = _joined(run)
                if part.duration_s >= rule.min_s - _TINY_S:
                    kept.append(part)
                    used += part.duration_s
                else:
                    short += part.duration_s
    labelled = _length(_merged(sorted(span for its in spans.values() for span in its)))
    tally = Tally(used, short, max(0.0, alone - used - short), max(0.0, labelled - alone))
    return sorted(kept, key=lambda part: part.start_s), tally


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans by start time → their union, disjoint."""
    union: list[Span] = []
    for start, end in spans:
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((start, end))
    return union


def _without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Disjoint spans less the holes."""
    rest: list[Span] = []
    holes = _merged(sorted(holes))
    for start, end in spans:
        for low, high in holes:
            if high <= start or low >= end:
                continue
            if low > start:
                rest.append((start, low))
            start = max(start, high)
        if start < end:
            rest.append((start, end))
    return rest


def _length(spans: Iterable[Span]) -> float:
    return math.fsum(end - start for start, end in spans)


def _within(pieces: Iterable[Piece], span: Span) -> Iterator[Piece]:
    """The parts of an event's pieces that lie in a span; slivers left by rounding are none."""
    for piece in pieces:
        start, end = max(piece.start_s, span[0]), min(piece.end_s, span[1])
        if end - start > _TINY_S:
            yield replace(piece, start_s=start, end_s=end)


def _steady(pieces: Iterable[Piece], max_move: float) -> Iterator[list[Piece]]:
    """Longest runs from the start on in which no two directions are farther apart than `max_move`, rad."""
    limit = math.cos(max_move + _TINY_RAD)
    run: list[Piece] = []
    directions: set[Vector] = set()
    for piece in pieces:
        if any(dot(piece.direction, other) < limit for other in directions):
            yield run
            run, directions = [], set()
        run.append(piece)
        directions.add(piece.direction)
    if run:
        yield run


def _joined(run: Sequence[Piece]) -> Piece:
    """A run as one piece: direction and distance are means over time."""
    time = math.fsum(piece.duration_s for piece in run)
    return replace(
        run[0],
        end_s=run[-1].end_s,
        direction=mean_direction((piece.duration_s, piece.direction) for piece in run),
        distance_m=math.fsum(piece.duration_s * piece.distance_m for piece in run) / time,
    )
