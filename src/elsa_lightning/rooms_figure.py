"""One room of a bank as a figure: floor plan, echogram, decay with its T30, direction of arrival over time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import DIPOLES_XYZ, W, angles_from_direction
from elsa_lightning.acoustics.bands import band_power
from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.bank_check import rooms_of
from elsa_lightning.acoustics.decay import energy_decay_db
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.late_energy import energy_beyond
from elsa_lightning.acoustics.measured.conform import UNKNOWN_DISTANCE_M
from elsa_lightning.acoustics.render import air_of, band_absorption
from elsa_lightning.errors import ConfigError, DataError

ECHOGRAM_S = 0.1
WINDOW_S = 0.002
"""Duration over which the intensity is summed for one direction."""


def draw_room(bank: RoomBank, room: int, path: str | Path) -> Path:
    """Draw a room into a PNG, PDF or SVG file.

    Raises:
        ConfigError: matplotlib is not installed.
        DataError: the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("figures need matplotlib", "pip install 'elsa-lightning[notebooks]'") from None
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    scene = bank.scene.select(slice(room, room + 1))
    rir = bank.rir(torch.tensor([room]))[0]  # (4, R)
    _plan(axes[0, 0], scene)
    distance = scene.distance_m.item()
    distance = distance if math.isfinite(distance) else UNKNOWN_DISTANCE_M
    _echogram(axes[0, 1], rir[W], bank.sample_rate, distance)
    _decay(axes[1, 0], decay_of(bank, room), bank.sample_rate, bank.labels["t30_s"][room].item(), room >= bank.simulated)
    labels = {name: values[room].item() for name, values in bank.labels.items()}
    _directions(axes[1, 1], rir, bank.sample_rate, distance, (labels["azimuth"], labels["elevation"]))
    size = " × ".join(f"{side:.1f}" for side in scene.size[0].tolist()) + " m" if room < bank.simulated else "measured"
    figure.suptitle(f"room {room}: {size}, T30 {labels['t30_s']:.2f} s, C50 {labels['c50_db']:.1f} dB, DRR {labels['drr_db']:.1f} dB")
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as fault:
        raise DataError(f"the figure {path} could not be written ({fault})", "name it ….png in a folder that exists") from fault
    return Path(path)


def _plan(axis: Any, scene: Scene) -> None:
    from matplotlib.patches import Rectangle

    length, width, height = scene.size[0].tolist()
    if not math.isfinite(length):
        axis.text(0.5, 0.5, "the room's plan was not measured", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    axis.add_patch(Rectangle((0, 0), length, width, fill=False, linewidth=2))
    for point, marker, name in ((scene.source[0], "*", "source"), (scene.microphone[0], "o", "microphone")):
        x, y, z = point.tolist()
        axis.plot(x, y, marker, markersize=11, label=f"{name}, {z:.2f} m high")
    x, y, _ = scene.microphone[0].tolist()
    axis.annotate("", (x + 0.15 * length, y), (x, y), arrowprops={"arrowstyle": "->"}, annotation_clip=False)
    axis.set(aspect="equal", xlabel="x, m (the microphone looks along the arrow)", ylabel="y, m", title=f"plan; ceiling at {height:.2f} m")
    axis.margins(0.08)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=2)


def _echogram(axis: Any, w: Tensor, rate: int, distance: float) -> None:
    part = w[: round(ECHOGRAM_S * rate)]
    level = 20 * torch.log10((part.abs() / w.abs().max()).clamp_min(1e-6))
    axis.plot(1000 * torch.arange(len(part)) / rate, level, linewidth=0.6)
    axis.axvline(1000 * distance / SPEED_OF_SOUND, color="tab:red", linewidth=0.8, label="direct sound, by distance")
    axis.set(
        xlabel="time, ms",
        ylabel="|W|, dB re its peak",
        ylim=(-80, 3),
        title="echogram",
    )
    axis.legend(loc="upper right")


