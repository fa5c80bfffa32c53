"""Rules between the parts of a table file. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable

from elsa_lightning.config import did_you_mean, schema_keys
from elsa_lightning.errors import ConfigError
from elsa_lightning.stages_plan import ENDS, PRODUCERS
from elsa_lightning.table_file import Table

KINDS = ("runs", "facts")
STANDINGS = ("printed", "consistent", "unconfirmed")
OPERATORS = ("<", "<=", ">", ">=", "~")
FIGURES = ("pipeline", "curves", "confusion", "error_breakdown", "embedding_map", "swap_matrix")
"""What `figures` can draw beside a table."""

REFERENCE = re.compile(r"\[\[(\S+) (\S+)\]\]")
"""A measured cell in a table's `reading`: `[[row key]]`."""


def check(table: Table, source: str) -> None:
    """Refuse a table whose names do not agree with each other.

    Args:
        table: as read.
        source: the file, for messages.

    Raises:
        ConfigError: the first fault.
    """
    rows, columns = [r.id for r in table.rows], [c.key for c in table.columns]

    def known(word: str, words: Iterable[str], what: str) -> None:
        if word not in words:
            raise ConfigError(f"{source}: {what} `{word}` does not exist{did_you_mean(word, words)}", f"there are: {', '.join(words)}")

    for kind, names in (("row", rows), ("column", columns), ("seed", table.seeds)):
        twice = {name for name in names if names.count(name) > 1}
        if twice or not names:
            raise ConfigError(f"{source}: {f'{kind} `{twice.pop()}` is there twice' if twice else f'there is no {kind}'}", "mend the file")
    if table.table != table.path.stem:
        raise ConfigError(f"{source}: the table is called `{table.table}`, its file `{table.path.name}`", "give both the same name")
    known(table.kind, KINDS, "kind")
    known(table.stage, PRODUCERS if table.kind == "facts" else ENDS, "stage")
    if table.order_by:
        known(table.order_by, columns, "order_by: column")
    for name in table.figures:
        known(name, FIGURES, "figure")
    for column in table.columns:
        known(column.better, ("higher", "lower"), f"column {column.key}: better")
    for row in table.rows:
        for key in row.metrics:
            known(key, columns, f"row {row.id}: metrics: column")
        for key in row.needs:
            known(key, schema_keys(), f"row {row.id}: needs: key")
        for key, figure in row.paper.items():
            known(key, columns, f"row {row.id}: paper: column")
            known(figure.standing, STANDINGS, f"row {row.id}: paper: {key}: standing")
    runnable = [r.id for r in table.rows if r.run]
    for claim in table.claims:
        known(claim.left, runnable, "claim: row")
        known(claim.op, OPERATORS, "claim: op")
        known(claim.key, columns, "claim: column")
        if isinstance(claim.right, str):
            known(claim.right, runnable, "claim: row")
    for floor in table.floors:
        known(floor.row, runnable, "floor: row")
        known(floor.key, columns, "floor: column")
        known(floor.op, OPERATORS[:4], "floor: op")
    for row, key in REFERENCE.findall(table.reading):
        known(row, runnable, "reading: row")
        known(key, columns, "reading: column")
