"""Put one recording into one simulated room: `elsa spatialize in.wav out.wav --azimuth 90 …`."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Sequence

import numpy as np
import soundfile
import torch

from elsa_lightning.acoustics.absorption import solve_absorption
from elsa_lightning.acoustics.ambisonics import direction_from_angles
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.measure import measure
from elsa_lightning.acoustics.render import air_of, render_rir
from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig
from elsa_lightning.seeding import seed_of
from elsa_lightning.version import __version__

MARGIN_M = 0.2
PEAK = 0.9
DIFFUSENESS = 0.5
RATES = (4000, 192000)
"""Least and greatest sample rate, Hz."""

CLOSE, ROUNDS = 0.02, 6
"""The rendered T30 is corrected until it is this near to the wanted one, in so many rounds at most."""


def place(size: torch.Tensor, direction: torch.Tensor, distance_m: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Microphone and source `(3,)`, both inside the room, as near to its middle as the wanted offset lets them be.

    Raises:
        DataError: the room is too small for them.
    """
    offset = direction * distance_m
    low = MARGIN_M + (-offset).clamp_min(0)
    high = size - MARGIN_M - offset.clamp_min(0)
    if (low > high).any():
        axis = int((low - high).argmax())
        raise DataError(
            f"a source {distance_m:g} m away in that direction does not fit a room of {_by(size.tolist())} m ({'xyz'[axis]} axis)",
            "choose a larger room, a smaller distance or elevation",
        )
    microphone = (size / 2 - offset / 2).clamp(low, high)
    return microphone, microphone + offset


def _by(sides: Sequence[float]) -> str:
    return " × ".join(f"{side:g}" for side in sides)


def scene_of(azimuth: float, elevation: float, distance: float, room: Sequence[float], t30: float, seed: int, rate: int) -> Scene:
    """One room, with walls for the wanted reverberation time; arguments as `spatialize`'s.

    Raises:
        DataError: the room cannot hold the source, or cannot have this reverberation time.
    """
    size = torch.tensor(room, dtype=torch.float32)
    angles = torch.deg2rad(torch.tensor([azimuth, elevation]))
    microphone, position = place(size, direction_from_angles(angles[0], angles[1]), distance)
    bands = usable_bands(RoomsConfig().bands_hz, rate)
    diffuseness = torch.tensor([DIFFUSENESS])
    shape, air = torch.ones(1, 6, len(bands)), air_of(bands, True, size.device)
    absorption, feasible = solve_absorption(size[None], torch.tensor([t30]), shape, torch.tensor([distance]), diffuseness, bands, rate, air)
    if not feasible.all():
        raise DataError(
            f"no walls give a room of {_by(room)} m a T30 of {t30:g} s at {distance:g} m", "choose another T30, size, or a larger distance"
        )
    return Scene(size[None], position[None], microphone[None], absorption, diffuseness, torch.tensor([seed_of("spatialize", seed)]))


def room_with_t30(
    azimuth: float, elevation: float, distance: float, room: Sequence[float], t30: float, seed: int, rate: int
) -> tuple[Scene, torch.Tensor, dict[str, float]]:
    """The scene whose *rendered* T30 comes nearest to the wanted one, its response (1, 4, R), and its measured labels.

    Walls are chosen by the expected decay; one room's images differ from the expectation, so the aim is moved by what was missed.

    Raises:
        DataError: see `scene_of`.
    """
    bands = usable_bands(RoomsConfig().bands_hz, rate)
    best: tuple[Scene, torch.Tensor, dict[str, float]] | None = None
    aim, nearest = t30, math.inf
    for _ in range(ROUNDS):
        try:
            scene = scene_of(azimuth, elevation, distance, room, aim, seed, rate)
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


