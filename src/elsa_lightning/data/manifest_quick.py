"""A quick look at a manifest's line: does it say what most lines say, rightly? Then nothing else need look at it. Imports no torch.

msgspec decodes a line into a typed row and checks types, choices and ranges on the way, in a fraction of the time that `parse_line` takes
for JSON alone. A line that it does not pass is no faulty line: `parse_line` decides. So this may be stricter than that, never more lenient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta

from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.spatial_columns import AXES, COLUMNS, LABELS, LAYOUTS, MONO

_Captions = Annotated[tuple[str, ...], Meta(min_length=1)]
_PLAIN: list[tuple[Any, ...]] = [
    ("audio", Annotated[str, Meta(min_length=1)]),
    ("split", Literal[SPLITS]),
    ("captions", _Captions),
    *((name, str, "") for name in ("clip_id", "label", "source", "licence")),
    ("duration_s", Annotated[float, Meta(ge=0)], 0.0),
    ("sample_rate", Annotated[int, Meta(ge=0)], 0),
]


def _range(name: str) -> Any:
    """A spatial label's type: as `spatial_columns` has it, 0 is no size and no time. (JSON has no infinite number.)"""
    low, high = LABELS[name]
    if math.isfinite(high):
        return Annotated[float, Meta(ge=low, le=high)]
    return Annotated[float, Meta(gt=0)] if low == 0 else float


_PLACED: list[tuple[Any, ...]] = [
    ("layout", Literal[tuple(layout for layout in LAYOUTS if layout != MONO)]),
    ("axes", Literal[AXES] | msgspec.UnsetType, UNSET),
    ("start_s", Annotated[float, Meta(ge=0)] | msgspec.UnsetType, UNSET),
    *((name, _range(name) | msgspec.UnsetType, UNSET) for name in LABELS),
    ("spatial_captions", _Captions, ()),
]


def _decoder(name: str, columns: Sequence[tuple[Any, ...]], strict: bool) -> Any:
    row = msgspec.defstruct(name, columns, kw_only=True, forbid_unknown_fields=strict, gc=False)
    return msgspec.json.Decoder(row).decode


_plain = _decoder("PlainRow", _PLAIN, strict=True)
_placed = _decoder("PlacedRow", _PLAIN + _PLACED, strict=True)
_open = _decoder("OpenRow", _PLAIN + [(name, Any, UNSET) for name in COLUMNS], strict=False)


def quick_rows(lines: Sequence[bytes]) -> list[Any]:
    """Of each line its row, with its columns as attributes, if `parse_line` accepts it for certain; else None.

    A row has audio, split, captions, clip_id, label, source, licence, duration_s and sample_rate as the line says them, or empty.

    Args:
        lines: of a manifest; a blank one has no row.
    """
    try:
        rows = list(map(_plain, lines))
    except msgspec.DecodeError:
        rows = list(map(_row, lines))
    if not all(caption.strip(" .") for row in rows if row is not None for caption in row.captions):
        rows = [row if row is not None and all(caption.strip(" .") for caption in row.captions) else None for row in rows]
    return rows


def _row(line: bytes) -> Any:
    """One line's row, but for what its captions say; None where it must be looked at."""
    for decode in (_plain, _placed, _open):
        try:
            row = decode(line)
        except msgspec.ValidationError:
            continue  # well-formed, but of another kind
        except msgspec.DecodeError:
            return None
        if decode is _placed:
            return row if all(caption.strip(" .") for caption in row.spatial_captions) else None
        if decode is _plain or all(getattr(row, name) is UNSET for name in COLUMNS):
            return row  # with columns of the user's own
    return None
