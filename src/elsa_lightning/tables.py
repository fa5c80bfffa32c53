"""From a table file to a plan: rows × seeds → stages with fingerprints. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from elsa_lightning.config import PAPER, Resolved, did_you_mean, load_experiment
from elsa_lightning.errors import ConfigError
from elsa_lightning.layers import override_layer, shown_path
from elsa_lightning.schema import NOT_IDENTITY
from elsa_lightning.stages_plan import StageRef, plan_run
from elsa_lightning.table_file import Row, Table

CORPUS_CHOICE = ("data.corpus.name", "data.corpus.root", "data.corpus.path")
"""Keys that choose a corpus, which a report names anyway."""


@dataclass(frozen=True)
class Plan:
    """What a table needs.

    Attributes:
        table: the table.
        profile: name of the profile, or `paper`.
        seeds: training seeds of each row.
        runs: (row id, seed) → its stages, parents first.
        overrides: key → value of the command line, as far as they change what is computed; the choice of a corpus aside.
        lacking: row id → what the row needs that was not given, and how to come by it; such a row has no runs.
        partial: these are not all rows of the table.
    """

    table: Table
    profile: str
    seeds: tuple[int, ...]
    runs: dict[tuple[str, int], list[StageRef]]
    overrides: dict[str, Any] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)
    partial: bool = False

    @property
    def stages(self) -> list[StageRef]:
        """All stages, parents before children, equal ones once; all rows of a seed before the next seed."""
        ordered = sorted(self.runs, key=lambda key: self.seeds.index(key[1]))
        return once(ref for key in ordered for ref in self.runs[key])

    @property
    def corpus(self) -> str:
        """Name of the corpus that the rows share."""
        return "+".join(sorted({cfg.name for cfg in self.corpora}))

    @property
    def corpora(self) -> list[Any]:
        """The `data.corpus` configurations of the rows, each once."""
        return list({repr(cfg): cfg for cfg in (stages[-1].experiment.data.corpus for stages in self.runs.values())}.values())

    @property
    def name(self) -> str:
        """The result files' stem: `<table>.<profile>.<corpus>`, then what sets a report apart from the table's own.

        `.rows-<id>-<id>` with some of the rows, `.set-<hash>` with overrides of the command line, `.seeds-0-2` with other seeds than the
        table's.
        """
        words = [self.table.table, self.profile, self.corpus]
        if self.partial:
            words.append("rows-" + "-".join(row.id for row in self.table.rows))
        if self.overrides:
            text = json.dumps(self.overrides, sort_keys=True)
            words.append("set-" + hashlib.sha256(text.encode()).hexdigest()[:6])
        if set(self.seeds) != set(self.table.seeds):
            words.append("seeds-" + "-".join(map(str, self.seeds)))
        return ".".join(words)


def once(stages: Iterable[StageRef]) -> list[StageRef]:
    """Equal stages once: the first of each, so that parents stay before children."""
    found: dict[str, StageRef] = {}
    for ref in stages:
        found.setdefault(ref.run_id, ref)
    return list(found.values())


def resolve_row(table: Table, row: Row, profile: str | None, seed: int, overrides: Sequence[str] = ()) -> Resolved:
    """A row's experiment. What other rows need (`Row.needs`) it does not get from the command line.

    Raises:
        ConfigError: see `config.load_experiment`.
    """
    source = shown_path(table.path)
    foreign = {key for other in table.rows for key in other.needs} - row.needs.keys()
    overrides = [word for word in overrides if word.partition("=")[0].strip() not in foreign]
    overlays: list[tuple[str, Mapping[str, Any]]] = [(f"{source}, row {row.id}", row.overrides), ("seed", {"seed": seed})]
    return load_experiment(table.base, profile, overlays, overrides, common=(f"{source}, common", table.common))


def plan(
    table: Table,
    profile: str | None,
    corpus_hash: Callable[[Any], str],
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
    rows: Sequence[str] = (),
) -> Plan:
    """Resolve every row for every seed and fingerprint its stages.

    Args:
        table: the table.
        profile: an overlay beside the base experiment; None or `paper`: none.
        corpus_hash: content hash of a `data.corpus` configuration.
        seeds: instead of the table's.
        overrides: `key=value` words of the command line.
        rows: ids of the only rows to plan; empty: all.

    Raises:
        ConfigError: a row that does not resolve or does not exist, or a table about another profile.
    """
    whole, table = table, only_rows(table, rows) if rows else table
    if table.profile and table.profile != (profile or PAPER):
        raise ConfigError(
            f"the table {table.table} is about the profile {table.profile}, not {profile or PAPER}", f"--profile {table.profile}"
        )
    seeds = tuple(seeds or table.seeds)
    hashes: dict[str, str] = {}
    known: dict[str, list[StageRef]] = {}  # rows that show different metrics of the same runs are planned once
    runs, lacking = {}, lacking_of(table, overrides)
    for row in table.rows:
        for seed in seeds if row.run and row.id not in lacking else ():
            same = repr((row.overrides, sorted(row.needs), seed))
            if same not in known:
                experiment = resolve_row(table, row, profile, seed, overrides).experiment
                corpus = experiment.data.corpus
                if repr(corpus) not in hashes:
                    hashes[repr(corpus)] = corpus_hash(corpus)
                known[same] = plan_run(experiment, hashes[repr(corpus)], table.stage)
            runs[row.id, seed] = known[same]
    aside = (*CORPUS_CHOICE, *NOT_IDENTITY, *(key for row in table.rows for key in row.needs))
    own = {key: value for key, value in override_layer(overrides).values.items() if key not in aside}
    return Plan(table, profile or PAPER, seeds, runs, own, lacking, partial=len(table.rows) < len(whole.rows))


def only_rows(table: Table, names: Sequence[str]) -> Table:
    """A table with some of its rows, in its order, and what its claims and floors say of these.

    Raises:
        ConfigError: there is no such row.
    """
    known = [row.id for row in table.rows]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(
            f"the table {table.table} has no row {unknown[0]}{did_you_mean(unknown[0], known)}", f"its rows: {', '.join(known)}"
        )
    rows = [row for row in table.rows if row.id in names]
    claims = [claim for claim in table.claims if claim.left in names and (claim.right in names or not isinstance(claim.right, str))]
    floors = [floor for floor in table.floors if floor.row in names]
    return replace(table, rows=rows, claims=claims, floors=floors)


def lacking_of(table: Table, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Rows that need something which the command line does not give → its key, and how to come by it."""
    given = {key for key, value in override_layer(overrides).values.items() if value not in ("", None)}
    missing = {row.id: {key: remedy for key, remedy in row.needs.items() if key not in given} for row in table.rows if row.run}
    return {row: "; ".join(f"`{key}`: {remedy}" for key, remedy in needs.items()) for row, needs in missing.items() if needs}


