"""The rule against a count of 10 ms frames, and by its laws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_lightning.data.recorded.directions import unit_vector_deg
from elsa_lightning.data.recorded.single_source import Piece, Rule, single_source
from elsa_lightning.errors import ConfigError

TICKS = 100  # per second
DIRECTIONS = ((0, 0), (4, 0), (8, 0), (12, 0), (20, 5), (90, 0), (178, 0), (-178, 0), (30, 60), (-150, 88))


@st.composite
def labels(draw):
    """Ticks: (start, end, event, direction), pieces of one event in a row, with or without pauses."""
    rows = []
    for event in range(draw(st.integers(1, 4))):
        tick = 0
        for _ in range(draw(st.integers(1, 6))):
            start = tick + draw(st.sampled_from((0, 0, 0, 3, 20, 90)))
            tick = start + draw(st.integers(1, 120))
            rows.append((start, tick, f"e{event}", draw(st.sampled_from(DIRECTIONS))))
    return rows


def pieces_of(rows):
    return [Piece(a / TICKS, b / TICKS, event, event, unit_vector_deg(*angles), 1.0) for a, b, event, angles in rows]


def angle(a, b):
    return math.atan2(np.linalg.norm(np.cross(a, b)), np.dot(a, b))


VECTORS = np.array([unit_vector_deg(*angles) for angles in DIRECTIONS])
APART = np.array([[angle(a, b) for b in VECTORS] for a in VECTORS])


def oracle(rows, guard, shortest, max_move_deg):
    """Frame by frame: (start, end, event, mean direction) in ticks, and the ticks used, alone and active."""
    end = max(row[1] for row in rows)
    active = {event: [None] * end for event in {row[2] for row in rows}}
    for first, last, event, angles in rows:
        active[event][first:last] = [DIRECTIONS.index(angles)] * (last - first)
    parts = []
    for tick in range(end):
        low, high = max(0, tick - guard), tick + guard + 1
        near = [event for event, directions in active.items() if any(one is not None for one in directions[low:high])]
        if len(near) != 1 or active[near[0]][tick] is None:
            continue
        now = active[near[0]][tick]
        follows = parts and parts[-1][1] == tick and parts[-1][2] == near[0]
        if follows and all(APART[now, one] <= math.radians(max_move_deg) + 1e-6 for one in set(parts[-1][3])):
            parts[-1][1] += 1
            parts[-1][3].append(now)
        else:
            parts.append([tick, tick + 1, near[0], [now]])
    kept = [(a, b, event, VECTORS[directions].mean(0)) for a, b, event, directions in parts if b - a >= shortest]
    counts = [sum(directions[tick] is not None for directions in active.values()) for tick in range(end)]
    return kept, sum(b - a for a, b, *_ in kept), counts.count(1), end - counts.count(0)


@settings(deadline=None, max_examples=300)
@given(labels(), st.sampled_from((0, 1, 10, 30)), st.sampled_from((1, 20, 50)), st.sampled_from((3, 4, 10, 90)))
def test_agrees_with_a_count_of_frames(rows, guard, shortest, max_move_deg):
    rule = Rule(shortest / TICKS, guard / TICKS, max_move_deg)
    parts, tally = single_source(pieces_of(rows), rule)
    expected, used, alone, active = oracle(rows, guard, shortest, max_move_deg)
    assert [(round(p.start_s * TICKS), round(p.end_s * TICKS), p.event) for p in parts] == [one[:3] for one in expected]
    for part, (*_, direction) in zip(parts, expected, strict=True):
        assert angle(part.direction, direction) < 1e-6
    assert tally.used == pytest.approx(used / TICKS, abs=1e-6)
    assert tally.overlapping == pytest.approx((active - alone) / TICKS, abs=1e-6)
    assert tally.labelled == pytest.approx(active / TICKS, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(labels(), st.randoms(use_true_random=False))
def test_the_order_of_the_labels_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert single_source(pieces_of(rows), Rule(0.2)) == single_source(pieces_of(shuffled), Rule(0.2))


@settings(deadline=None, max_examples=60)
@given(labels())
def test_laws(rows):
    """Long enough, steady, inside its own event, away from all others, disjoint."""
    rule = Rule(0.3, 0.1, 10)
    pieces = pieces_of(rows)
    parts, _ = single_source(pieces, rule)
    for part in parts:
        assert part.duration_s >= 0.3 - 1e-6
        own = [
            piece
            for piece in pieces
            if piece.event == part.event and piece.start_s < part.end_s - 1e-6 and piece.end_s > part.start_s + 1e-6
        ]
        assert sum(min(p.end_s, part.end_s) - max(p.start_s, part.start_s) for p in own) == pytest.approx(part.duration_s)
        assert all(angle(a.direction, b.direction) <= math.radians(10) + 1e-5 for a, b in itertools.combinations(own, 2))
        assert all(
            piece.end_s <= part.start_s - 0.1 + 1e-6 or piece.start_s >= part.end_s + 0.1 - 1e-6
            for piece in pieces
            if piece.event != part.event
        )
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(parts))


def test_an_overlap_is_taken_out_with_its_guard():
    left, right = unit_vector_deg(90, 0), unit_vector_deg(-90, 0)
    parts, tally = single_source([Piece(0, 5, "a", "dog", left, 2.0), Piece(2, 3, "b", "cat", right)], Rule(1.0, 0.25, 10))
    assert [(part.start_s, part.end_s, part.label, part.distance_m) for part in parts] == [(0, 1.75, "dog", 2.0), (3.25, 5, "dog", 2.0)]
    assert (tally.used, tally.guard, tally.overlapping, tally.short) == (3.5, 0.5, 1.0, 0.0)


def test_a_moving_source_is_cut_where_it_has_moved_too_far():
    """10° a second in frames of 100 ms: eleven directions span 10°, so every part lasts 1.1 s and points to the middle of its way."""
    pieces = [Piece(i / 10, (i + 1) / 10, "a", "", unit_vector_deg(170 + i, 0)) for i in range(33)]
    parts, tally = single_source(pieces, Rule(1.0, 0.2, 10))
    assert [(round(part.start_s, 9), round(part.end_s, 9)) for part in parts] == [(0, 1.1), (1.1, 2.2), (2.2, 3.3)]
    for part, azimuth in zip(parts, (175, 186, 197), strict=True):
        assert angle(part.direction, unit_vector_deg(azimuth, 0)) < 1e-6
    assert tally.short == 0
    faster, tally = single_source(pieces, Rule(1.2, 0.2, 10))
    assert not faster and tally.short == pytest.approx(3.3)


def test_the_mean_weighs_by_time():
    parts, _ = single_source(
        [Piece(0, 3, "a", "", unit_vector_deg(0, 0), 1.0), Piece(3, 4, "a", "", unit_vector_deg(0, 90), 2.0)], Rule(1, 0, 90)
    )
    (part,) = parts
    assert math.degrees(math.atan2(part.direction[2], part.direction[0])) == pytest.approx(math.degrees(math.atan(1 / 3)))
    assert part.distance_m == pytest.approx(1.25)


def test_an_unknown_distance_stays_unknown():
    parts, _ = single_source([Piece(0, 1, "a", "", (1, 0, 0), 1.0), Piece(1, 2, "a", "", (1, 0, 0))], Rule())
    assert len(parts) == 1 and math.isnan(parts[0].distance_m)


def test_no_labels_no_parts():
    assert single_source([], Rule())[0] == []


@pytest.mark.parametrize("values", [(0,), (math.nan,), (1, -0.1), (1, math.inf), (1, 0, 0), (1, 0, 91)])
def test_rules_that_make_no_sense(values):
    with pytest.raises(ConfigError):
        Rule(*values)


def test_a_sliver_left_by_rounding_is_no_part():
    """0.7 + 0.1 lies just below 0.8: of the piece that ends there nothing may count, least of all its direction."""
    assert 0.7 + 0.1 < 0.8
    own = [Piece(start, end, "a", "", unit_vector_deg(azimuth, 0)) for start, end, azimuth in ((0.5, 0.8, 0), (0.8, 1.4, 8), (1.4, 2, 16))]
    parts, _ = single_source([*own, Piece(0.4, 0.7, "b", "", (0, 0, 1))], Rule(1, 0.1, 10))
    assert [(part.start_s, part.end_s) for part in parts] == [(0.8, 2)]
