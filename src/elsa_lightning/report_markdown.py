"""A report as Markdown and on the terminal: pure functions of its JSON value. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from elsa_lightning.watching import duration

DAGGER, NONE = "†", "—"
SHORT = 40
"""A reason of at most so many characters stands in the cell itself."""
ARROWS = {"higher": "↑", "lower": "↓"}


def render(report: dict[str, Any]) -> str:
    """The report as a Markdown page."""
    parts = [
        f"# {report['title']}\n\n{_about(report)}",
        markdown_table(*main_table(report)),
        *footnotes(report),
        _section("Claims", claim_lines(report)),
        _section("Floors, every seed", floor_lines(report)),
        _section("Figures", figure_lines(report)),
        _section("Per seed", [markdown_table(*seed_table(report))]),
        _section("Made by", _made_by(report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main_table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: ours, and the paper's figure beside it where it prints one."""
    columns = report["columns"]
    shown = [c for c in columns if any(c["key"] in row["paper"] for row in report["rows"] if row["run"])]
    head = ["row"]
    for column in columns:
        head.append(f"{column['label']} {ARROWS[column['better']]}")
        head += ["paper"] if column in shown else []
    body = []
    for row in report["rows"]:
        line = [row["label"]]
        for column in columns:
            figure = _paper(row, column)
            beside = column in shown
            line.append(ours(row, column, report["seeds"]) if row["run"] else NONE if beside else figure)
            line += [figure] if beside else []
        body.append(line)
    if any(seconds is not None for row in report["rows"] for seconds in row["train_s"].values()) or _untrained(report):
        head.append("training")
        for line, row in zip(body, report["rows"], strict=True):
            line.append(_training(row))
    return head, body


def ours(row: dict[str, Any], column: dict[str, Any], seeds: list[int]) -> str:
    """A cell: mean ± interval over the seeds, `(2/3)` where seeds are missing, or what keeps it empty."""
    cell, digits = row["cells"][column["key"]], column["digits"]
    if cell["mean"] is None:
        if "lacking" in row:
            return "not given (see below)"
        open_states = [state for state in row["states"].values() if state != "done"]
        reason = cell.get("absent", "")
        waits = open_states and reason != "not defined"
        return open_states[0] if waits else reason if 0 < len(reason) <= SHORT else "not measured"
    text = f"{cell['mean']:.{digits}f}"
    if cell["half_width"] is not None:
        text += f" ± {cell['half_width']:.{digits}f}"
    elif "clips" in cell:
        text += f" [{', '.join(f'{end:.{digits}f}' for end in cell['clips'])}]"
    return text if len(cell["values"]) == len(seeds) else f"{text} ({len(cell['values'])}/{len(seeds)})"


def claim_lines(report: dict[str, Any]) -> list[str]:
    """Each claim with its verdict, the numbers and how many seeds agree: `agree/judged of planned seeds`."""
    labels = {row["id"]: row["label"] for row in report["rows"]}
    lines = []
    for claim in report["claims"]:
        column = _column(report, claim["key"])
        right = labels[claim["right"]] if isinstance(claim["right"], str) else f"{claim['right']:g}"
        numbers = f"{_number(claim['left_mean'], column)} {claim['op']} {_number(claim['right_mean'], column)}"
        allowance = "".join(f", {word} {claim[word]:g}" for word in ("margin", "tolerance") if claim[word])
        agree = f"{claim['agree']}/{claim['seeds']} of {len(report['seeds'])} seeds" if claim["seeds"] else "no seed yet"
        sides = f"{labels[claim['left']]} {claim['op']} {right}"
        if one := claim.get("paired"):
            digits = column["digits"]
            ends = f"{one['low']:.{digits}f}, {one['high']:.{digits}f}"
            agree += f"; difference {one['difference']:.{digits}f} [{ends}] over the clips of seed {one['seed']}"
        note = f" — {claim['note']}" if claim["note"] else ""
        lines.append(f"- {claim['verdict']} {column['label']}: {sides}: {numbers}{allowance} ({agree}){note}")
    return lines


def floor_lines(report: dict[str, Any]) -> list[str]:
    """Each floor with its verdict for every seed."""
    labels = {row["id"]: row["label"] for row in report["rows"]}
    lines = []
    for floor in report["floors"]:
        column = _column(report, floor["key"])
        seeds = ", ".join(_of_seed(one, column) for one in floor["seeds"].values()) or "no seed yet"
        bar = _bar(floor, column)
        lines.append(f"- {floor['verdict']} {labels[floor['row']]}: {column['label']} {floor['op']} {bar}: {seeds}")
    return lines


def _of_seed(one: dict[str, Any], column: dict[str, Any]) -> str:
    return f"{one['verdict']} {_number(one['value'], column)}" if one["value"] is not None else "not measured"


