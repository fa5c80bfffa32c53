"""Tie-aware measures against their definition: the plain measures averaged over every order of the tied items."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_lightning.metrics.ranking import CUTOFFS, rank_queries


def plain(order, relevant):
    """R@k hits, AP@10 and best rank of one strict order of items."""
    places = sorted(order.index(i) for i, r in enumerate(relevant) if r)
    found = [m / (p + 1) for m, p in enumerate(places, start=1) if p < 10]
    return [*(float(places[0] < k) for k in CUTOFFS), sum(found) / min(len(places), 10), places[0]]


def averaged(scores, relevant):
    total, orders = [0.0] * 5, list(itertools.permutations(range(len(scores))))
    for tie_break in orders:
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], tie_break[i]))
        total = [t + v for t, v in zip(total, plain(order, relevant), strict=True)]
    return [t / len(orders) for t in total]


def ours(scores, relevant):
    ranking = rank_queries(torch.tensor([scores], dtype=torch.float64), torch.tensor([relevant]))
    return [*ranking.hits[0].tolist(), ranking.ap10.item(), ranking.rank.item()]


items = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6).filter(lambda rows: any(r for _, r in rows))


@settings(deadline=None, max_examples=60)
@given(items)
def test_equals_the_mean_over_all_orders_of_ties(rows):
    scores, relevant = [float(s) for s, _ in rows], [r for _, r in rows]
    assert ours(scores, relevant) == pytest.approx(averaged(scores, relevant), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40).filter(lambda rows: any(r for _, r in rows)))
def test_measures_are_shares(rows):
    *shares, rank = ours([float(s) for s, _ in rows], [r for _, r in rows])
    assert all(-1e-12 <= v <= 1 + 1e-12 for v in shares) and shares[:3] == sorted(shares[:3])
    assert 0 <= rank < len(rows)


def test_hand_worked_average_precision():
    # right items at ranks 1, 3 and 12 of 12: (1/1 + 2/3) / 3
    scores, relevant = list(range(12, 0, -1)), [i in (0, 2, 11) for i in range(12)]
    assert ours([float(s) for s in scores], relevant) == pytest.approx([1, 1, 1, (1 + 2 / 3) / 3, 0])


def test_more_than_ten_right_items_can_still_reach_one():
    assert ours([float(i < 12) for i in range(20)], [i < 12 for i in range(20)])[3] == pytest.approx(1)


def test_queries_of_one_block_do_not_mix():
    torch.manual_seed(0)
    scores, relevant = torch.randint(0, 4, (7, 12)).double(), torch.rand(7, 12) < 0.3
    relevant[:, 3] = True
    together = rank_queries(scores, relevant)
    for i in range(7):
        alone = rank_queries(scores[i : i + 1], relevant[i : i + 1])
        torch.testing.assert_close(torch.cat((together.hits[i], together.ap10[i : i + 1])), torch.cat((alone.hits[0], alone.ap10)))
