"""How exact is the room simulator? Its accuracy bars, one figure each, against physics and against pyroomacoustics' image method.

    python benchmarks/simulator_accuracy.py [--rooms 24] [--only A4 A6]        (a few minutes on one core; prints JSON)

    A1  anechoic: direction of the intensity, and velocity over pressure
    A2  early response against pyroomacoustics' images, and against our own images summed exactly in double precision
    A3  direction in the window of the direct sound, in drawn rooms, against the truth and against pyroomacoustics
    A4  whole response against pyroomacoustics' full image method at zero scattering: T30, C50, DRR, decay curve
    A5  octave energies of the early response with octave-band walls
    A6  wanted T30 against the rendered one
    A7  tail: energy of the model, correlation of the channels, dipoles' share when fully diffuse; the same bits alone and in a batch

Below "0.8 Nyquist": without what lies above 0.8 of the Nyquist frequency, where fractional delays are tapered.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.acoustics.absorption import solve_absorption
from elsa_lightning.acoustics.ambisonics import encode_direction
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.decay import c50_db, drr_db, energy_decay_db, octave_t30_s, t30_s
from elsa_lightning.acoustics.diffuse_tail import tail_response
from elsa_lightning.acoustics.engine_pyroomacoustics import render_rir_pyroomacoustics
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.image_source import early_response, find_images, window_length
from elsa_lightning.acoustics.late_energy import late_energy, mixing_time_s
from elsa_lightning.acoustics.render import air_of, render_rir
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.provenance import summary
from elsa_lightning.schema import RangeConfig, RoomsConfig

OCTAVES = RoomsConfig().bands_hz
DIPOLES = [3, 1, 2]  # X, Y, Z
WINDOW_S = 20 / 48000  # half of the window of the direct sound


def drawn(count: int, rate: int, t30: list[float] | None = None, area: list[float] | None = None, scattering: bool = True) -> Scene:
    """Rooms in the paper's ranges, with any absorption that physics allows; the wanted T30 is that of walls with or without scattering."""
    limits = {"t30_s": t30} if t30 else {}
    limits |= {"floor_area_m2": area} if area else {}
    rooms = RoomsConfig(absorption=[0.0, 1.0], **({} if scattering else {"diffuseness": [0.0, 0.0]}))
    return draw_rooms(count, RangeConfig(**limits), rooms, 7, "train", rate)


def one_band(scene: Scene, absorption: Tensor | None = None, diffuseness: float = 0.0) -> Scene:
    """The same rooms with one band and a given diffuseness."""
    walls = scene.absorption.mean(2, keepdim=True) if absorption is None else absorption
    return Scene(**{**scene.tensors(), "absorption": walls, "diffuseness": torch.full((len(scene),), diffuseness)})


def below(rir: Tensor, share: float = 0.8) -> Tensor:
    """Without what lies above `share` of the Nyquist frequency."""
    spectrum = torch.fft.rfft(rir.double(), n=2 * rir.shape[-1])
    spectrum[..., int(share * spectrum.shape[-1]) :] = 0
    return torch.fft.irfft(spectrum)[..., : rir.shape[-1]]


def angle_deg(one: Tensor, other: Tensor) -> Tensor:
    """Angle between vectors (…, 3), exact for small ones too."""
    one, other = one.double(), other.double()
    return torch.rad2deg(torch.atan2(torch.linalg.cross(one, other).norm(dim=-1), (one * other).sum(-1)))


def intensity(rir: Tensor) -> Tensor:
    """(B, 3) summed active intensity."""
    return (rir[:, [0]].double() * rir[:, DIPOLES].double()).sum(-1)


def near_arrival(scene: Scene, rir: Tensor, rate: int, reach_s: float = WINDOW_S) -> Tensor:
    """The response in the window of the direct sound, zero elsewhere."""
    arrival = scene.distance_m * rate / SPEED_OF_SOUND
    return rir * ((torch.arange(rir.shape[-1]) - arrival[:, None]).abs() <= reach_s * rate)[:, None]