def _bar(floor: dict[str, Any], column: dict[str, Any]) -> str:
    """The bar as a number; one that multiplies a measured value, with what that comes to."""
    if not floor["times"]:
        return f"{floor['value']:g}"
    found = sorted({one["bar"] for one in floor["seeds"].values() if one["bar"] is not None})
    words = dict.fromkeys(_number(value, column) for value in found)
    reached = f" = {' or '.join(words)}" if words else ""
    return f"{floor['value']:g} × {floor['times'].rpartition('/')[2].replace('_', ' ')}{reached}"


def seed_table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: every seed's values."""
    head = ["row", "seed", *(c["label"] for c in report["columns"]), "run"]
    body = []
    for row in (r for r in report["rows"] if r["run"]):
        for seed in row["states"]:
            values = [row["cells"][c["key"]]["values"].get(seed) for c in report["columns"]]
            state = row["states"][seed] if row["states"][seed] != "done" else "not measured"
            cells = [state if v is None else _number(v, c) for v, c in zip(values, report["columns"], strict=True)]
            body.append([row["id"], seed, *cells, f"`{row['runs'][seed]}`"])
    return head, body


def figure_lines(report: dict[str, Any]) -> list[str]:
    """Each figure under its caption; and why some are missing."""
    lines = [f"{one['caption']}:\n\n![{one['caption']}]({one['file']})\n" for one in report.get("figures", [])]
    return [*lines, *report.get("figures_lacking", [])]


def footnotes(report: dict[str, Any]) -> list[str]:
    """What the reader of the table must know."""
    notes = list(report["notes"])
    figures = [f for row in report["rows"] for f in row["paper"].values()]
    if len(report["seeds"]) > 1:
        notes.append("± is the half width of the 95 % interval of the mean over seeds (Student's t).")
    if any("clips" in cell for row in report["rows"] for cell in row["cells"].values()):
        notes.append("[ ] is the 95 % interval by bootstrap over test clips of the one seed: the model stays as it is.")
    notes.append(f"{NONE} the paper prints no figure, or nothing is run.")
    if any(f["standing"] == "unconfirmed" for f in figures):
        notes.append(f"{DAGGER} unconfirmed: second-hand, not readable in the paper's own text; no claim rests on it.")
    return notes


def _about(report: dict[str, Any]) -> str:
    corpora = [_corpus(corpus) for corpus in report["corpora"]]
    galleries = [", ".join(f"{key} {value}" for key, value in gallery.items()) for gallery in report["gallery"]]
    facts = {
        "Source": [report["source"]],
        "Profile": [f"{report['profile']}, seeds {', '.join(map(str, report['seeds']))}"],
        "Overrides": override_words(report),
        "Corpus": corpora,
        "Gallery": galleries,
        "Commit": [f"{c.rstrip('+')}{' with uncommitted changes' if c.endswith('+') else ''}" for c in report["commits"]] or ["unknown"],
        "Hardware": report["hardware"],
        "Device": report.get("devices", []),
        "Date": [report["date"]] if report["date"] else [],
    }
    return "\n".join(f"- {name}: {'; '.join(values)}" for name, values in facts.items() if values)


def override_words(report: dict[str, Any]) -> list[str]:
    """What the command line changed, as `key=value` words."""
    return [f"`{key}={json.dumps(value, ensure_ascii=False)}`" for key, value in report.get("overrides", {}).items()]


def _corpus(corpus: dict[str, Any]) -> str:
    label = ", **synthetic sounds, not recordings**" if corpus.get("synthetic") else ""
    return f"{corpus['name']}{label} (content {corpus['content_hash']})"


def _made_by(report: dict[str, Any]) -> list[str]:
    lines = [f"- {', '.join(f'{name} {version}' for name, version in versions.items())}" for versions in report["versions"]]
    return [*lines, f"- metrics version {report['metrics_version']}"] if lines else []


def _untrained(report: dict[str, Any]) -> bool:
    """Whether rows are yet to be trained."""
    return any(state != "done" for row in report["rows"] for state in row["states"].values())


def _training(row: dict[str, Any]) -> str:
    """Mean over the seeds, and the longest of several."""
    seconds = [s for s in row["train_s"].values() if s is not None]
    mean = duration(sum(seconds) / len(seconds)) if seconds else NONE
    return f"{mean} (longest {duration(max(seconds))})" if len(seconds) > 1 else mean


def _paper(row: dict[str, Any], column: dict[str, Any]) -> str:
    figure = row["paper"].get(column["key"])
    if figure is None:
        return NONE
    value = figure["value"] if column["digits"] else f"{figure['value']:.0f}"
    return f"{value}{DAGGER if figure['standing'] == 'unconfirmed' else ''}"


def _column(report: dict[str, Any], key: str) -> dict[str, Any]:
    return next(c for c in report["columns"] if c["key"] == key)


def _number(value: float | None, column: dict[str, Any]) -> str:
    return "?" if value is None else f"{value:.{column['digits']}f}"


def _section(title: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return f"## {title}\n\n{text}" if text else ""


def markdown_table(head: list[str], body: list[list[str]]) -> str:
    """A table in Markdown."""
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
