"""The plan of a room, to be clicked, and directions on a circle. Imports neither torch nor gradio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from elsa_lightning.errors import DataError

SIDE = 420
"""Longer side of the plan, pixels."""
_EDGE = 4  # of the wall, pixels
_FLOOR, _WALL, _GRID, _EARS, _SOURCE = (250, 250, 247), (60, 60, 60), (226, 226, 220), (40, 90, 160), (205, 70, 40)


@dataclass(frozen=True)
class Plan:
    """A room from above: front (x) is up, left (y) is left, as the microphone looks.

    Attributes:
        length, width: of the room along x and y, m.
    """

    length: float
    width: float

    @property
    def scale(self) -> float:
        """Pixels per metre."""
        return SIDE / max(self.length, self.width)

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return max(1, round(self.width * self.scale)), max(1, round(self.length * self.scale))

    def metres(self, column: float, row: float) -> tuple[float, float]:
        """x and y, m, of a pixel.

        Raises:
            DataError: it lies outside the plan.
        """
        x, y = self.length - row / self.scale, self.width - column / self.scale
        if not (0 <= x <= self.length and 0 <= y <= self.width):
            raise DataError("the click lies outside the room", "click inside the plan")
        return x, y

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Column and row of a place, m."""
        return (self.width - y) * self.scale, (self.length - x) * self.scale

    def draw(self, microphone: Sequence[float], source: Sequence[float] | None) -> np.ndarray:
        """The picture, `(rows, columns, 3)` uint8: walls, a grid of metres, the microphone with its nose, the source."""
        columns, rows = self.pixels
        picture = np.full((rows, columns, 3), _FLOOR, np.uint8)
        for metre in range(1, int(max(self.length, self.width)) + 1):
            column, row = (round(value) for value in self.pixel(metre, metre))
            picture[row if 0 <= row < rows else 0, :] = _GRID
            picture[:, column if 0 <= column < columns else 0] = _GRID
        picture[:_EDGE], picture[-_EDGE:], picture[:, :_EDGE], picture[:, -_EDGE:] = _WALL, _WALL, _WALL, _WALL
        column, row = self.pixel(*microphone[:2])
        _disc(picture, column, row, 9, _EARS)
        _disc(picture, column, row - 11, 4, _EARS)
        if source is not None:
            _disc(picture, *self.pixel(*source[:2]), 9, _SOURCE)
        return picture


def _disc(picture: np.ndarray, column: float, row: float, radius: float, colour: tuple[int, int, int]) -> None:
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    picture[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = colour


def circle(directions: Sequence[tuple[str, float, float, str]]) -> str:
    """Directions seen from above as SVG: front up, left left, the middle is straight up or down.

    Args:
        directions: name, azimuth and elevation in degrees, colour.
    """
    lines, half, radius = [], 130, 100
    for name, place in (("front", (0, -114)), ("back", (0, 122)), ("left", (-115, 4)), ("right", (115, 4))):
        lines.append(f'<text x="{place[0]}" y="{place[1]}" text-anchor="middle" font-size="11" fill="#666">{name}</text>')
    for index, (name, azimuth, elevation, colour) in enumerate(directions):
        far = radius * math.cos(math.radians(elevation))
        x, y = -far * math.sin(math.radians(azimuth)), -far * math.cos(math.radians(azimuth))
        words = escape(f"{name}: azimuth {azimuth:.0f}°, elevation {elevation:.0f}°")
        lines.append(f'<line x1="0" y1="0" x2="{x:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="{4 - index}"/>')
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{8 - 2 * index}" fill="{colour}"><title>{words}</title></circle>')
        lines.append(f'<text x="-{half}" y="{half + 18 + 16 * index}" font-size="12" fill="{colour}">● {words}</text>')
    height = 2 * half + 16 + 16 * len(directions)
    ring = f'<circle r="{radius}" fill="none" stroke="#999"/>'
    return f'<svg viewBox="-{half} -{half} {2 * half} {height}" width="{2 * half}" height="{height}">{ring}{"".join(lines)}</svg>'


def bars(ranked: Sequence[tuple[str, float]]) -> str:
    """Captions and their cosines as an HTML table with bars from −1 to 1."""
    rows = [
        f'<tr><td>{escape(text)}</td><td style="width:9em"><div style="background:#286ea0;height:.8em;width:{50 * (value + 1):.0f}%"></div>'
        f"</td><td>{value:+.3f}</td></tr>"
        for text, value in ranked
    ]
    return f'<table style="width:100%">{"".join(rows)}</table>'
