"""Clipping, from the samples alone: crests that were cut off stay flat, at whatever level the file was stored later.

A run of samples that stay within d of the channel's own peak is called flat-topped if it has at least three samples and the signal leaves
it on both sides more steeply than a smooth crest can. A smooth crest is a parabola near its top: one that keeps within d for n samples
has, k samples beyond them, dropped by at most d · ((n − 1 + 2k) / (n − 1))², where d grows by a quantisation step for the rounding. Hence
no tone of any frequency or level counts, and no crest that is flat only because a quiet sound has few steps. Two values of d are tried:
about one step (clipped PCM) and 3 % of the peak (clipped and resampled, or clipped and coded with small loss). What was clipped before a
strongly lossy coding is found in part only: the codec ripples or rounds the plateaus away.
"""

from __future__ import annotations

import numpy as np

CLIP_SHARE = 5e-4
"""A file is called clipped from this share of flat-topped samples on (5 ms in 10 s)."""
SHORTEST = 3
"""Samples of a run; shorter ones prove nothing."""
REACH = 2
"""Samples beyond a run at which the drop is measured (k above)."""
MARGIN = 1.5
"""The drop must exceed that of the parabola by this factor."""
FINE = 1.5
"""The narrow band, in quantisation steps."""
COARSE = 0.03
"""The wide band, re the peak."""
ONE_SIDED = 0.5
"""Crests of one sign are left alone where they reach less than this share of the other sign's: they were not cut by full scale."""
STEPS = {"PCM_S8": 2.0**-7, "PCM_U8": 2.0**-7, "ULAW": 2.0**-5, "ALAW": 2.0**-5}
"""libsndfile's subtype → coarsest quantisation step re full scale; others have 16 bits at least (ULAW, ALAW: ITU-T G.711's top segment)."""


class FlatTops:
    """Counts flat-topped samples of a sound that comes in blocks.

    Within one block the count is exact. In later blocks the peak so far stands for the file's own; blocks whose peak so far turns out to
    lie more than `COARSE` below it are not counted.

    Args:
        channels: of the sound.
        subtype: how it is stored, as libsndfile calls it.
    """

    def __init__(self, channels: int, subtype: str = "") -> None:
        self.step = STEPS.get(subtype, 2.0**-15)
        self.frames = 0
        self.peaks = np.zeros((channels, 2))
        self.counts: list[list[tuple[float, int]]] = [[] for _ in range(2 * channels)]

    def add(self, block: np.ndarray) -> None:
        """Count in the next samples, finite (T, channels)."""
        self.frames += len(block)
        for channel in range(block.shape[1]):
            for side, samples in enumerate((block[:, channel], -block[:, channel])):
                peak = self.peaks[channel, side] = max(self.peaks[channel, side], float(samples.max(initial=0.0)))
                if peak > 0.0 and (count := _flat(samples, peak, self.step)):
                    self.counts[2 * channel + side].append((peak, count))

    def share(self) -> float:
        """Share of flat-topped samples, in the channel that has most of them."""
        worst = 0
        for channel, (up, down) in enumerate(self.peaks):
            total = 0
            for side, peak in enumerate((up, down)):
                if peak >= ONE_SIDED * max(up, down):
                    total += sum(count for level, count in self.counts[2 * channel + side] if level >= (1 - COARSE) * peak)
            worst = max(worst, total)
        return worst / max(1, self.frames)


def _flat(samples: np.ndarray, peak: float, step: float) -> int:
    """Number of samples (T,) in flat-topped runs below `peak`, by either of the bands."""
    edges = np.zeros(len(samples) + 1, dtype=np.int64)
    for band in (FINE * step, COARSE * peak):
        first, last = _runs(samples >= peak - band)
        length = last - first + 1
        bound = MARGIN * (band + step) * ((length - 1 + 2 * REACH) / (length - 1)) ** 2
        before = np.where(first >= REACH, peak - samples[np.maximum(first - REACH, 0)], np.inf)
        after = np.where(last + REACH < len(samples), peak - samples[np.minimum(last + REACH, len(samples) - 1)], np.inf)
        cut = np.minimum(before, after) > bound
        np.add.at(edges, first[cut], 1)
        np.add.at(edges, last[cut] + 1, -1)
    return int(np.count_nonzero(np.cumsum(edges)))


def _runs(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last index of each run of at least `SHORTEST` true values."""
    places = np.flatnonzero(inside)
    if not len(places):
        return places, places
    breaks = np.flatnonzero(np.diff(places) > 1)
    first, last = places[np.append(0, breaks + 1)], places[np.append(breaks, len(places) - 1)]
    long = last - first + 1 >= SHORTEST
    return first[long], last[long]
