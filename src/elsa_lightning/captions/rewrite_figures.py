"""The figures of a rewriting task: what was accepted, and how often a language model invents or drops spatial words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from elsa_lightning.captions.verify import HALLUCINATIONS, KINDS, Verdict


@dataclass(frozen=True)
class FaultCounts:
    """How many rewrites have which faults.

    Args:
        checked: rewrites.
        faulty: with any fault.
        hallucinated: that add or contradict a spatial word.
        kinds: kind of `verify.KINDS` → rewrites with such a fault; one may have several.
    """

    checked: int
    faulty: int
    hallucinated: int
    kinds: dict[str, int]

    @property
    def hallucination_rate(self) -> float:
        """Share that adds or contradicts a spatial word."""
        return self.hallucinated / self.checked

    @property
    def lost_rate(self) -> float:
        """Share that lacks a spatial word."""
        return self.kinds["lost"] / self.checked

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the rates."""
        return asdict(self) | {"hallucination_rate": self.hallucination_rate, "lost_rate": self.lost_rate}

    def text(self, what: str) -> str:
        """For people.

        Args:
            what: was checked, such as "first tries".
        """
        others = [f"{kind} {count}" for kind, count in self.kinds.items() if kind not in ("lost", *HALLUCINATIONS) and count]
        return (
            f"hallucination rate: {share(self.hallucinated, self.checked)} of the {what} add or contradict a spatial word\n"
            f"lost rate: {share(self.kinds['lost'], self.checked)} of the {what} lack a spatial word\n"
            f"other faults of the {what}: {', '.join(others) or 'none'}"
        )


@dataclass(frozen=True)
class Figures:
    """What became of a task's different requests (equal captions with equal words are one).

    Args:
        lines: of the task.
        requests: different ones.
        first_try: accepted at the first try.
        retried: accepted later.
        fell_back: given their template.
        faulty_templates: of these, templates that fail the check themselves.
        first_faults: of the first tries.
    """

    lines: int
    requests: int
    first_try: int
    retried: int
    fell_back: int
    faulty_templates: int
    first_faults: FaultCounts

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"first_faults": self.first_faults.to_dict()}

    def text(self) -> str:
        """For people."""
        faulty = f" ({self.faulty_templates} of these templates fail the check themselves)" if self.faulty_templates else ""
        return (
            f"{self.lines} lines, {self.requests} different rewrites asked for\n"
            f"accepted at the first try: {share(self.first_try, self.requests)}\n"
            f"accepted after retries: {share(self.retried, self.requests)}\n"
            f"fell back to the template: {share(self.fell_back, self.requests)}{faulty}\n" + self.first_faults.text("first tries")
        )


def count_faults(verdicts: Sequence[Verdict]) -> FaultCounts:
    """The counts over at least one verdict."""
    kinds = Counter(kind for verdict in verdicts for kind in KINDS if verdict.has(kind))
    return FaultCounts(
        checked=len(verdicts),
        faulty=sum(not verdict.ok for verdict in verdicts),
        hallucinated=sum(verdict.has(*HALLUCINATIONS) for verdict in verdicts),
        kinds={kind: kinds[kind] for kind in KINDS},
    )


def share(part: int, whole: int) -> str:
    """ "12 (3.4 %)"."""
    return f"{part} ({100 * part / whole:.1f} %)"
