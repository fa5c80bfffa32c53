"""Tables of corpora, whose faults are named by file and line. Imports neither torch nor numpy."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from elsa_lightning.data.layouts.listing import Listing
from elsa_lightning.data.layouts.tree import Tree
from elsa_lightning.errors import DataError


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a csv file, each with its place for messages ("FILE, line N"); cells that are absent are empty.

    UTF-8, else ISO 8859-1: Clotho's metadata tables are in the latter.

    Args:
        path: comma-separated, with a header.
        columns: that it must have.

    Raises:
        DataError: it cannot be read or lacks a column.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check its permissions") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("iso-8859-1")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = [name for name in columns if name not in (rows.fieldnames or ())]
        if missing:
            raise DataError(f"{path} has no column {', '.join(missing)}", f"it must have {', '.join(columns)}; fetch it again")
        for row in rows:
            yield f"{path}, line {rows.line_num}", {name: value or "" for name, value in row.items() if name}
    except csv.Error as error:
        raise DataError(f"{path} cannot be read ({error})", "fetch it again") from error


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        DataError: it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check its permissions") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error})", "fetch it again") from error


def find_tables(tree: Tree, listing: Listing, names: Sequence[str], **where: Sequence[str]) -> dict[str, Path]:
    """Those of a layout's tables that are there, by name; the others are noted in the listing.

    Raises:
        DataError: none is there, or one is there twice.
    """
    found = {name: path for name in names if (path := tree.table(name, **where)) is not None}
    if not found:
        raise DataError(f"{tree.roots[0]} holds none of {', '.join(names)}", "give --root the folder that holds them and the audio")
    listing.missing_tables += [name for name in names if name not in found]
    return found
