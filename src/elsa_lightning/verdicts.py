"""Claims and floors against measured values: pure functions of numbers. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from elsa_lightning.table_file import Claim, Floor

HOLDS, FAILS, UNKNOWN = "✓", "✗", "?"


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and half width of its 95 % confidence interval (Student's t; None for fewer than two values)."""
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return mean, None
    from scipy.special import stdtrit

    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return mean, float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)


def holds(left: float, op: str, right: float, tolerance: float = 0.0, margin: float = 0.0) -> bool:
    """Whether `left op right`: `~` within the tolerance, `<=` and `>=` with it as slack, `<` and `>` by the margin at least."""
    slack = tolerance + 1e-9 * max(abs(left), abs(right))
    if op == "~":
        return abs(left - right) <= slack
    if op in ("<=", ">="):
        return left <= right + slack if op == "<=" else left >= right - slack
    if margin:
        return left <= right - margin if op == "<" else left >= right + margin
    return left < right if op == "<" else left > right


def claim_verdict(claim: Claim, values: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """A claim against the means of the seeds that both sides have, and how many of these seeds agree.

    Args:
        claim: the claim.
        values: row → seed → value of the claim's key, in the column's unit.

    Returns:
        verdict, left_mean, right_mean (None where missing), agree, seeds.
    """
    left = values.get(claim.left, {})
    number = not isinstance(claim.right, str)
    right = dict.fromkeys(left, float(claim.right)) if number else values.get(claim.right, {})
    seeds = [seed for seed in left if seed in right]
    if not seeds:
        return {"verdict": UNKNOWN, "left_mean": None, "right_mean": float(claim.right) if number else None, "agree": 0, "seeds": 0}
    mean_left, mean_right = (math.fsum(side[s] for s in seeds) / len(seeds) for side in (left, right))
    agree = sum(holds(left[s], claim.op, right[s], claim.tolerance, claim.margin) for s in seeds)
    verdict = holds(mean_left, claim.op, mean_right, claim.tolerance, claim.margin)
    return {"verdict": HOLDS if verdict else FAILS, "left_mean": mean_left, "right_mean": mean_right, "agree": agree, "seeds": len(seeds)}


def floor_verdict(floor: Floor, values: Mapping[str, float], bars: Mapping[str, float], planned: Sequence[str]) -> dict[str, Any]:
    """A floor against every planned seed: one that fails breaks it, one that is not measured leaves it open.

    Args:
        floor: the floor.
        values: seed → value, in the column's unit.
        bars: seed → the bar that this seed must reach.
        planned: all seeds.

    Returns:
        verdict over all seeds, and per seed: value, bar (None where missing), verdict.
    """
    seeds = {seed: _reaches(floor, values.get(seed), bars.get(seed)) for seed in planned}
    verdicts = {one["verdict"] for one in seeds.values()}
    return {"verdict": FAILS if FAILS in verdicts else HOLDS if verdicts == {HOLDS} else UNKNOWN, "seeds": seeds}


def _reaches(floor: Floor, value: float | None, bar: float | None) -> dict[str, Any]:
    known = value is not None and bar is not None
    return {"value": value, "bar": bar, "verdict": UNKNOWN if not known else HOLDS if holds(value, floor.op, bar) else FAILS}
