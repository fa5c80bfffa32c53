"""Put one recording into one simulated room: `elsa spatialize in.wav out.wav --azimuth 90 …`."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import direction_from_angles
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.binaural import HEAD, binaural, check_head
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.placing import place, room_with_t30
from elsa_lightning.acoustics.sources import SoundSource, densified, render_sources
from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig
from elsa_lightning.version import __version__

SIMULATOR = "elsa-lightning"
PEAK = 0.9
RATES = (4000, 192000)
"""Least and greatest sample rate, Hz."""

STEP_DEG = 2.0
"""A moving source's way is straight for so many degrees; `sources.densified` puts points between."""

MOST_TURNS = 10


@dataclass(frozen=True)
class Place:
    """Where a source is heard.

    Attributes:
        azimuth: degrees, counter-clockwise from the front, +90 is left.
        elevation: degrees, up is positive.
        distance: from the microphone, m.
    """

    azimuth: float
    elevation: float
    distance: float

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            DataError: no direction, or no distance.
        """
        rules = (
            (math.isfinite(self.azimuth), f"an azimuth of {self.azimuth:g}°", "give degrees, counter-clockwise: 90 is left"),
            (abs(self.elevation) <= 90, f"an elevation of {self.elevation:g}°", "choose one from -90 (below) to 90 (above)"),
            (0 < self.distance < math.inf, f"a distance of {self.distance:g} m", "choose one above 0 that the room can hold, such as 1.5"),
        )
        _refuse(rules)


def way(start: Place, end: Place) -> Tensor:
    """Points `(P, 3)` m from the microphone, on the way from one place to another: angles and distance change evenly, azimuth in the sense
    that its numbers say (from 0 to 270 is a turn to the left by three quarters). One point if it stays.

    Raises:
        DataError: more than `MOST_TURNS` turns.
    """
    if start == end:
        return _from_microphone(torch.tensor([astuple(start)]))
    turn = max(abs(end.azimuth - start.azimuth), abs(end.elevation - start.elevation))
    _refuse([(turn <= 360 * MOST_TURNS, f"a turn of {turn:g}°", f"turn at most {MOST_TURNS} times")])
    points = 2 + int(turn / STEP_DEG)
    share = torch.linspace(0, 1, points)
    ends = torch.tensor([astuple(start), astuple(end)])
    return _from_microphone(ends[0] + share[:, None] * (ends[1] - ends[0]))


def _from_microphone(places: Tensor) -> Tensor:
    """(P, 3) m of places (P, 3): azimuth and elevation in degrees, distance in m."""
    azimuth, elevation, distance = places.unbind(1)
    return direction_from_angles(torch.deg2rad(azimuth), torch.deg2rad(elevation)) * distance[:, None]


def _refuse(rules: Sequence[tuple[bool, str, str]]) -> None:
    for holds, what, remedy in rules:
        if not holds:
            raise DataError(f"{what} cannot be rendered", remedy)


def sample_rate_of(path: str) -> int:
    """Hz, from the file's header.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return soundfile.info(path).samplerate
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"audio file {path} cannot be read ({error})", "check the path and the format (WAV, FLAC, OGG)") from error


