"""A report for other documents: LaTeX (booktabs) and CSV. Pure functions of a report's JSON value. Imports no torch."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import read_json
from elsa_lightning.config import did_you_mean
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.report_markdown import DAGGER, NONE, main_table, ours

FORMATS = ("latex", "csv")

LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "°": r"$^{\circ}$",
    "†": r"$^{\dagger}$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\to$",
    "—": "---",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "²": "$^{2}$",
    "³": "$^{3}$",
    "µ": r"$\mu$",
    "…": r"\ldots{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "‹": r"\guilsinglleft{}",
    "›": r"\guilsinglright{}",
}
"""What LaTeX would take for a command, or has no glyph for in its default encodings, and how it is written."""

CSV_FIELDS = ("row", "label", "metric", "column", "ours", "low", "high", "interval", "seeds", "state", "paper", "standing")


def export(path: Path, form: str) -> str:
    """A report's table in another form.

    Args:
        path: JSON file of a report.
        form: one of `FORMATS`.

    Raises:
        RunError: the file is not a report.
    """
    report = read_json(path)
    if not isinstance(report, dict) or "columns" not in report:
        raise RunError(f"{path} is not a report", "give a JSON file of results/")
    return latex(report) if form == "latex" else as_csv(report)


def report_path(name: str, folder: Path, profile: str, corpus: str) -> Path:
    """The JSON file of a table's report.

    Raises:
        ConfigError: there is none; the message lists those that there are.
    """
    if name.endswith(".json"):
        return Path(name)
    path, known = folder / f"{name}.{profile}.{corpus}.json", [one.stem for one in sorted(folder.glob("*.json"))]
    if not path.exists():
        there = ", ".join(known) or "none"
        remedy = f"make it with `elsa table report {name} --profile {profile}`, or name one as {folder}/NAME.json; there are: {there}"
        raise ConfigError(f"there is no report {path}{did_you_mean(path.stem, known)}", remedy)
    return path


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(LATEX.get(character, character) for character in text)


def latex(report: dict[str, Any]) -> str:
    """A table environment with booktabs' rules; what its signs mean stands below it."""
    head, body = main_table(report)
    used = "".join(cell for line in body for cell in line)
    notes = []
    if DAGGER in used:
        notes.append(f"{DAGGER} unconfirmed: second-hand, not readable in the paper's own text.")
    if "±" in used:
        notes.append("± half width of the 95 % interval of the mean over seeds.")
    if "[" in used:
        notes.append("[ ] 95 % interval by bootstrap over the test clips.")
    if NONE in used:
        notes.append(f"{NONE} the paper prints no figure, or nothing is run.")
    corpora = ", ".join(corpus["name"] + (" (synthetic)" if corpus.get("synthetic") else "") for corpus in report["corpora"])
    caption = f"{report['title']}. Profile {report['profile']}{', corpus ' + corpora if corpora else ''}. {' '.join(notes)}"
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{escape(caption.strip())}}}",
        f"  \\label{{tab:{report['table'].replace('_', '-')}}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"    \toprule",
        f"    {' & '.join(map(escape, head))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(escape, line))} \\\\" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_csv(report: dict[str, Any]) -> str:
    """One line per cell: ours with its interval (over seeds, or over clips), what keeps it empty, the paper's with its standing."""
    out = io.StringIO()
    table = csv.DictWriter(out, CSV_FIELDS, lineterminator="\n")
    table.writeheader()
    for row in report["rows"]:
        for column in report["columns"]:
            table.writerow(_cell(report, row, column))
    return out.getvalue()


def _cell(report: dict[str, Any], row: dict[str, Any], column: dict[str, Any]) -> dict[str, Any]:
    figure = row["paper"].get(column["key"])
    line = {"row": row["id"], "label": row["label"], "metric": column["key"], "column": column["label"], "state": "not run"}
    line |= {"paper": figure["value"], "standing": figure["standing"]} if figure else {}
    if not row["run"]:
        return line
    cell = row["cells"][column["key"]]
    line |= {"seeds": len(cell["values"]), "state": "measured" if cell["mean"] is not None else ours(row, column, report["seeds"])}
    if cell["mean"] is None:
        return line
    line["ours"] = repr(cell["mean"])
    if cell["half_width"] is not None:
        line |= {"low": repr(cell["mean"] - cell["half_width"]), "high": repr(cell["mean"] + cell["half_width"]), "interval": "seeds"}
    elif cell.get("clips"):
        line |= {"low": repr(cell["clips"][0]), "high": repr(cell["clips"][1]), "interval": "clips"}
    return line
