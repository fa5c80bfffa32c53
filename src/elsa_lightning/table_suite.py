"""All tables as one plan: every stage that several of them ask for is run once. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elsa_lightning.config import PAPER
from elsa_lightning.errors import ElsaError
from elsa_lightning.scheduler import Outcome
from elsa_lightning.stages_plan import StageRef
from elsa_lightning.table_file import Table, load_table
from elsa_lightning.tables import Plan, once, parse_seeds, plan


@dataclass(frozen=True)
class Suite:
    """Plans of several tables.

    Attributes:
        plans: of the tables that can be planned.
        faults: table → why it cannot be.
        skipped: table → why it is not asked for at this profile.
    """

    plans: list[Plan]
    faults: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def stages(self) -> list[StageRef]:
        """All stages, equal ones once, parents before children."""
        return once(ref for one in self.plans for ref in one.stages)

    def counts(self, stage: str = "") -> tuple[int, int]:
        """How many stages the rows ask for, and how many there are; of one kind, or of all."""
        asked = [ref for one in self.plans for stages in one.runs.values() for ref in stages if stage in ("", ref.stage)]
        return len(asked), len(once(asked))

    def summary(self) -> str:
        """A line about what is shared."""
        rows = sum(len(one.runs) for one in self.plans)
        (asked, there), (asked_trainings, trainings) = self.counts(), self.counts("train")
        return (
            f"{len(self.plans)} tables, {rows} rows and seeds ask for {asked} stages; {there} are run, each once: {asked - there} runs "
            f"saved, {asked_trainings - trainings} trainings among them ({trainings} are left of {asked_trainings})"
        )

    def hit_by(self, outcome: Outcome) -> dict[str, str]:
        """Table → name of the first failed stage that it needs, of the tables that are not complete."""
        hit = {}
        for one in self.plans:
            for ref in one.stages:
                failed = ref.run_id if ref.run_id in outcome.failed else outcome.blocked.get(ref.run_id)
                if failed:
                    hit.setdefault(one.table.table, failed)
        return hit


def plan_all(
    paths: Sequence[Path],
    profile: str | None,
    corpus_hash: Callable[[Any], str],
    seeds: str | None = None,
    overrides: Sequence[str] = (),
) -> Suite:
    """Plan every table. One that cannot be planned does not keep the others from it.

    Args:
        paths: of the table files.
        profile: as in `tables.plan`.
        corpus_hash: likewise; asked once for each corpus.
        seeds: as on the command line: `1`, `0,2`; a table with fewer seeds takes all that it has.
        overrides: `key=value` words.
    """
    plans, faults, skipped = [], {}, {}
    known: dict[str, str] = {}

    def hash_once(corpus: Any) -> str:
        if repr(corpus) not in known:
            known[repr(corpus)] = corpus_hash(corpus)
        return known[repr(corpus)]

    for path in paths:
        try:
            table = load_table(path)
            if table.profile and table.profile != (profile or PAPER):
                skipped[table.table] = f"it is about the profile {table.profile}"
                continue
            plans.append(plan(table, profile, hash_once, seeds_of(seeds, table), overrides))
        except ElsaError as fault:
            faults[path.stem] = str(fault)
    return Suite(plans, faults, skipped)


def seeds_of(text: str | None, table: Table) -> Sequence[int]:
    """The seeds of `--seeds` for one of many tables, which may have fewer."""
    if text and text.isdigit() and int(text) > len(table.seeds):
        return table.seeds
    return parse_seeds(text, table) if text else ()
