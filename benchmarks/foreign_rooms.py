"""Responses of rooms that the training's simulator cannot make, as a folder for `elsa rooms import`: a stand-in for measured rooms.

    python benchmarks/foreign_rooms.py foreign/ --rooms 30 --places 5
    elsa rooms import foreign/ foreign-rooms --profile desk --split test
    elsa table run modern_recipe --profile desk --set rooms.measured.path=foreign-rooms rooms.measured.test=both

Another simulator (pyroomacoustics' images and rays), other shapes (L-shaped and trapezoid floors), other walls (the library's table of
measured materials, with scattering), and one imperfect array per room: gain, orientation and delay errors, aliasing above 4 to 10 kHz, its
own noise under the response. **They are still simulated**: what a model loses here it will lose in real rooms; the reverse does not follow.

It prints JSON: rooms, responses, distances, and the angles between stated directions and the intensity of the direct sounds.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
RIR_S = 0.9
DIPOLE_ANGLES = ((90.0, 90.0), (0.0, 0.0), (0.0, 90.0))  # azimuth, colatitude of Y, Z, X
FLOORS = ("carpet_cotton", "linoleum_on_concrete", "wood_1.6cm", "carpet_thin", "marble_floor")
CEILINGS = ("ceiling_plasterboard", "ceiling_perforated_gypsum_board", "rough_concrete", "ceiling_fissured_tile", "wooden_lining")
WALLS = ("brickwork", "plasterboard", "rough_concrete", "curtains_0.2", "wooden_lining", "glass_3mm", "unpainted_concrete")
MARGIN = 0.4
"""Least distance of source and microphone from every wall, m."""


def corners(draw: np.random.Generator) -> np.ndarray:
    """`(n, 2)` corners of a floor, m, counter-clockwise: an L or a trapezoid of 14 to 270 m²."""
    area = math.exp(draw.uniform(math.log(16.0), math.log(250.0)))
    ratio = draw.uniform(1.0, 1.9)
    length, width = math.sqrt(area * ratio), math.sqrt(area / ratio)
    if draw.random() < 0.5:  # a corner is cut out
        a, b = draw.uniform(0.45, 0.75), draw.uniform(0.45, 0.75)
        shape = [(0, 0), (1, 0), (1, b), (a, b), (a, 1), (0, 1)]
    else:
        shape = [(0, 0), (1, draw.uniform(0.0, 0.15)), (draw.uniform(0.7, 0.95), 1), (draw.uniform(0.05, 0.25), draw.uniform(0.8, 1.0))]
    return np.array(shape, dtype=float) * [length, width]


def area_of(floor: np.ndarray) -> float:
    """Area of a polygon `(n, 2)`, m² (shoelace formula)."""
    x, y = floor.T
    return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def clear_of_walls(point: np.ndarray, floor: np.ndarray) -> bool:
    """Whether a point `(2,)` lies inside a polygon `(n, 2)` and `MARGIN` off its edges."""
    inside = False
    for start, end in zip(floor, np.roll(floor, -1, 0), strict=True):
        if (start[1] > point[1]) != (end[1] > point[1]) and point[0] < (end[0] - start[0]) * (point[1] - start[1]) / (
            end[1] - start[1]
        ) + start[0]:
            inside = not inside
        along = np.clip(np.dot(point - start, end - start) / np.dot(end - start, end - start), 0, 1)
        if np.linalg.norm(start + along * (end - start) - point) < MARGIN:
            return False
    return inside


def sees(a: np.ndarray, b: np.ndarray, floor: np.ndarray) -> bool:
    """Whether the straight line between two points stays inside, tested in steps of 5 cm."""
    steps = max(2, int(np.linalg.norm(b - a) / 0.05))
    return all(clear_of_walls(a + (b - a) * share, floor) or share in (0.0, 1.0) for share in np.linspace(0, 1, steps))


def places(draw: np.random.Generator, floor: np.ndarray, height: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Microphone `(3,)` and `count` sources `(count, 3)`, 0.9 to 4 m away in sight of it; every azimuth equally likely."""
    low, high = floor.min(0), floor.max(0)
    for _ in range(10_000):
        microphone = np.array([*draw.uniform(low, high), draw.uniform(1.0, min(1.9, height - 0.5))])
        if not clear_of_walls(microphone[:2], floor):
            continue
        sources: list[np.ndarray] = []
        for _ in range(400):
            azimuth, distance = draw.uniform(-math.pi, math.pi), draw.uniform(0.6, 4.0)
            elevation = math.asin(draw.uniform(math.sin(math.radians(-47)), math.sin(math.radians(47))))
            vector = distance * np.array(
                [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
            )
            source = microphone + vector
            if 0.2 < source[2] < height - 0.2 and clear_of_walls(source[:2], floor) and sees(microphone[:2], source[:2], floor):
                sources.append(source)
            if len(sources) == count:
                return microphone, np.array(sources)
    raise RuntimeError("no place found: the room is too narrow")


def array_faults(rirs: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """`(n, 4, T)` as one imperfect array hears them: the same faults in all responses of a room, and noise of its own under each."""
    spectrum = np.fft.rfft(rirs, axis=-1)  # (n, 4, K)
    hz = np.fft.rfftfreq(rirs.shape[-1], 1 / RATE)
    turn = np.radians(draw.normal(0, 2.0, 3))
    spin = np.eye(3) + np.array([[0, -turn[2], turn[1]], [turn[2], 0, -turn[0]], [-turn[1], turn[0], 0]])
    to_xyz = [3, 1, 2]
    spectrum[:, to_xyz] = np.einsum("ij,njk->nik", spin, spectrum[:, to_xyz])
    gain = 10 ** (draw.normal(0, 1.0, (3, 1)) / 20)
    delay_s = draw.uniform(-10e-6, 10e-6, (3, 1))
    spectrum[:, 1:] *= gain * np.exp(-2j * np.pi * hz * delay_s)
    kept = 1 / (1 + (hz / draw.uniform(4_000, 10_000)) ** 4)
    leak = np.einsum("ij,njk->nik", draw.normal(0, 0.15, (4, 4)), spectrum)
    spectrum[:, 1:] *= kept
    spectrum += leak * (1 - kept)
    out = np.fft.irfft(spectrum, n=rirs.shape[-1], axis=-1)
    floor_db = draw.uniform(-75, -55)  # against the response's peak, as of a sweep averaged a few times
    noise = draw.normal(0, 1, out.shape) * np.sqrt([1, 3, 3, 3])[:, None] / 2
    return out + noise * 10 ** (floor_db / 20) * np.abs(out[:, :1]).max(-1, keepdims=True)


def simulate(job: tuple[int, int, int]) -> dict[str, Any]:
    """One room: responses `(n, 4, T)` in ACN/SN3D and what is known of each."""
    import pyroomacoustics as pra

    index, seed, count = job
    draw = np.random.default_rng([seed, index])
    np.random.seed(int(draw.integers(2**31)))  # the library draws its diffuse noise from NumPy's global generator
    pra.random.seed(int(draw.integers(2**31)))
    floor = corners(draw)
    height = draw.uniform(2.4, 4.2)
    microphone, sources = places(draw, floor, height, count)

    def material(names: tuple[str, ...]) -> Any:
        return pra.Material(str(draw.choice(names)), float(draw.uniform(0.05, 0.5)))

    room = pra.Room.from_corners(
        floor.T, fs=RATE, max_order=2, materials=[material(WALLS) for _ in floor], air_absorption=True, ray_tracing=True
    )
    room.extrude(height, materials={"floor": material(FLOORS), "ceiling": material(CEILINGS)})
    for source in sources:
        room.add_source(source)
    room.add_microphone(microphone)
    for azimuth, colatitude in DIPOLE_ANGLES:
        axis = pra.directivities.DirectionVector(azimuth=azimuth, colatitude=colatitude, degrees=True)
        room.add_microphone(microphone, directivity=pra.directivities.FigureEight(axis, gain=1.0))
    pra.constants.set("rir_hpf_enable", False)
    room.compute_rir()
    lag, samples = pra.constants.get("frac_delay_length") // 2, round(RIR_S * RATE)
    rirs = np.zeros((count, 4, samples))
    for channel in range(4):
        for place in range(count):
            kept = np.asarray(room.rir[channel][place])[lag : lag + samples]
            rirs[place, channel, : len(kept)] = kept
    vectors = sources - microphone
    return {
        "room": f"room{index:03d}",
        "area": area_of(floor),
        "volume": area_of(floor) * height,
        "vectors": vectors,
        "rirs": array_faults(rirs, draw),
    }


def direct_error_deg(rir: np.ndarray, vector: np.ndarray) -> float:
    """Angle between a direction and the mean intensity, below 3 kHz, of the first 2 ms from the direct sound on."""
    start = round(np.linalg.norm(vector) / 343.0 * RATE)
    first = np.fft.rfft(rir[:, max(0, start - 8) : start + 24], n=256)[:, : round(3_000 * 256 / RATE)]
    intensity = (first[0].conj() * first[[3, 1, 2]]).real.sum(-1)
    cosine = intensity @ vector / (np.linalg.norm(intensity) * np.linalg.norm(vector))
    return math.degrees(math.acos(float(np.clip(cosine, -1, 1))))


def rendered(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rooms, in order, by worker processes."""
    jobs = [(index, arguments.seed, arguments.places) for index in range(arguments.rooms)]
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        for done, room in enumerate(pool.map(simulate, jobs), 1):
            print(f"\r{done} of {len(jobs)} rooms", end="", file=sys.stderr, flush=True)
            yield room
    print(file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to create")
    parser.add_argument("--rooms", type=int, default=60)
    parser.add_argument("--places", type=int, default=6, help="sources per room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.out.exists() and any(arguments.out.iterdir()):
        parser.error(f"{arguments.out} is not empty: give a new folder")
    import soundfile

    arguments.out.mkdir(parents=True, exist_ok=True)
    errors, distances = [], []
    with open(arguments.out / "responses.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "volume_m3", "room", "layout"])
        for room in rendered(arguments):
            for place, (rir, vector) in enumerate(zip(room["rirs"], room["vectors"], strict=True)):
                name = f"{room['room']}_{place}.wav"
                soundfile.write(arguments.out / name, rir.T.astype(np.float32), RATE, subtype="FLOAT")
                azimuth, elevation = (
                    math.degrees(math.atan2(vector[1], vector[0])),
                    math.degrees(math.asin(vector[2] / np.linalg.norm(vector))),
                )
                known = (azimuth, elevation, float(np.linalg.norm(vector)), room["area"], room["volume"])
                table.writerow([name, *(f"{value:.3f}" for value in known), room["room"], "acn_sn3d"])
                errors.append(direct_error_deg(rir, vector))
                distances.append(known[2])
    quantiles = {
        name: [round(float(q), 2) for q in np.quantile(values, [0, 0.5, 1])]
        for name, values in (("direct_error_deg", errors), ("distance_m", distances))
    }
    print(json.dumps({"rooms": arguments.rooms, "responses": len(errors), "min_median_max": quantiles, "seed": arguments.seed}, indent=1))


if __name__ == "__main__":
    main()