def parse_seeds(text: str, table: Table) -> list[int]:
    """`3`: the table's first three seeds; `0,2`: these (one alone: `2,`).

    Raises:
        ConfigError: something else, or more seeds than the table has.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdigit() for word in words):
        raise ConfigError(f"--seeds {text} is neither a number of seeds nor a list of them", "write --seeds 3, or --seeds 0,2")
    if "," in text:
        return list(dict.fromkeys(int(word) for word in words))
    count = int(words[0])
    if not 1 <= count <= len(table.seeds):
        lack = f"--seeds {text}: the table {table.table} has {len(table.seeds)} seeds, {table.seeds}"
        raise ConfigError(lack, "name others as a list: --seeds 0,1,2,3")
    return table.seeds[:count]


def describe(table: Table) -> str:
    """A table's rows, columns, claims and floors in words, every row resolved at the paper's scale to find faults early."""
    lacking = lacking_of(table)
    for row in table.rows:
        if row.run and row.id not in lacking:
            resolve_row(table, row, PAPER, table.seeds[0])
    lines = [f"{table.table}: {table.title}", f"  {table.source}; base {shown_path(table.base)}, seeds {table.seeds}", "rows"]
    for row in table.rows:
        changes = ", ".join(f"{key}={value}" for key, value in row.overrides.items()) or "as base"
        lines.append(f"  {row.id:24s} {row.label}  [{changes if row.run else 'figures of the paper, not run'}]")
        lines += [f"  {'':24s} needs {lacking[row.id]}"] if row.id in lacking else []
    lines += ["columns", *(f"  {c.key:42s} {c.label} ({c.better} is better)" for c in table.columns)]
    lines += ["claims", *(f"  {c.left} {c.op} {c.right}: {c.key}" for c in table.claims)] if table.claims else []
    if table.floors:
        lines.append("floors")
        lines += [
            f"  {f.row}: {f.key} {f.op} {f.value:g}{' × ' + f.times if f.times else ''} {f.corpus} {f.profile}".rstrip()
            for f in table.floors
        ]
    return "\n".join(lines)
