"""A plan as a file: rows × seeds with their stages and resolved experiments, frozen. Imports no torch.

What a plan holds is all that the runs need: neither the table's file nor the experiment's YAML is read again. Experiments are kept as
differences from the first, and decoded only where one is asked for: a plan of 10,000 runs opens in a fraction of a second.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from elsa_lightning import provenance
from elsa_lightning.atomic import disk_faults, write_text
from elsa_lightning.config import did_you_mean
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.schema import Experiment
from elsa_lightning.stages_plan import StageRef, plan_run
from elsa_lightning.sweep.frozen import Difference, difference, distinct, encode, thaw
from elsa_lightning.table_file import Table
from elsa_lightning.tables import Plan, once
from elsa_lightning.typed_values import typed

SWEEPS = "sweeps"
"""Folder of all sweeps, below that of all runs."""

FILE = "plan.json"
FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,120}")


class StageLine(msgspec.Struct):
    """A stage: its folder below runs/, the numbers of its parents, of its experiment and of its corpus' hash."""

    run: str
    parents: list[int]
    experiment: int
    corpus: int


class RunLine(msgspec.Struct):
    """A row and seed, and the numbers of its stages, parents first."""

    row: str
    seed: int
    stages: list[int]


class Sweep(msgspec.Struct):
    """A plan, as its file holds it.

    Attributes:
        name: of the sweep's folder.
        table: the table, as a mapping (`open_table`).
        profile, seeds, overrides, lacking, partial: as in `tables.Plan`.
        created: when it was planned, s since 1970.
        commit: of the code that planned it.
        corpora: content hashes.
        experiments: the first whole, then differences from it (`experiment`).
        stages: all stages, parents first, equal ones once.
        runs: rows and seeds.
    """

    name: str
    table: msgspec.Raw
    profile: str
    seeds: list[int]
    overrides: dict[str, Any]
    lacking: dict[str, str]
    partial: bool
    created: float
    commit: str
    corpora: list[str]
    experiments: msgspec.Raw
    stages: list[StageLine]
    runs: list[RunLine]
    format: int = FORMAT

    def open_table(self) -> Table:
        """The table that was planned."""
        content = msgspec.json.decode(self.table)
        paths = {name: Path(content[name]) for name in ("base", "path")}
        return typed(Table, content | paths, f"the table in the plan {self.name}")

    def differences(self) -> list[Difference]:
        """Of all experiments."""
        return msgspec.json.decode(self.experiments, type=list[Difference])

    def refs(self, numbers: Iterable[int] | None = None) -> list[StageRef]:
        """Stages as they were planned; all of them, or those of some numbers."""
        differences = self.differences()
        known: dict[int, Experiment] = {}
        found = []
        for number in range(len(self.stages)) if numbers is None else numbers:
            line = self.stages[number]
            if line.experiment not in known:
                known[line.experiment] = thaw(differences, line.experiment)
            stage, _, mark = line.run.partition("/")
            parents = dict(self.stages[parent].run.split("/") for parent in line.parents)
            found.append(StageRef(stage, mark, {}, parents, known[line.experiment], self.corpora[line.corpus]))
        return found

    def open(self) -> Plan:
        """The plan, as `tables.plan` made it."""
        refs = self.refs()
        runs = {(line.row, line.seed): [refs[number] for number in line.stages] for line in self.runs}
        return Plan(self.open_table(), self.profile, tuple(self.seeds), runs, self.overrides, self.lacking, self.partial)

    def number_of(self, run: str) -> int:
        """Of a stage, by its folder below runs/.

        Raises:
            RunError: the plan has none.
        """
        for number, line in enumerate(self.stages):
            if line.run == run:
                return number
        raise RunError(f"the plan {self.name} has no stage {run}", "see elsa sweep status --all")


