"""Which stages of a plan are left to do. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Left:
    """A plan's stages, parents first.

    Attributes:
        done: those that are finished.
        wanted: those to do. Neither holds what is unfinished and needed by finished stages alone.
    """

    done: list[str]
    wanted: list[str]


def wanted(parents: Mapping[str, Sequence[str]], done: Callable[[str], bool]) -> Left:
    """What is left: unfinished stages that nothing needs, and unfinished ones that these need.

    Args:
        parents: stage → the stages that it reads; parents before children.
        done: whether a stage is finished.
    """
    has_children = {parent for names in parents.values() for parent in names}
    needed: set[str] = set()
    finished: list[str] = []
    left: list[str] = []
    for name in reversed(list(parents)):
        if done(name):
            finished.append(name)
        elif name not in has_children or name in needed:
            left.append(name)
            needed.update(parents[name])
    return Left(finished[::-1], left[::-1])