def _decay(axis: Any, decay: Tensor, rate: int, t30: float, measured: bool) -> None:
    time = torch.arange(len(decay)) / rate
    axis.plot(time, decay, label="backward integral" + ("" if measured else ", with the energy expected after the end"))
    if math.isfinite(t30):
        axis.plot(fit_times(decay, rate, t30), [-5, -35], "--", label=f"fit of T30 = {t30:.2f} s, from −5 to −35 dB")
    axis.set(xlabel="time, s", ylabel="dB", ylim=(-65, 14), yticks=range(-60, 1, 10), title="energy decay")
    axis.legend(loc="upper right")


def decay_of(bank: RoomBank, room: int) -> Tensor:
    """(R,) dB, the decay that the label's T30 was read from: of the stored W, and the energy expected after its end; of a measured room,
    whose end nobody can expect, of the stored W alone."""
    if room >= bank.simulated:
        return energy_decay_db(bank.rir(torch.tensor([room]))[:, W])[0]
    rooms, rate = rooms_of(bank.source), bank.sample_rate
    scene, bands = band_absorption(bank.scene.select(slice(room, room + 1)), rooms.bands_hz, rate)
    w = bank.rir(torch.tensor([room]))[:, W]
    beyond = energy_beyond(scene, band_power(bands, rate), air_of(bands, rooms.air, scene.size.device), w.shape[-1] / rate)
    return energy_decay_db(w, beyond)[0]


def fit_times(decay: Tensor, rate: int, t30: float) -> tuple[float, float]:
    """When the least-squares line with the slope of `t30` is at −5 and at −35 dB.

    Args:
        decay: (R,) dB.
        rate: Hz.
        t30: s.
    """
    used = ((decay <= -5) & (decay >= -35)).nonzero()[:, 0]
    if not len(used):  # it ends before −5 dB: the line goes through its end
        used = torch.tensor([len(decay) - 1])
    middle_s, middle_db = used.double().mean().item() / rate, decay[used].double().mean().item()
    return tuple(middle_s + (middle_db - level) * t30 / 60 for level in (-5, -35))


def _directions(axis: Any, rir: Tensor, rate: int, distance: float, source: tuple[float, float]) -> None:
    first = max(0, round((distance / SPEED_OF_SOUND - WINDOW_S / 2) * rate))  # the direct sound in the middle of a window
    azimuth, elevation, energy = directions_over_time(rir[:, first:], rate)
    time = 1000 * (first / rate + (torch.arange(len(azimuth)) + 0.5) * WINDOW_S)
    shown = time < 1000 * ECHOGRAM_S
    size = 8 + 60 * (energy / energy.max()).sqrt()[shown]
    for values, truth, name, colour in (
        (azimuth, source[0], "azimuth", "tab:blue"),
        (elevation, source[1], "elevation", "tab:orange"),
    ):
        axis.scatter(time[shown], torch.rad2deg(values[shown]), s=size, color=colour, label=name)
        axis.axhline(math.degrees(truth), color=colour, linewidth=0.8)
    axis.set(
        xlabel="time, ms",
        ylabel="degrees",
        xlim=(0, 1000 * ECHOGRAM_S),
        ylim=(-190, 250),
        yticks=range(-180, 181, 90),
        title=f"direction of the intensity in {1000 * WINDOW_S:g} ms; lines: the source",
    )
    axis.legend(loc="upper right", ncol=2)


def directions_over_time(rir: Tensor, rate: int) -> tuple[Tensor, Tensor, Tensor]:
    """Direction of the active intensity W·[X, Y, Z], summed over windows of `WINDOW_S`.

    Args:
        rir: (4, R).
        rate: Hz.

    Returns:
        azimuth, elevation (windows,) rad, and the windows' energy of W.
    """
    length = round(WINDOW_S * rate)
    whole = rir[:, : rir.shape[1] // length * length].unflatten(1, (-1, length))  # (4, windows, samples)
    intensity = (whole[[W]] * whole[list(DIPOLES_XYZ)]).sum(2).T  # (windows, 3)
    return *angles_from_direction(intensity), whole[W].square().sum(1)
