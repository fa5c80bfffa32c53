"""A report's table on the terminal. Imports no torch."""

from __future__ import annotations

from typing import Any

from elsa_lightning.report_markdown import claim_lines, floor_lines, footnotes, main_table, override_words


def print_report(report: dict[str, Any]) -> None:
    """Print the table, its claims and its floors to standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    head, body = main_table(report)
    synthetic = any(corpus.get("synthetic") for corpus in report["corpora"])
    names = ", ".join(corpus["name"] for corpus in report["corpora"])
    facts = [report["profile"], names, *(["synthetic sounds"] if synthetic else []), *(word.strip("`") for word in override_words(report))]
    title = f"{report['title']}  ({', '.join(facts)})"
    table = Table(title=Text(title), title_justify="left")
    for i, name in enumerate(head):
        table.add_column(Text(name), justify="right" if i else "left")
    for row in body:
        table.add_row(*map(Text, row))
    console.print(table)
    for line in [*footnotes(report), *claim_lines(report), *floor_lines(report)]:
        console.print(Text(line))
