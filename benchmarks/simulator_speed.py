"""How fast is the room simulator? Ratios to pyroomacoustics, interleaved in one run on one thread; absolute times only for orientation.

OMP_NUM_THREADS=1 python benchmarks/simulator_speed.py [--repeats 7] [--device cuda]        (some minutes; prints JSON)

S1  early kernel, as many images as a reflection order of 20 has: its fastest route (image list, four C++ builders), its spherical-
    harmonic microphones
S2  full response with tail in eight octave bands: its eight-band hybrid, its eight-band images of order 20; eight bands against one
S3  simulate and convolve 10 s with 1 s responses: its hybrid with the same convolution; examples per second and core
S4  only with --device cuda: responses and rendered examples per second, share of rendering and features in a training step
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.engine_pyroomacoustics import render_rir_pyroomacoustics
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.image_source import early_response, find_images, window_length
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.features import FrontEnd
from elsa_lightning.provenance import summary
from elsa_lightning.schema import FeatureConfig, RangeConfig, RoomsConfig

RATE, ORDER = 48000, 20
IMAGES = (2 * ORDER + 1) * (2 * ORDER**2 + 2 * ORDER + 3) // 3  # integer triples with |i| + |j| + |k| ≤ order: 11,521
OCTAVES = RoomsConfig().bands_hz


BURST = 3
"""Times that each way runs in its turn. The first finds the caches full of another's data; the others are what many responses cost."""