def figure(value: float, bar: float, unit: str = "") -> dict[str, Any]:
    """A measured value that should not exceed its bar."""
    return {"measured": float(f"{value:.3g}"), "bar": bar, "unit": unit, "holds": bool(value <= bar)}


def anechoic(count: int) -> dict[str, Any]:
    scene = drawn(count, 48000)
    rir = render_rir(one_band(scene, torch.ones(len(scene), 6, 1)), 48000, 0.05, [1000.0], False, 0.0, late=False)
    ratio = below(rir)[:, DIPOLES].square().sum((1, 2)).sqrt() / below(rir)[:, 0].norm(dim=-1)
    error = angle_deg(intensity(below(rir)), scene.direction).max().item()
    return {"direction, largest": figure(error, 0.01, "°"), "|v|/p − 1, largest": figure((ratio - 1).abs().max().item(), 1e-3)}


def early(count: int) -> dict[str, Any]:
    scene = one_band(drawn(count, 48000))
    arguments = (scene, 48000, 0.1, [1000.0], False, 0.0)
    samples = int(0.095 * 48000)  # before any mixing time: images alone
    ours, theirs = (below(rir[..., :samples]) for rir in (render_rir(*arguments), render_rir_pyroomacoustics(*arguments)))
    library = ((ours - theirs).norm(dim=(1, 2)) / theirs.norm(dim=(1, 2))).max().item()  # over the four channels together
    return {
        "against pyroomacoustics, largest": figure(library, 2e-3),
        "against double precision, largest": figure(against_exact(scene), 2e-4),
    }


