"""Rooms whose source is heard from elsewhere than another room's: what makes two versions of a clip hard spatial negatives.

Direction words name sectors of 70° (`captions.attributes`), so places 90° apart in azimuth never share one; nor do they once both are
turned by the same yaw and mirrored alike, which change no difference of azimuths but its sign.
"""

from __future__ import annotations

import numpy as np

from elsa_lightning.errors import ConfigError

APART = np.pi / 2
"""Least difference of two azimuths, radians."""


class Elsewhere:
    """Draws a room at least `APART` away from a given one in azimuth, in the rooms' own chances.

    The rooms are laid around the circle by azimuth, each as wide as its chance; what is far enough from a room is one stretch of that
    circle, so that a draw is a binary search.

    Args:
        azimuth: `(N,)` radians; NaN of a room whose azimuth nobody knows, which is neither drawn nor stayed away from.
        cumulative: `(N,)` cumulative chances of being drawn, ending at 1.

    Raises:
        ConfigError: a room that may be drawn has none elsewhere.
    """

    def __init__(self, azimuth: np.ndarray, cumulative: np.ndarray) -> None:
        self.cumulative = cumulative
        azimuth = np.asarray(azimuth, np.float64) % (2 * np.pi)
        order = np.argsort(azimuth, kind="stable")  # NaN last
        self.order = order[: np.isfinite(azimuth).sum()]
        around = azimuth[self.order]
        self.twice = np.concatenate([around, around + 2 * np.pi])  # (2K,): a stretch may pass the end of the circle
        chance = np.diff(cumulative, prepend=0.0)
        self.before = np.concatenate([[0.0], np.cumsum(np.tile(chance[self.order], 2))])  # (2K + 1,)
        self.first = np.searchsorted(self.twice, azimuth + APART)  # (N,)
        self.end = np.searchsorted(self.twice, azimuth + 2 * np.pi - APART, side="right")  # (N,)
        self.known = np.isfinite(azimuth)
        alone = self.known & (chance > 0) & ~(self.before[self.end] > self.before[self.first])
        if alone.any():
            raise ConfigError(
                f"data.negatives is hard_spatial, but no training room's source is 90° away from that of room {int(alone.argmax())}",
                "simulate more rooms (rooms.train), or set data.negatives=plain",
            )

    def draw(self, room: int, where: float) -> int:
        """A room elsewhere than `room`, at `where` in [0, 1) of the chances; any room if nobody knows where that one is."""
        if not self.known[room]:
            return int(np.searchsorted(self.cumulative, where, side="right"))
        first, end = self.first[room], self.end[room]
        at = self.before[first] + where * (self.before[end] - self.before[first])
        place = np.searchsorted(self.before[first : end + 1], at, side="right") - 1
        return int(self.order[(first + min(place, end - first - 1)) % len(self.order)])