def interleaved(ways: dict[str, Callable[[], object]], repeats: int) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Median seconds of each way: steady, of the first in a burst, and CPU seconds (of all its threads), steady.

    The ways take turns, so that a busy moment meets them all. Where many processes share the cores even that does not help, as a short way
    fits between two interruptions and a long one does not: there only CPU time tells.
    """
    steady, first, cpu = ({name: [] for name in ways} for _ in range(3))
    for turn in range(repeats + 1):
        for name, way in ways.items():
            for run in range(BURST):
                start, busy = time.perf_counter(), time.process_time()
                way()
                seconds, busy = time.perf_counter() - start, time.process_time() - busy
                if turn:  # the first turn warms plans up
                    (steady if run else first)[name].append(seconds)
                    if run:
                        cpu[name].append(busy)
    return tuple({name: statistics.median(values) for name, values in found.items()} for found in (steady, first, cpu))


def ratio(theirs: float, ours: float, bar: float) -> dict[str, Any]:
    """How many times faster ours is, and whether that is enough."""
    return {"measured": float(f"{theirs / ours:.3g}"), "bar": bar, "holds": theirs / ours >= bar}


def drawn(count: int, t30: list[float]) -> Scene:
    return draw_rooms(count, RangeConfig(t30_s=t30), RoomsConfig(absorption=[0.0, 1.0]), 11, "train", RATE)


def one_band(scene: Scene) -> Scene:
    return Scene(**{**scene.tensors(), "absorption": scene.absorption.mean(2, keepdim=True)})


def early_kernel(repeats: int) -> dict[str, Any]:
    import pyroomacoustics as pra
    from pyroomacoustics import libroom
    from pyroomacoustics.directivities import RealSphericalHarmonicsDirectivity
    from pyroomacoustics.directivities.harmonics import get_mn_in_acn_order

    scene = one_band(drawn(1, [0.4, 0.8]))
    size, source, microphone = (getattr(scene, name)[0].double().numpy() for name in ("size", "source", "microphone"))
    reach = (IMAGES * scene.volume_m3.item() * 3 / (4 * np.pi)) ** (1 / 3)  # metres within which there are so many
    silent = torch.zeros(1)

    def room() -> Any:
        made = pra.ShoeBox(size, fs=RATE, materials=pra.Material(0.3), max_order=ORDER)
        made.add_source(source)
        return made

    within = torch.tensor([reach], dtype=torch.float64)
    window = int(window_length(within / SPEED_OF_SOUND, RATE))

    def ours() -> None:
        early_response(find_images(scene, within, silent), 1, RATE, [1000.0], window, 0.0)

    def image_list() -> None:
        made = room()
        made.add_microphone(microphone)
        made.image_source_model()
        one = made.sources[0]
        seen = made.visibility[0][0].astype(bool)
        offset = one.images[:, seen] - microphone[:, None]
        distance = np.linalg.norm(offset, axis=0)
        delay = (distance / made.c + pra.constants.get("frac_delay_length") // 2 / RATE).astype(np.float32)
        gains = one.damping[0, seen] / distance * np.stack([np.ones_like(distance), *(offset[[1, 2, 0]] / distance)])
        length = int(delay.max() * RATE) + pra.constants.get("frac_delay_length") + 2
        for gain in gains.astype(np.float32):
            response = np.zeros(length, np.float32)
            constants = [pra.constants.get(name) for name in ("frac_delay_length", "sinc_lut_granularity", "num_threads")]
            libroom.rir_builder(response, delay, gain, RATE, *constants)

    def harmonics() -> None:
        made = room()
        for m, n in zip(*get_mn_in_acn_order(1), strict=True):
            made.add_microphone(microphone, directivity=RealSphericalHarmonicsDirectivity(m, n))
        made.compute_rir()

    seconds, first, cpu = interleaved({"ours": ours, "image list": image_list, "harmonics": harmonics}, repeats)
    return {
        "images": IMAGES,
        "threads of its builders": pra.constants.get("num_threads"),
        "ms": milliseconds(seconds),
        "ms, first of a burst": milliseconds(first),
        "ms of CPU": milliseconds(cpu),
        "faster in CPU time (no bar)": in_cpu_time(cpu),
        "faster than its fastest route": ratio(seconds["image list"], seconds["ours"], 2.0),
        "faster than its spherical-harmonic route": ratio(seconds["harmonics"], seconds["ours"], 20.0),
    }


def in_cpu_time(seconds: dict[str, float]) -> dict[str, float]:
    """How many times the CPU time of ours each other way took."""
    return {name: float(f"{value / seconds['ours']:.3g}") for name, value in seconds.items() if name != "ours"}


def milliseconds(seconds: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{1000 * value:.3g}") for name, value in seconds.items()}


def full_response(repeats: int, rooms: int = 4) -> dict[str, Any]:
    scene, length = drawn(rooms, [0.3, 1.6]), 1.7
    bands = usable_bands(OCTAVES, RATE)
    ways = {
        "ours": lambda: render_rir(scene, RATE, length, bands),
        "ours, one band": lambda: render_rir(one_band(scene), RATE, length, [1000.0]),
        "its images, order 20": lambda: render_rir_pyroomacoustics(scene, RATE, length, bands, max_order=ORDER),
        "its hybrid": lambda: render_rir_pyroomacoustics(scene, RATE, length, bands, max_order=3, ray_tracing=True),
    }
    wall, _, cpu = interleaved(ways, max(2, repeats // 2))
    seconds = {name: value / rooms for name, value in wall.items()}
    eight = seconds["ours"] / seconds["ours, one band"]
    return {
        "ms per response": milliseconds(seconds),
        "faster in CPU time (no bar)": in_cpu_time(cpu),
        "faster than its hybrid": ratio(seconds["its hybrid"], seconds["ours"], 80.0),
        "faster than its images of order 20": ratio(seconds["its images, order 20"], seconds["ours"], 8.0),
        "eight bands against one": {"measured": float(f"{eight:.3g}"), "bar": 2.5, "holds": eight <= 2.5},
    }


def examples(repeats: int, rooms: int = 4) -> dict[str, Any]:
    scene, bands = drawn(rooms, [0.3, 0.9]), usable_bands(OCTAVES, RATE)
    mono = torch.randn(rooms, 10 * RATE, generator=torch.Generator().manual_seed(0))

    def place(rir: torch.Tensor) -> None:
        convolve(mono, rir, mono.shape[1])

    ways = {
        "ours": lambda: place(render_rir(scene, RATE, 1.0, bands)),
        "its hybrid": lambda: place(render_rir_pyroomacoustics(scene, RATE, 1.0, bands, max_order=3, ray_tracing=True)),
    }
    wall, _, cpu = interleaved(ways, max(2, repeats // 2))
    seconds = {name: value / rooms for name, value in wall.items()}
    rate = 1 / seconds["ours"]
    return {
        "ms per example": milliseconds(seconds),
        "faster in CPU time (no bar)": in_cpu_time(cpu),
        "faster than its hybrid": ratio(seconds["its hybrid"], seconds["ours"], 25.0),
        "examples per second and core": {"measured": float(f"{rate:.3g}"), "bar": 20.0, "holds": rate >= 20.0},
    }


def on_a_gpu(repeats: int, device: str, batch: int = 256) -> dict[str, Any] | str:
    if device == "cpu" or not torch.cuda.is_available():
        return "not measured: no GPU"
    scene, bands = drawn(batch, [0.3, 0.9]).to(device), usable_bands(OCTAVES, RATE)
    mono = torch.randn(batch, 10 * RATE, device=device)
    front_end = FrontEnd(FeatureConfig(), RATE).to(device)

    def timed(way: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            way()
            torch.cuda.synchronize()

        return run

    def rendered() -> torch.Tensor:
        return convolve(mono, render_rir(scene, RATE, 1.0, bands, chunk=batch), mono.shape[1])

    ways = {
        "responses": timed(lambda: render_rir(scene, RATE, 1.0, bands, chunk=batch)),
        "examples": timed(rendered),
        "examples and features": timed(lambda: front_end(rendered())),
    }
    seconds, _, _ = interleaved(ways, repeats)
    rates = {name: batch / value for name, value in seconds.items()}
    bars = {"responses": 15000.0, "examples": 5000.0}
    found = {f"{name} per second": {"measured": round(rates[name]), "bar": bar, "holds": rates[name] >= bar} for name, bar in bars.items()}
    about = {"device": torch.cuda.get_device_name(), "batch": batch, "ms per batch": milliseconds(seconds)}
    return {**about, **found, "share of a training step": "not measured here: see perf/clips_per_s of a run"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="median of so many turns (default: 7)")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for S4 too (default: cpu)")
    parser.add_argument("--only", nargs="+", choices=["S1", "S2", "S3", "S4"], default=["S1", "S2", "S3", "S4"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    about = summary()  # now: the checkout may move on while this runs
    bars = {
        "S1": lambda: early_kernel(arguments.repeats),
        "S2": lambda: full_response(arguments.repeats),
        "S3": lambda: examples(arguments.repeats),
        "S4": lambda: on_a_gpu(arguments.repeats, arguments.device),
    }
    found = {name: bars[name]() for name in arguments.only}
    print(json.dumps({**about, **found}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