def against_exact(scene: Scene, rate: int = 48000, images_s: float = 0.09) -> float:
    """Largest relative error of our gridding against the exact sum of the same images over all frequencies below 0.8 Nyquist."""
    worst = 0.0
    for i in range(len(scene)):
        room = scene.select(slice(i, i + 1))
        images = find_images(room, torch.tensor([images_s * SPEED_OF_SOUND], dtype=torch.float64), torch.zeros(1))
        n = int(window_length(torch.tensor([images_s]), rate))
        ours = torch.fft.rfft(early_response(images, 1, rate, [1000.0], n, 0.0)[0].double())
        bins = torch.arange(1, int(0.8 * (n // 2)))
        phase = torch.exp(-2j * math.pi / n * bins.double()[:, None] * (images.distance * rate / SPEED_OF_SOUND))  # (bins, K)
        exact = (phase @ (images.gain * encode_direction(images.direction)).to(torch.complex128)).T  # (4, bins)
        worst = max(worst, ((ours[:, bins] - exact).norm(dim=1) / exact.norm(dim=1)).max().item())
    return worst


def alone_within(scene: Scene, reach_s: float) -> Tensor:
    """(B,) bool: no reflection arrives that soon after the direct sound (nor would before it, as none can)."""
    reach = scene.distance_m.double() + reach_s * SPEED_OF_SOUND
    return torch.bincount(find_images(scene, reach, torch.zeros(scene.absorption.shape[2])).room, minlength=len(scene)) == 1


def direct_window(count: int) -> dict[str, Any]:
    scene = one_band(drawn(max(count, 48), 48000))
    found = []
    for engine in (render_rir, render_rir_pyroomacoustics):
        found.append(intensity(near_arrival(scene, engine(scene, 48000, 0.03, [1000.0], False, 0.0), 48000)))
    truth, library, clear = angle_deg(found[0], scene.direction), angle_deg(found[0], found[1]), alone_within(scene, 2 * WINDOW_S)
    theirs = angle_deg(found[1], scene.direction)
    return {
        "rooms": len(scene),
        "window, ms": round(2000 * WINDOW_S, 3),
        "rooms with a reflection in the window, left out of the next line": int((~clear).sum()),
        "from the truth, 99th percentile": figure(truth[clear].quantile(0.99).item(), 1.0, "°"),
        "from the truth, all rooms, those beyond 1° (no bar)": {
            name: {"rooms": int((values > 1).sum()), "largest, °": float(f"{values.max().item():.3g}")}
            for name, values in (("ours", truth), ("pyroomacoustics", theirs))
        },
        "from pyroomacoustics, largest of all rooms": figure(library.max().item(), 0.3, "°"),
    }


def whole(count: int) -> dict[str, Any]:
    rate, half = 16000, count // 2
    short = drawn(half, rate, [0.15, 0.35], scattering=False)
    long = drawn(count - half, rate, [0.35, 0.8], [13.3, 60.0], scattering=False)  # the full method's cost grows as T³/V
    found: dict[str, list[float]] = {name: [] for name in ("t30", "error", "c50", "drr", "decay")}
    for part, length in ((short, 0.45), (long, 0.9)):
        scene = one_band(part)
        arguments = (scene, rate, length, [1000.0], False, 20.0)
        ours, theirs = render_rir(*arguments)[:, 0], render_rir_pyroomacoustics(*arguments)[:, 0]
        arrival = scene.distance_m * rate / SPEED_OF_SOUND
        found["t30"] += t30_s(theirs, rate).tolist()
        found["error"] += (t30_s(ours, rate) / t30_s(theirs, rate) - 1).abs().tolist()
        found["c50"] += (c50_db(ours, rate, arrival) - c50_db(theirs, rate, arrival)).abs().tolist()
        found["drr"] += (drr_db(ours, rate, arrival) - drr_db(theirs, rate, arrival)).abs().tolist()
        decays = energy_decay_db(ours), energy_decay_db(theirs)
        found["decay"] += ((decays[0] - decays[1]).abs() * (decays[1] > -30)).amax(1).tolist()
    within = [0.15 <= t30 <= 0.8 for t30 in found["t30"]]  # the bar's range; NaN, a response without a T30, is outside
    errors = {
        name: [value if math.isfinite(value) else math.inf for value, counts in zip(values, within, strict=True) if counts]
        for name, values in found.items()
    }  # where ours has no T30 and theirs has, the error is infinite
    return {
        "rooms": {"measured": sum(within), "bar": 20, "unit": "", "holds": sum(within) >= 20},
        "rooms whose T30 is outside 0.15 to 0.8 s, left out": len(within) - sum(within),
        "T30, median": figure(100 * statistics.median(errors["error"]), 3.0, "%"),
        "T30, largest": figure(100 * max(errors["error"]), 15.0, "%"),
        "C50, largest": figure(max(errors["c50"]), 0.5, "dB"),
        "DRR, largest": figure(max(errors["drr"]), 0.5, "dB"),
        "decay to −30 dB, median of the largest": figure(statistics.median(errors["decay"]), 1.5, "dB"),
        "decay to −30 dB, largest": figure(max(errors["decay"]), 4.0, "dB"),
        f"octave-band walls, T30 ours / its − 1, median of {half} short rooms, % (no bar)": by_octave(short, rate, 0.6),
    }


def by_octave(scene: Scene, rate: int, length: float) -> dict[str, float]:
    """How much longer each octave takes to decay than in the full image method, %: see the limits in docs/acoustics.md."""
    bands = usable_bands(OCTAVES, rate)
    specular = Scene(**{**scene.tensors(), "diffuseness": torch.zeros(len(scene))})
    arguments = (specular, rate, length, bands, False, 20.0)
    ours, theirs = (octave_t30_s(engine(*arguments)[:, 0], rate, bands) for engine in (render_rir, render_rir_pyroomacoustics))
    return {
        f"{hz:g} Hz": float(f"{100 * value:.2g}") for hz, value in zip(bands, (ours / theirs - 1).nanmedian(0).values.tolist(), strict=True)
    }


def octaves(count: int) -> dict[str, Any]:
    scene, rate = drawn(max(4, count // 4), 48000), 48000
    bands = usable_bands(OCTAVES, rate)

    def worst(air: bool) -> float:
        arguments = (scene, rate, 0.09, bands, air, 0.0)
        ours, theirs = (torch.fft.rfft(engine(*arguments), n=8192).abs().square() for engine in (render_rir, render_rir_pyroomacoustics))
        levels = []
        for centre in bands[:-1]:  # the last octave reaches beyond 0.8 Nyquist
            octave = slice(int(centre / 2**0.5 / rate * 8192), int(centre * 2**0.5 / rate * 8192) + 1)
            levels.append(10 * torch.log10(ours[:, 0, octave].sum(-1) / theirs[:, 0, octave].sum(-1)))
        return torch.stack(levels).abs().max().item()

    return {
        "rooms": len(scene),
        "octave energies of W, largest": figure(worst(False), 0.2, "dB"),
        "the same with air, whose tables differ (ISO 9613-1 here; no bar)": float(f"{worst(True):.3g}"),
    }


def wanted_t30(count: int) -> dict[str, Any]:
    rate = 48000
    scene = drawn(count, rate, [0.2, 1.2])
    bands = usable_bands(OCTAVES, rate)
    generator = torch.Generator().manual_seed(3)
    wanted = torch.exp(torch.empty(count).uniform_(math.log(0.25), math.log(1.2), generator=generator))
    shape = torch.ones(count, 6, len(bands))
    air = air_of(bands, True, scene.size.device)
    walls, feasible = solve_absorption(scene.size, wanted, shape, scene.distance_m, scene.diffuseness, bands, rate, air)
    solved = Scene(**{**scene.tensors(), "absorption": walls}).select(feasible)
    rir = render_rir(solved, rate, 1.6, bands)
    error = (t30_s(rir[:, 0], rate) / wanted[feasible] - 1).abs()
    return {
        "rooms": int(feasible.sum()),
        "infeasible, refused": int((~feasible).sum()),
        "T30, median": figure(100 * error.nanmedian().item(), 5.0, "%"),
        "T30, largest (no bar)": float(f"{100 * error[error.isfinite()].max().item():.3g}"),
    }


def tail(count: int) -> dict[str, Any]:
    rate, copies = 16000, 256
    room = one_band(drawn(1, rate, [0.4, 0.6]), diffuseness=1.0)
    rows = torch.zeros(copies, dtype=torch.long)
    many = Scene(**{**room.select(rows).tensors(), "noise_seed": torch.arange(copies)})
    start, stop = int(0.15 * rate), int(0.3 * rate)
    noise = tail_response(many, rate, [1000.0], torch.zeros(1), 0.1, stop, 0.0)[..., start:]
    time = torch.arange(start, stop)[None] / rate
    expected = late_energy(room, torch.zeros(1), time)[0, :, 0].sum(-1) / rate
    level = 10 * torch.log10(noise.square().sum(-1).mean(0) / expected)
    flat = noise.transpose(0, 1).flatten(1)
    share = 10 * torch.log10(flat[1:].square().sum(1) / flat[0].square().sum())
    batch = drawn(64, rate)
    arguments = (rate, 0.5, [500.0, 2000.0])
    pair = Scene(**{**batch.tensors(), "absorption": batch.absorption[..., :2]})
    together = render_rir(pair, *arguments)
    alone = torch.cat([render_rir(pair.select(slice(i, i + 1)), *arguments) for i in (0, 21, 63)])
    return {
        "mixing time, s": round(float(mixing_time_s(room.volume_m3)), 3),
        "energy re the model, largest of the channels": figure(level.abs().max().item(), 0.1, "dB"),
        "correlation of channels, largest": figure((torch.corrcoef(flat) - torch.eye(4)).abs().max().item(), 0.02),
        "dipoles re W less −4.77 dB, largest": figure((share + 4.771).abs().max().item(), 0.3, "dB"),
        "differing samples, alone against in a batch of 64": figure(int((alone != together[[0, 21, 63]]).sum()), 0),
    }


BARS: dict[str, Callable[[int], dict[str, Any]]] = {
    "A1": anechoic,
    "A2": early,
    "A3": direct_window,
    "A4": whole,
    "A5": octaves,
    "A6": wanted_t30,
    "A7": tail,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=24, help="rooms per bar (default: 24)")
    parser.add_argument("--only", nargs="+", choices=list(BARS), default=list(BARS), help="bars to measure (default: all)")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    about = summary()  # now: the checkout may move on while this runs
    found = {name: BARS[name](arguments.rooms) for name in arguments.only}
    print(json.dumps({**about, **found}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
