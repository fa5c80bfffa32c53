"""Write the results of README.md anew from results/*.json: `python docs/readme_results.py`. A test holds them in step.

Nothing between the two marks in README.md is written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from elsa_lightning.report_markdown import claim_lines, floor_lines, main_table, markdown_table

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- results:start (docs/readme_results.py) -->\n", "<!-- results:end -->"
REPORTS = ("spatial_branch.desk.foley", "spatial_branch.desk.esc50")
COLUMNS = (
    "localization/doa_mae_deg",
    "zero_shot/direction/balanced_accuracy",
    "zero_shot/elevation/balanced_accuracy",
    "zero_shot/distance/balanced_accuracy",
    "zero_shot/class/balanced_accuracy",
    "retrieval/map10",
)


def section(name: str) -> str:
    """One report: what it is of, some of its columns, and what does not hold."""
    report = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    corpora = ", ".join(corpus["name"] + (" (**synthetic sounds**)" if corpus["synthetic"] else "") for corpus in report["corpora"])
    clips = f"{report['gallery'][0]['clips']} held-out clips in held-out rooms"
    made = f"{', '.join(report['hardware'])}, commit {', '.join(report['commits'])} ([report](results/{name}.md))"
    head = f"Profile **{report['profile']}**, corpus {corpora}, {len(report['seeds'])} seeds, {clips}, {made}:"
    shown = report | {"columns": [column for key in COLUMNS for column in report["columns"] if column["key"] == key]}
    shown["rows"] = [row | {"label": row["label"].split(" (")[0]} for row in report["rows"]]
    return "\n\n".join([head, markdown_table(*main_table(shown)), verdicts(report)])


def verdicts(report: dict[str, Any]) -> str:
    """How many claims and floors hold, and those that do not."""
    claims, floors = claim_lines(report), floor_lines(report)
    holds = [sum(line.startswith("- ✓") for line in lines) for lines in (claims, floors)]
    wrong = [line for line in (*claims, *floors) if line.startswith("- ✗")]
    return "\n\n".join([f"{holds[0]} of {len(claims)} claims and {holds[1]} of {len(floors)} floors hold.", "\n".join(wrong)]).strip()


def block() -> str:
    """All that stands between the marks."""
    note = "± is the half width of the 95 % interval over seeds; † unconfirmed. The paper's figures are of other data: read them\n"
    return "\n\n".join([*map(section, REPORTS), note + "for the order of the rows, not the level."]) + "\n"


def with_results(text: str) -> str:
    """The README's text with the block of today."""
    before, _, rest = text.partition(START)
    return before + START + block() + END + rest.partition(END)[2]


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(with_results(page.read_text(encoding="utf-8")), encoding="utf-8")