def freeze(plan: Plan, name: str) -> Sweep:
    """A plan as its file holds it.

    Args:
        plan: of a table.
        name: of the sweep.
    """
    refs = once(ref for stages in plan.runs.values() for ref in stages)
    number = {ref.run_id: i for i, ref in enumerate(refs)}
    corpora = list(dict.fromkeys(ref.corpus_hash for ref in refs))
    flat, which = distinct([ref.experiment for ref in refs])
    lines = [
        StageLine(ref.run_id, [number[f"{stage}/{mark}"] for stage, mark in ref.parents.items()], which[i], corpora.index(ref.corpus_hash))
        for i, ref in enumerate(refs)
    ]
    table = dataclasses.asdict(plan.table) | {"base": str(plan.table.base), "path": str(plan.table.path)}
    return Sweep(
        name=name,
        table=msgspec.Raw(encode(table)),
        profile=plan.profile,
        seeds=list(plan.seeds),
        overrides=plan.overrides,
        lacking=plan.lacking,
        partial=plan.partial,
        created=time.time(),
        commit=provenance.commit(),
        corpora=corpora,
        experiments=msgspec.Raw(encode([difference(flat[0], one) for one in flat] if flat else [])),
        stages=lines,
        runs=[RunLine(row, seed, [number[ref.run_id] for ref in stages]) for (row, seed), stages in plan.runs.items()],
    )


def write_plan(sweep: Sweep, folder: Path) -> Path:
    """Write `plan.json` into the sweep's folder, whole or not at all."""
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FILE, msgspec.json.encode(sweep).decode() + "\n")
    return folder / FILE


def read_plan(path: Path) -> Sweep:
    """A plan's file.

    Raises:
        ConfigError: there is none, it is damaged, or of another format.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sweep)
    except OSError:
        raise ConfigError(f"there is no plan {path}", "make one: elsa sweep plan TABLE") from None
    except msgspec.MsgspecError as fault:
        raise ConfigError(f"{path} is no plan: {fault}", "make it again: elsa sweep plan TABLE") from None


def find_plan(name: str, runs: Path) -> Path:
    """The file of a plan: a path, or the name of a sweep.

    Raises:
        ConfigError: no such sweep; the message lists those that there are.
    """
    if name.endswith(".json"):
        return Path(name)
    known = sorted(path.parent.name for path in (runs / SWEEPS).glob(f"*/{FILE}"))
    if name not in known:
        listed = f"sweeps in {runs}: {', '.join(known)}" if known else f"plan one: elsa sweep plan TABLE --runs {runs}"
        raise ConfigError(f"there is no sweep `{name}`{did_you_mean(name, known)}", listed)
    return runs / SWEEPS / name / FILE


def check_name(name: str) -> str:
    """A sweep's name, which is a folder's and part of its jobs' names.

    Raises:
        ConfigError: it cannot be one.
    """
    if not NAME.fullmatch(name) or name == "code":
        raise ConfigError(f"a sweep cannot be called {name!r}", "name it by --name with letters, digits and . _ + -; not `code`")
    return name


def runs_of_rows(sweep: Sweep, rows: Sequence[str] = ()) -> set[str]:
    """The runs that only these rows need; of no rows: all runs.

    Raises:
        ConfigError: there is no such row.
    """
    known = list(dict.fromkeys(line.row for line in sweep.runs))
    if unknown := [row for row in rows if row not in known]:
        raise ConfigError(f"the plan {sweep.name} has no row {unknown[0]}{did_you_mean(unknown[0], known)}", f"rows: {', '.join(known)}")
    kept = {number for line in sweep.runs if rows and line.row not in rows for number in line.stages}
    return {line.run for number, line in enumerate(sweep.stages) if number not in kept}


def check_current(sweep: Sweep) -> None:
    """Refuse a plan whose results this code, or files that have changed since, would not give: every row is fingerprinted again.

    Raises:
        ConfigError: a row's stages are others now.
    """
    end = sweep.open_table().stage
    planned: dict[int, list[str]] = {}
    for line in sweep.runs:
        planned.setdefault(line.stages[-1], [sweep.stages[number].run for number in line.stages])
    for ref, names in zip(sweep.refs(planned), planned.values(), strict=True):
        now = [one.run_id for one in plan_run(ref.experiment, ref.corpus_hash, end)]
        if now != names:
            other = next((old for old, new in zip(names, now, strict=False) if old != new), names[-1])
            raise ConfigError(
                f"the plan {sweep.name} does not fit this code or the files that it names: {other} would be another stage now",
                f"check out {sweep.commit or 'the commit that planned it'}, or plan again: elsa sweep plan {sweep.open_table().table} …",
            )
