"""What all reports share: long lists cut with their count, aligned tables, JSON files whole or not at all."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from elsa_lightning.atomic import write_json
from elsa_lightning.errors import ConfigError, RunError


def shortened(lines: Sequence[str], shown: int, indent: str) -> list[str]:
    """The first lines, and how many there are besides."""
    more = len(lines) - shown
    return [indent + line for line in lines[:shown]] + ([f"{indent}… and {more} more (--json FILE names all)"] if more > 0 else [])


def table(rows: Iterable[Sequence[Any]], indent: str = "  ") -> list[str]:
    """Columns aligned: the first to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))] if cells else []
    return [
        (
            indent
            + "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        ).rstrip()
        for row in cells
    ]


def json_place(path: pathlib.Path | None) -> pathlib.Path | None:
    """The path of a report to be written, known to have a folder: asked before the work, not after it.

    Raises:
        ConfigError: its folder does not exist, or it is a folder itself.
    """
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        fault = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise ConfigError(f"--json {path} {fault}", "name a file in a folder that is there")
    return path


def write_report(path: pathlib.Path | None, facts: dict[str, Any]) -> None:
    """Write facts as JSON where a path is given.

    Raises:
        RunError: no room, or no permission.
    """
    if path is None:
        return
    try:
        write_json(path, facts, durable=False)
    except RunError as fault:
        raise RunError(fault.message, "choose another place with --json FILE") from None
