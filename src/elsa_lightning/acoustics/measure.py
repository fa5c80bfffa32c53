"""Labels of rendered rooms: geometry from the scene, acoustics from the response itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.acoustics.bands import band_power
from elsa_lightning.acoustics.decay import c50_db, drr_db, octave_t30_s, t30_s
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.late_energy import energy_beyond
from elsa_lightning.acoustics.render import air_of, band_absorption, render_rir
from elsa_lightning.schema import RoomsConfig

LABELS = ("azimuth", "elevation", "distance_m", "floor_area_m2", "volume_m3", "t30_s", "c50_db", "drr_db")
"""Labels of a room, float32: rad, rad, m, m², m³, s, dB, dB."""

OCTAVE_T30 = "octave_t30_s"
"""Label of a bank's rooms, `(B, bands)` s: NaN where an octave falls by less than 35 dB in the longest response tried, or lies beyond the
Nyquist frequency."""

LONGER = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # lengths tried, in units of the stored one
LONG_FOR_OCTAVES = (2.0, 4.0, 8.0)  # of these, where all but slow octaves is known: fewer renderings


def measure(
    scene: Scene, rir: Tensor, sample_rate: int, beyond: Tensor | None = None, octaves_hz: Sequence[float] = ()
) -> dict[str, Tensor]:
    """All labels, (B,) float32 each, of responses (B, 4, R); T30 is NaN where the response does not fall by 35 dB.

    Args:
        scene: B rooms.
        rir: their responses.
        sample_rate: Hz.
        beyond: (B,) energy after the end of W's response.
        octaves_hz: centres for `OCTAVE_T30`, (B, bands); empty: without it.
    """
    w = rir[:, W]
    arrival = scene.distance_m * (sample_rate / SPEED_OF_SOUND)
    acoustic = {
        "t30_s": t30_s(w, sample_rate, beyond),
        "c50_db": c50_db(w, sample_rate, arrival),
        "drr_db": drr_db(w, sample_rate, arrival),
    }
    if octaves_hz:
        acoustic[OCTAVE_T30] = octave_t30_s(w, sample_rate, octaves_hz)
    return {**scene.labels(), **acoustic}


def render_measured(scene: Scene, rooms: RoomsConfig, sample_rate: int, octaves: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
    """Responses of `rooms.rir_s` and their labels.

    A room too reverberant for a T30 to be read from the stored length is rendered longer for that measurement alone; a longer response
    begins with the shorter one.

    Args:
        scene: B rooms.
        rooms: rendering.
        sample_rate: Hz.
        octaves: measure `OCTAVE_T30` too, in all usable bands.

    Returns:
        rir (B, 4, R) float32, labels (B,) float32 each, `OCTAVE_T30` (B, bands).
    """
    resolved, bands = band_absorption(scene, rooms.bands_hz, sample_rate)
    power, air = band_power(bands, sample_rate).to(scene.size.device), air_of(bands, rooms.air, scene.size.device)
    tellable = [hz * 2**0.5 < sample_rate / 2 for hz in bands] if octaves else []
    rir, labels = None, {}
    for factor in LONGER:
        missing = labels["t30_s"].isnan() if labels else torch.ones(len(scene), dtype=torch.bool, device=scene.size.device)
        if octaves and labels and factor in LONG_FOR_OCTAVES:
            missing = missing | labels[OCTAVE_T30][:, tellable].isnan().any(1)
        open_ = missing.nonzero()[:, 0]
        if len(open_) == 0:
            continue
        part, length = scene.select(open_), factor * rooms.rir_s
        longer = render_rir(part, sample_rate, length, rooms.bands_hz, rooms.air, rooms.high_pass_hz)
        beyond = energy_beyond(resolved.select(open_), power, air, length)
        measured = measure(part, longer, sample_rate, beyond, bands if octaves else ())
        if rir is None:
            rir, labels = longer, measured
            continue
        untold = labels["t30_s"][open_].isnan()
        for name, values in measured.items():
            fill = labels[name][open_].isnan() if name == OCTAVE_T30 else untold
            labels[name][open_] = torch.where(fill, values, labels[name][open_])
    return rir, labels
