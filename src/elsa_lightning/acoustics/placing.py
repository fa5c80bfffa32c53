"""One room for a wanted place and reverberation time: where microphone and source stand in it, and what its walls absorb."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.absorption import solve_absorption
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.measure import measure
from elsa_lightning.acoustics.render import air_of, render_rir
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig
from elsa_lightning.seeding import rng_of, seed_of

MARGIN_M = 0.2
"""Least distance of source and microphone to the walls."""

DIFFUSENESS = 0.5

CLOSE, ROUNDS = 0.02, 6
"""The rendered T30 is corrected until it is this near to the wanted one, in so many rounds at most."""

_MIDDLE, _DRAWS, _CLEAR = (0.3, 0.7), 64, 0.02


def place(size: Tensor, offsets: Tensor, seed: int) -> Tensor:
    """A microphone's place `(3,)` from which sources at all the offsets are inside the room.

    It is drawn from the middle of where it can be, so that neither it, nor the first source, nor the point halfway between them lies on one
    of the room's middle planes, where reflections of opposite walls coincide. Where there is little room to choose, it is the best draw.

    Args:
        size: `(3,)` m.
        offsets: `(P, 3)` m, of the sources from the microphone.
        seed: of the draw.

    Raises:
        DataError: the room is too small for them.
    """
    low = MARGIN_M + (-offsets).clamp_min(0).amax(0)
    high = size - MARGIN_M - offsets.clamp_min(0).amax(0)
    if (low > high).any():
        axis = int((low - high).argmax())
        raise DataError(
            f"a source {offsets.norm(dim=1).max():g} m away does not fit a room of {_by(size.tolist())} m ({'xyz'[axis]} axis)",
            "choose a larger room, a smaller distance or elevation",
        )
    shares = torch.from_numpy(rng_of("place", seed).uniform(*_MIDDLE, (_DRAWS, 3))).to(low)
    draws = low + (high - low) * shares  # (draws, 3)
    points = torch.stack([draws, draws + offsets[0], draws + offsets[0] / 2], dim=1)  # (draws, points, 3)
    clearance = ((points / size - 0.5).abs()).amin((1, 2))  # in units of the sides
    clear = (clearance >= _CLEAR).nonzero()[:, 0]
    return draws[clear[0] if len(clear) else clearance.argmax()]


def _by(sides: Sequence[float]) -> str:
    return " × ".join(f"{side:g}" for side in sides)


def _scene_of(size: Tensor, microphone: Tensor, source: Tensor, t30: float, seed: int, rate: int) -> Scene:
    bands = usable_bands(RoomsConfig().bands_hz, rate)
    diffuseness, distance = torch.tensor([DIFFUSENESS]), (source - microphone).norm()[None]
    shape, air = torch.ones(1, 6, len(bands)), air_of(bands, True, size.device)
    absorption, feasible = solve_absorption(size[None], torch.tensor([t30]), shape, distance, diffuseness, bands, rate, air)
    if not feasible.all():
        raise DataError(
            f"no walls give a room of {_by(size.tolist())} m a T30 of {t30:g} s at {distance.item():g} m",
            "choose another T30, size, or a larger distance",
        )
    noise_seed = torch.tensor([seed_of("spatialize", seed)])
    return Scene(size[None], source[None], microphone[None], absorption, diffuseness, noise_seed)


def room_with_t30(
    size: Tensor, microphone: Tensor, source: Tensor, t30: float, seed: int, rate: int
) -> tuple[Scene, Tensor, dict[str, float]]:
    """The scene whose *rendered* T30 comes nearest to the wanted one, its response `(1, 4, R)`, and its measured labels.

    Walls are chosen by the expected decay; one room's images differ from the expectation, so the aim is moved by what was missed.

    Args:
        size: `(3,)` m.
        microphone: `(3,)` m.
        source: `(3,)` m.
        t30: wanted, s.
        seed: of the late field's noise.
        rate: Hz.

    Raises:
        DataError: no walls give the room this reverberation time.
    """
    bands = usable_bands(RoomsConfig().bands_hz, rate)
    best: tuple[Scene, Tensor, dict[str, float]] | None = None
    aim, nearest = t30, math.inf
    for _ in range(ROUNDS):
        try:
            scene = _scene_of(size, microphone, source, aim, seed, rate)
        except DataError:
            if best is None:
                raise
            break  # walls for the corrected aim do not exist: the best so far is what there is
        rir = render_rir(scene, rate, max(0.3, 1.8 * t30), bands)
        labels = {name: value.item() for name, value in measure(scene, rir, rate).items()}
        ratio = labels["t30_s"] / t30 if math.isfinite(labels["t30_s"]) else 1.8  # no T30: it decays for longer than its response
        if abs(math.log(ratio)) < nearest:
            best, nearest = (scene, rir, labels), abs(math.log(ratio))
        if nearest < CLOSE:
            break
        aim /= ratio
    return best