def summary(output: str | pathlib.Path, facts: dict) -> str:
    """Lines for the terminal: the file and its conventions; the reverberation; the gain; the preview, if there is one."""
    order = f"{' '.join(facts['channels'])} ({facts['order']}, {facts['normalisation']}), {facts['sample_rate']} Hz; {facts['axes']}"
    found = f"{facts['measured_t30_s']:.2f} s" if facts["measured_t30_s"] is not None else "too long to tell"
    heard = f"\n{facts['preview']['file']}: for headphones, left and right ear of {HEAD}" if "preview" in facts else ""
    return (
        f"{output}: {order}\nT30 measured {found}, wanted {facts['wanted_t30_s']:.2f} s\n"
        f"one gain of {20 * math.log10(facts['gain']):+.1f} dB for all channels, so that the peak is {PEAK}; all facts: .json beside it"
        f"{heard}"
    )


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
    to: tuple[float | None, float | None, float | None] = (None, None, None),
    preview: str | pathlib.Path | None = None,
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
        seed: of the late field's noise and of the place in the room.
        rate: of the output, Hz; None: the input's.
        to: azimuth, elevation, distance at the end of the sound: the source moves there evenly. None: as at its start.
        preview: WAV to write too: 2 channels for headphones, 16 bits, with a gain of its own.

    Returns:
        the sidecar's contents.

    Raises:
        DataError: the file, the place or the reverberation time cannot be had; a file that is not ours would be overwritten.
        ConfigError: a preview without the extra `binaural`.
    """
    output = pathlib.Path(output)
    _check_output(output, input)
    if preview is not None:
        _check_preview(preview := pathlib.Path(preview), output, input)
    rate = sample_rate_of(input) if rate is None else rate
    start = Place(azimuth, elevation, distance)
    end = Place(*(given if given is not None else before for given, before in zip(to, astuple(start), strict=True)))
    _check(start, end, t30, rate)
    mono = torch.from_numpy(read_audio(input, rate))  # (T,)
    size, offsets = torch.tensor(room, dtype=torch.float32), way(start, end)
    microphone = place(size, offsets, seed)
    scene, rir, labels = room_with_t30(size, microphone, microphone + offsets[0], t30, seed, rate)  # rir (1, 4, R)
    path, time = microphone + offsets, None
    if len(path) > 1:
        path, time = densified(path, torch.linspace(0, len(mono) / rate, len(path)))
    bands = usable_bands(RoomsConfig().bands_hz, rate)
    foa = render_sources(scene, [SoundSource(mono, path, time)], rate, rir.shape[2] / rate, bands)  # (4, T + R − 1)
    gain = PEAK / float(foa.abs().max().clamp_min(1e-9))
    facts = {**_facts(start, end, scene, labels), "wanted_t30_s": t30, "gain": gain, "sample_rate": rate}
    facts |= {"source": pathlib.Path(input).name, "seed": seed, "simulator": f"{SIMULATOR} {__version__}"}
    if preview is not None:
        facts["preview"] = {"file": preview.name, "channels": ["left ear", "right ear"], "head": HEAD}
        ears = binaural(foa, rate)
        _write(preview, ears * (PEAK / float(ears.abs().max().clamp_min(1e-9))), rate, "PCM_16")
    _write(output, foa * gain, rate, "FLOAT", json.dumps(facts, indent=1))
    return facts


def _write(path: pathlib.Path, signal: Tensor, rate: int, subtype: str, sidecar: str | None = None) -> None:
    """(channels, T) into a WAV, and text into the JSON file beside it."""
    try:
        soundfile.write(path, np.asarray(signal.T), rate, subtype=subtype, format="WAV")
        if sidecar is not None:
            path.with_suffix(".json").write_text(sidecar)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"could not write {path}: {error}", "check that the folder exists and that the disk has space") from error


def _check(start: Place, end: Place, t30: float, rate: int) -> None:
    for one in (start, end):
        one.check()
    low, high = RATES
    _refuse(
        (
            (0 < t30 < math.inf, f"a T30 of {t30:g} s", "choose one above 0, such as 0.4"),
            (low <= rate <= high, f"a sample rate of {rate} Hz", f"choose one from {low} to {high} with --rate"),
        )
    )


def _facts(start: Place, end: Place, scene: Scene, labels: dict[str, float]) -> dict[str, Any]:
    """Conventions, places and what was measured; of a moving source, at its start."""
    moves = {"to_azimuth_deg": end.azimuth, "to_elevation_deg": end.elevation, "to_distance_m": end.distance, "measured_at": "the start"}
    measured = {name: round(labels[name], 3) if math.isfinite(labels[name]) else None for name in ("t30_s", "c50_db", "drr_db")}
    return {
        "channels": ["W", "Y", "Z", "X"],
        "order": "ACN",
        "normalisation": "SN3D",
        "axes": "x front, y left, z up; azimuth counter-clockwise, +90 is left",
        "azimuth_deg": start.azimuth,
        "elevation_deg": start.elevation,
        "distance_m": start.distance,
        **(moves if end != start else {}),
        "room_m": [round(value, 4) for value in scene.size[0].tolist()],
        "source_m": [round(value, 3) for value in scene.source[0].tolist()],
        "microphone_m": [round(value, 3) for value in scene.microphone[0].tolist()],
        **{f"measured_{name}": value for name, value in measured.items()},
    }


def _check_name(output: pathlib.Path, input: str | pathlib.Path) -> None:
    """Refuse outputs that are no WAV by name, or that would replace the input."""
    if output.suffix.lower() != ".wav":
        raise DataError(f"the output {output} would not be a WAV file by its name", "name it ….wav")
    if output.resolve() == pathlib.Path(input).resolve():
        raise DataError(f"{output} is the input itself", "give the output another name")


def _check_preview(preview: pathlib.Path, output: pathlib.Path, input: str | pathlib.Path) -> None:
    """Refuse a preview that could not be written, or not be made, before anything is rendered."""
    _check_name(preview, input)
    if preview.resolve() == output.resolve():
        raise DataError(f"the preview {preview} would be the output itself", "give it another name")
    if not preview.parent.is_dir():
        raise DataError(f"could not write {preview}: there is no folder {preview.parent}", "create it, or choose another")
    check_head()


def _check_output(output: pathlib.Path, input: str | pathlib.Path) -> None:
    """Refuse what `_check_name` does, and to replace somebody else's JSON file."""
    _check_name(output, input)
    sidecar = output.with_suffix(".json")
    if sidecar.exists():
        try:
            ours = str(json.loads(sidecar.read_text())["simulator"]).startswith(SIMULATOR)
        except (OSError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise DataError(f"{sidecar} would be overwritten and is not from an earlier call", "give the output another name")
