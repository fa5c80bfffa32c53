"""The manifest's columns for clips that are recorded (or rendered) ambisonics: layout, axes, what is known of the scene. Imports no torch.

    "layout": "foa_acn_sn3d", "axes": "front-left-up", "start_s": 12.3, "azimuth_deg": -50.0, "elevation_deg": 30.0, "distance_m": 1.8,
    "floor_area_m2": 31.5, "volume_m3": 82.0, "t30_s": 0.45, "c50_db": 9.1, "drr_db": 2.0,
    "spatial_captions": ["a telephone rings on the right"]

All are optional. What is not known is left out: 0 is a value, and null is refused.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import math
from collections.abc import Iterable
from typing import Any

from elsa_lightning.errors import DataError

MONO = "mono"
LAYOUTS = (MONO, "foa_acn_sn3d", "foa_acn_n3d", "foa_fuma")
"""Channels of a clip's file: one, or W Y Z X with SN3D or N3D weights, or FuMa's W X Y Z with its weights (W lower by 3 dB)."""

CHANNELS = {layout: 1 if layout == MONO else 4 for layout in LAYOUTS}
"""Layout → channels that the file must have."""

DEFAULT_AXES = "front-left-up"
_SIDES = (("front", "back"), ("left", "right"), ("up", "down"))
AXES = tuple(
    "-".join(triple) for order in itertools.permutations(_SIDES) for triple in itertools.product(*order)
)  # 6 orders, 8 choices of sides
"""Where the recording's x, y and z point, for the listener. Its azimuth counts from x towards y, its elevation from there towards z: labels
and channels X, Y, Z speak of the same axes. `front-left-up` is this package's frame (azimuth counter-clockwise, +90° left);
`front-right-up` counts clockwise and has a Y that points right."""

LABELS: dict[str, tuple[float, float]] = {
    "azimuth_deg": (-180.0, 180.0),
    "elevation_deg": (-90.0, 90.0),
    "distance_m": (0.0, math.inf),
    "floor_area_m2": (0.0, math.inf),
    "volume_m3": (0.0, math.inf),
    "t30_s": (0.0, math.inf),
    "c50_db": (-math.inf, math.inf),
    "drr_db": (-math.inf, math.inf),
}
"""Spatial label → its range; sizes and times must lie above 0."""

COLUMNS = ("layout", "axes", "start_s", *LABELS, "spatial_captions")
"""In the order in which they are written."""

_COLUMNS = frozenset(COLUMNS)
_WITHOUT_UNIT = {name.rpartition("_")[0]: name for name in ("start_s", *LABELS)}
_OF_FOA = (*LABELS, "axes", "spatial_captions")
_STEREO = ("stereo", "binaural")


def read_columns(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The checked columns of a manifest's line that it has: fields of a `ClipRecord`.

    Args:
        row: the line.
        where: names it in messages.

    Raises:
        DataError: an unknown layout or axes, a label outside its range, or labels on a mono clip.
    """
    given = _COLUMNS & row.keys()
    if not given:
        return {}
    layout = _layout(row.get("layout", MONO), where)
    if layout == MONO and (labels := [name for name in _OF_FOA if name in given]):
        raise DataError(
            f"{where}: '{labels[0]}' is said of a mono clip",
            'mono clips get their place in a simulated room; say the "layout" of a recording',
        )
    found: dict[str, Any] = {"layout": layout}
    if "axes" in given:
        found["axes"] = _axes(row["axes"], where)
    if "start_s" in given:
        found["start_s"] = _number("start_s", row["start_s"], 0.0, math.inf, where)
    for name, (low, high) in LABELS.items():
        if name in given:
            found[name] = _number(name, row[name], low, high, where)
    if "spatial_captions" in given:
        found["spatial_captions"] = _spatial_captions(row["spatial_captions"], where)
    return found


def written_columns(record: Any) -> dict[str, Any]:
    """The columns of a `ClipRecord` that its line needs: those that say more than their default."""
    found: dict[str, Any] = {}
    if record.layout != MONO:
        found["layout"] = record.layout
    if record.axes != DEFAULT_AXES:
        found["axes"] = record.axes
    found |= {name: value for name in ("start_s", *LABELS) if (value := getattr(record, name)) is not None}
    return found | ({"spatial_captions": list(record.spatial_captions)} if record.spatial_captions else {})


def refuse_misspelt(names: Iterable[str], where: str) -> None:
    """Refuse columns of a recording that are nearly a spatial one: a label that is not read would count as unknown.

    Raises:
        DataError: naming the column and what it should be.
    """
    for name in names:
        if name not in _COLUMNS and (meant := meant_by(name)):
            raise DataError(f"{where}: there is no column '{name}'", f"write '{meant}', or rename it if it is something else")


@functools.lru_cache(maxsize=4096)
def meant_by(name: str) -> str:
    """The spatial column that an unknown name nearly is, or empty."""
    if name in ("end_s", "stop_s"):
        return "duration_s"
    close = difflib.get_close_matches(name, COLUMNS, 1, 0.82)
    return _WITHOUT_UNIT.get(name) or (close[0] if close else "")


def _layout(value: Any, where: str) -> str:
    if value in _STEREO:
        raise DataError(
            f"{where}: layout is '{value}'",
            "two channels do not tell front from back nor up from down: mix the clip down to mono, or give ambisonics",
        )
    if value not in LAYOUTS:
        raise DataError(f"{where}: layout is {value!r}", f"choose {', '.join(LAYOUTS)}")
    return value


def _axes(value: Any, where: str) -> str:
    if value not in AXES:
        raise DataError(
            f"{where}: axes is {value!r}",
            f"say where x, y and z point: {DEFAULT_AXES}, front-right-up or another such triple of directions",
        )
    return value


def _number(name: str, value: Any, low: float, high: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (low <= value <= high) or math.isinf(value):
        raise DataError(f"{where}: '{name}' is {value!r}", f"{_wanted(low, high)}, or leave '{name}' out if it is not known")
    if low == 0 and value == 0 and name != "start_s":
        raise DataError(f"{where}: '{name}' is {value!r}", f"it must be greater than 0: leave '{name}' out if it is not known")
    return float(value) + 0.0  # no −0.0


def _wanted(low: float, high: float) -> str:
    if math.isfinite(high):
        return f"give a number from {low:g} to {high:g}"
    return "give a positive, finite number" if math.isfinite(low) else "give a finite number"


def _spatial_captions(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip(" .") for one in value):
        raise DataError(f"{where}: 'spatial_captions' is no list of captions", 'write "spatial_captions": ["…"], or leave it out')
    return tuple(value)
