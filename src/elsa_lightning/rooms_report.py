"""Rooms in words and numbers, for the command line `elsa rooms`."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.bank import MEASURED, RoomBank, engine_of
from elsa_lightning.acoustics.bank_check import rooms_of
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.sampling import draw_rooms, split_rooms
from elsa_lightning.errors import ConfigError
from elsa_lightning.provenance import hardware
from elsa_lightning.schema import Experiment, RoomsConfig

UNITS = {
    "azimuth": ("azimuth, °", math.degrees(1)),
    "elevation": ("elevation, °", math.degrees(1)),
    "distance_m": ("distance, m", 1.0),
    "floor_area_m2": ("floor area, m²", 1.0),
    "volume_m3": ("volume, m³", 1.0),
    "t30_s": ("T30, s", 1.0),
    "c50_db": ("C50, dB", 1.0),
    "drr_db": ("DRR, dB", 1.0),
}
"""Label → its heading and the factor from the label's unit to the heading's."""


def sample_lines(cfg: Experiment, split: str, count: int, measure: bool) -> list[str]:
    """A table of drawn rooms: size, mean absorption, place of the source; measured labels if asked for."""
    rooms, rate = cfg.rooms, cfg.audio.sample_rate
    scene = split_rooms(rooms, split, range(count), rate)
    labels = engine_of(rooms)(scene, rooms, rate)[1] if measure else scene.labels()
    size = [" × ".join(f"{side:.2f}" for side in room) for room in scene.size.tolist()]
    absorption = [f"{value:.2f}" for value in scene.absorption.flatten(1).mean(1).tolist()]
    columns = {"room": [str(i) for i in range(count)], "L × W × H, m": size, "absorption": absorption}
    columns |= {UNITS[name][0]: _column(values, UNITS[name][1]) for name, values in labels.items()}
    return table(columns)


def _column(values: Tensor, factor: float) -> list[str]:
    return [f"{value * factor:.2f}" for value in values.tolist()]


def table(columns: dict[str, list[str]]) -> list[str]:
    """Right-aligned columns under their headings."""
    widths = [max(len(name), *map(len, cells)) for name, cells in columns.items()]
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def bank_lines(bank: RoomBank) -> list[str]:
    """What a bank is, and the spread of its labels."""
    shares = (0.0, 0.05, 0.5, 0.95, 1.0)
    quantiles = torch.tensor(shares)
    columns: dict[str, list[str]] = {"label": [], **{name: [] for name in ("least", "5 %", "median", "95 %", "most")}}
    names = list(columns)[1:]
    for name, (heading, factor) in UNITS.items():
        columns["label"].append(heading)
        for column, value in zip(names, (bank.labels[name].float().nanquantile(quantiles) * factor).tolist(), strict=True):
            columns[column].append("–" if math.isnan(value) else f"{value:.2f}")
    unknown = [int(bank.labels[name].isnan().sum()) for name in UNITS]
    if any(unknown):
        columns["unknown"] = [str(count) for count in unknown]
    seconds = bank.samples.shape[-1] / bank.sample_rate
    kinds = [rooms_of(bank.source).engine] if bank.simulated else []
    if bank.simulated < len(bank):
        kinds.append(f"{len(bank) - bank.simulated} of them measured responses" if kinds else "measured responses")
    head = (
        f"{len(bank)} rooms ({bank.source.get('split', '?')}), {bank.sample_rate} Hz, {seconds:g} s, {', '.join(kinds)}; "
        f"content {bank.content_hash}"
    )
    return [head, *measured_lines(bank), *table(columns)]


def measured_lines(bank: RoomBank) -> list[str]:
    """What an import found in the measured responses of a bank; none where there are none."""
    if MEASURED not in bank.source:
        return []
    facts = bank.source[MEASURED]
    found = facts["responses"]
    noisy = sum(one["meets_noise_s"] is not None for one in found)
    errors = [one["direction_error_deg"] for one in found if one["direction_error_deg"] is not None]
    error = f"; direct sound {statistics.median(errors):.1f}° from the stated direction (median)" if errors else ""
    rooms = ", ".join(facts["rooms"][:5]) + (" …" if len(facts["rooms"]) > 5 else "")
    return [f"{len(found)} responses of {len(facts['rooms'])} measured rooms ({rooms}); {noisy} end in noise, and are cut there{error}"]


def room_lines(bank: RoomBank, room: int) -> list[str]:
    """Everything about one room of a bank."""
    scene = bank.scene.select(slice(room, room + 1))
    measured = room >= bank.simulated
    bands = bank.source[MEASURED]["bands_hz"] if measured else usable_bands(rooms_of(bank.source).bands_hz, bank.sample_rate)
    octaves = bank.octave_t30_s[room].tolist()

    def place(point: Tensor) -> str:
        return ", ".join(f"{value:.2f}" for value in point[0].tolist())

    lines = (
        _measured_room(bank, room)
        if measured
        else [
            f"room {room}: {' × '.join(f'{side:.2f}' for side in scene.size[0].tolist())} m, diffuseness {scene.diffuseness.item():.2f}",
            f"source ({place(scene.source)}) m, microphone ({place(scene.microphone)}) m",
        ]
    )
    values = {heading: bank.labels[name][room].item() * factor for name, (heading, factor) in UNITS.items()}
    lines += [f"{heading:16s} {'unknown' if math.isnan(value) else f'{value:.2f}':>9s}" for heading, value in values.items()]
    untold = "too noisy to tell" if measured else "too long to tell"
    words = [f"{hz:g} Hz {untold if math.isnan(t) else f'{t:.2f}'}" for hz, t in zip(bands, octaves, strict=True)]
    return [*lines, "T30 by octave, s   " + " · ".join(words)]


def _measured_room(bank: RoomBank, room: int) -> list[str]:
    """Where a measured response comes from."""
    facts = bank.source[MEASURED]["responses"][room - bank.simulated]
    noise = facts["meets_noise_s"]
    end = "its decay ends with the response" if noise is None else f"its decay meets the noise at {noise:.2f} s"
    return [
        f"room {room}: {facts['name']}, measured in {facts['room']} at {facts['sample_rate']} Hz",
        f"{end}, having fallen by {facts['decay_range_db']:.0f} dB; {facts['kept_s']:.2f} s are kept",
    ]


def bench(sample_rate: int, length_s: float, batch: int, repeats: int, device: str) -> dict[str, Any]:
    """Median rooms per second of the full response (images, tail, all octave bands) and of its images alone."""
    if min(sample_rate, batch, repeats) < 1 or length_s <= 0:
        raise ConfigError("a rate, length, batch or number of repeats that is not positive", "give numbers above 0")
    if device != "cpu" and not torch.cuda.is_available():
        raise ConfigError(f"--device {device}: torch sees no GPU here", "leave it out, or install a CUDA build of torch")
    rooms = RoomsConfig()
    scene = draw_rooms(batch, rooms.ranges, rooms, rooms.seed, "train", sample_rate).to(device)

    def rate_of(late: bool) -> float:
        seconds = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            _render(scene, sample_rate, length_s, rooms, late)
            seconds.append(time.perf_counter() - start)
        return round(batch / statistics.median(seconds[1:]), 1)

    name = torch.cuda.get_device_name() if device != "cpu" else hardware()
    about = {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
    sizes = {"sample_rate": sample_rate, "rir_s": length_s, "batch": batch, "bands": len(usable_bands(rooms.bands_hz, sample_rate))}
    return {**about, **sizes, "rooms_per_s": rate_of(True), "rooms_per_s_images_alone": rate_of(False)}


def _render(scene: Scene, sample_rate: int, length_s: float, rooms: RoomsConfig, late: bool) -> None:
    render_rir(scene, sample_rate, length_s, rooms.bands_hz, rooms.air, rooms.high_pass_hz, late, chunk=len(scene))
    if scene.size.is_cuda:
        torch.cuda.synchronize()
