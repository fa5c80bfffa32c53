"""The schema of a table file (one YAML under ablations/ = one table of the paper) and its reader. Imports no torch.

Figures of the paper, claims' tolerances and floors are written in the unit that the column shows: the metric times the column's `scale`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elsa_lightning.config import did_you_mean
from elsa_lightning.errors import ConfigError
from elsa_lightning.layers import BASE, base_paths, flatten, read_yaml, shown_path
from elsa_lightning.search_space import PARTS, multiply
from elsa_lightning.typed_values import typed


@dataclass(frozen=True)
class Column:
    key: str
    """Metric key, as in metrics.json."""
    label: str
    better: str = "higher"
    """higher or lower."""
    digits: int = 1
    scale: float = 1.0
    """The column shows the metric times this."""


@dataclass(frozen=True)
class PaperFigure:
    value: float
    """In the column's unit."""
    standing: str
    """printed, consistent or unconfirmed: shared/reference/paper.md says which; the last is shown with a dagger."""


@dataclass(frozen=True)
class Row:
    id: str
    label: str
    overrides: dict[str, Any] = field(default_factory=dict)
    """Keys that differ from the table's base."""
    paper: dict[str, PaperFigure] = field(default_factory=dict)
    """Metric key → the paper's figure; a cell that the paper does not print is left out."""
    run: bool = True
    """false: a row of the paper's figures alone."""
    metrics: dict[str, str] = field(default_factory=dict)
    """Column → the metric that stands there instead of the column's own, such as a baseline's from the same evaluation; the columns that
    are not named have no figure then. Empty: every column shows its own."""
    needs: dict[str, str] = field(default_factory=dict)
    """Key → how to come by its value: a file of the user's own, that the command line names and this row alone reads. Without it the row
    is not run, and its cells say so."""


@dataclass(frozen=True)
class Claim:
    left: str
    """A row."""
    op: str
    right: str | float
    """A row, or a number in the column's unit."""
    key: str
    tolerance: float = 0.0
    """Slack of `~`, `<=`, `>=`, in the column's unit."""
    margin: float = 0.0
    """By how much at least `<` and `>` must hold, in the column's unit."""
    note: str = ""
    """Where the claim comes from."""


@dataclass(frozen=True)
class Floor:
    """A bar that every seed must reach."""

    row: str
    key: str
    op: str
    value: float
    """In the column's unit; with `times` a factor."""
    times: str = ""
    """Metric key whose value the factor multiplies."""
    corpus: str = ""
    """Only for this corpus; empty: for all."""
    profile: str = ""
    """Only for this profile; empty: for all."""


@dataclass(frozen=True)
class Table:
    table: str
    """Its name: that of the file."""
    title: str
    source: str
    base: Path
    """The experiment file that all rows start from."""
    path: Path
    columns: list[Column]
    rows: list[Row]
    seeds: list[int] = field(default_factory=lambda: [0])
    common: dict[str, Any] = field(default_factory=dict)
    """Overrides of all rows, below the profile."""
    claims: list[Claim] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences below the table."""
    profile: str = ""
    """The only profile that the rows make sense for; empty: any."""
    kind: str = "runs"
    """`runs`: a row is an experiment. `facts`: one stage measures all rows; the cell of a row and a column is its metric `<row>/<key>`."""
    stage: str = "evaluate"
    """Stage whose metrics.json the table shows, one of `stages_plan.ENDS`."""
    reading: str = ""
    """How to read the table, for results/README.md. `[[row key]]` stands for the measured cell: prose holds no other figures of ours."""
    order_by: str = ""
    """Column by whose mean the report orders the rows, the best first; empty: as they are written."""
    figures: list[str] = field(default_factory=list)
    """Figures to draw beside it, names of `table_checks.FIGURES`."""

    def column(self, key: str) -> Column:
        """The column that shows a metric."""
        return next(c for c in self.columns if c.key == key)

    def metric(self, row: Row, column: Column) -> str:
        """The metric that a cell shows, as metrics.json names it; empty where the row has none for this column."""
        if row.metrics:
            return row.metrics.get(column.key, "")
        return f"{row.id}/{column.key}" if self.kind == "facts" else column.key

    def row(self, name: str) -> Row:
        """The row of that id."""
        return next(r for r in self.rows if r.id == name)


def table_paths() -> list[Path]:
    """All table files: those below ablations/ of the working folder, else of the checkout."""
    for folder in (Path("ablations"), Path(__file__).resolve().parents[2] / "ablations"):
        if folder.is_dir():
            return sorted(folder.glob("*.yaml"))
    return []


def find_table(name: str) -> Path:
    """The file of a table: a path, or a name below ablations/.

    Raises:
        ConfigError: no such table; the message lists those that there are.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    known = {path.stem: path for path in table_paths()}
    if name not in known:
        raise ConfigError(
            f"there is no table `{name}`{did_you_mean(name, known)}", f"tables: {', '.join(known) or 'none: run this in a checkout'}"
        )
    return known[name]


def load_table(path: Path | str) -> Table:
    """Read and check a table file.

    Raises:
        ConfigError: an unknown key, a wrong type, a claim about a row or column that does not exist.
    """
    from elsa_lightning.table_checks import check

    path = Path(path)
    source, content = shown_path(path), read_yaml(path)
    bases = base_paths(content.pop(BASE, []), path)
    if len(bases) != 1:
        raise ConfigError(f"{source}: `{BASE}` must name one experiment file", f"write `{BASE}: ../experiments/elsa.yaml`")
    search = {name: content.pop(name, None) for name in PARTS}
    common = flatten(content.pop("common", None) or {}, f"{source} (common)")
    content["rows"] = multiply(content.get("rows") or [], search, source)
    table = typed(Table, {"common": common, **content, BASE: bases[0], "path": path}, source)
    check(table, source)
    return table