def sample_rate_of(path: str) -> int:
    """Hz, from the file's header.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return soundfile.info(path).samplerate
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"audio file {path} cannot be read ({error})", "check the path and the format (WAV, FLAC, OGG)") from error


def _check(azimuth: float, elevation: float, distance: float, t30: float, rate: int) -> None:
    """Refuse what no room and no direction can have."""
    low, high = RATES
    rules = (
        (math.isfinite(azimuth), f"an azimuth of {azimuth:g}°", "give degrees, counter-clockwise: 90 is left"),
        (abs(elevation) <= 90, f"an elevation of {elevation:g}°", "choose one from -90 (below) to 90 (above)"),
        (0 < distance < math.inf, f"a distance of {distance:g} m", "choose one above 0 that the room can hold, such as 1.5"),
        (0 < t30 < math.inf, f"a T30 of {t30:g} s", "choose one above 0, such as 0.4"),
        (low <= rate <= high, f"a sample rate of {rate} Hz", f"choose one from {low} to {high} with --rate"),
    )
    for holds, what, remedy in rules:
        if not holds:
            raise DataError(f"{what} cannot be rendered", remedy)


def summary(output: str | pathlib.Path, facts: dict) -> str:
    """Two lines for the terminal: the file and its conventions; the wanted and the measured reverberation."""
    order = f"{' '.join(facts['channels'])} ({facts['order']}, {facts['normalisation']}), {facts['sample_rate']} Hz; {facts['axes']}"
    found = f"{facts['measured_t30_s']:.2f} s" if facts["measured_t30_s"] is not None else "too long to tell"
    return f"{output}: {order}\nT30 measured {found}, wanted {facts['wanted_t30_s']:.2f} s; all facts: .json beside it"


def spatialize(
    input: str,
    output: str,
    azimuth: float,
    elevation: float,
    distance: float,
    room: Sequence[float],
    t30: float,
    seed: int = 0,
    rate: int | None = None,
) -> dict:
    """Read a mono file, render it as FOA and write a float WAV beside a JSON sidecar that states the conventions.

    Args:
        input: mono audio file.
        output: WAV to write: 4 channels, ACN order (W, Y, Z, X), SN3D, 32-bit float, one gain for all channels.
        azimuth: degrees, counter-clockwise from the front, +90 is left.
        elevation: degrees, up is positive.
        distance: from the microphone, m.
        room: length, width, height, m.
        t30: wanted reverberation time, s.
        seed: of the late field's noise.
        rate: of the output, Hz; None: the input's.

    Returns:
        the sidecar's contents.

    Raises:
        DataError: the file, the place or the reverberation time cannot be had.
    """
    if pathlib.Path(output).suffix.lower() != ".wav":
        raise DataError(f"the output {output} would not be a WAV file by its name", "name it ….wav")
    if pathlib.Path(output).resolve() == pathlib.Path(input).resolve():
        raise DataError(f"{output} is the input itself", "give the output another name")
    rate = sample_rate_of(input) if rate is None else rate
    _check(azimuth, elevation, distance, t30, rate)
    mono = torch.from_numpy(read_audio(input, rate))[None]  # (1, T)
    scene, rir, labels = room_with_t30(azimuth, elevation, distance, room, t30, seed, rate)  # rir (1, 4, R)
    foa = convolve(mono, rir, mono.shape[1] + rir.shape[2])[0]  # (4, T + R)
    gain = PEAK / float(foa.abs().max().clamp_min(1e-9))
    facts = {
        "channels": ["W", "Y", "Z", "X"],
        "order": "ACN",
        "normalisation": "SN3D",
        "axes": "x front, y left, z up; azimuth counter-clockwise, +90 is left",
        "azimuth_deg": azimuth,
        "elevation_deg": elevation,
        "distance_m": distance,
        "room_m": list(room),
        "wanted_t30_s": t30,
        "source_m": [round(value, 3) for value in scene.source[0].tolist()],
        "microphone_m": [round(value, 3) for value in scene.microphone[0].tolist()],
        **{f"measured_{name}": round(labels[name], 3) if math.isfinite(labels[name]) else None for name in ("t30_s", "c50_db", "drr_db")},
        "gain": gain,
        "sample_rate": rate,
        "source": pathlib.Path(input).name,
        "seed": seed,
        "simulator": f"elsa-lightning {__version__}",
    }
    try:
        soundfile.write(output, np.asarray(foa.T * gain), rate, subtype="FLOAT", format="WAV")
        pathlib.Path(output).with_suffix(".json").write_text(json.dumps(facts, indent=1))
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"could not write {output}: {error}", "check that the folder exists and that the disk has space") from error
    return facts
