"""Simulated rooms, exported as somebody's measurements: WAV files with a table, and SOFA files written by sofar."""

import csv
import math
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.acoustics.ambisonics import fuma_from_acn, n3d_from_sn3d
from elsa_lightning.acoustics.measure import OCTAVE_T30, render_measured
from elsa_lightning.acoustics.measured.importing import Target
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.schema import RangeConfig, RoomsConfig

RATE = 16000
ROOMS = RoomsConfig(rir_s=0.9, bands_hz=[250.0, 1000.0, 4000.0], ranges=RangeConfig(floor_area_m2=[13.3, 80.0], t30_s=[0.2, 0.5]))
TARGET = Target(RATE, ROOMS.rir_s, ROOMS.bands_hz)


@dataclass
class Truth:
    """Rooms, their responses (N, 4, R) and the simulator's labels."""

    rir: np.ndarray
    labels: dict

    def column(self, name, row):
        return self.labels[name][row].item()


def truth_of(count, seed=11):
    scene = draw_rooms(count, ROOMS.ranges, ROOMS, seed, "train", RATE)
    rir, labels = render_measured(scene, ROOMS, RATE, octaves=True)
    assert OCTAVE_T30 in labels
    return Truth(rir.numpy(), labels)


def in_layout(rir, layout):
    """(4, T) as a file of that layout has it."""
    foa = torch.from_numpy(rir)
    return {"acn_sn3d": foa, "acn_n3d": n3d_from_sn3d(foa), "fuma": fuma_from_acn(foa)}[layout].numpy()


def write_table(folder, rows):
    with open(folder / "responses.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def row_of(truth, i, **more):
    """A table's row of room i."""
    row = {"file": f"r{i}.wav", "azimuth_deg": math.degrees(truth.column("azimuth", i))}
    row |= {"elevation_deg": math.degrees(truth.column("elevation", i))}
    row |= {name: truth.column(name, i) for name in ("distance_m", "floor_area_m2", "volume_m3")}
    return row | {"room": f"hall {i // 2}"} | more


def export(folder, truth, layout="acn_sn3d", gain=0.02, delay=0, rate=RATE, change=lambda rir: rir, **more):
    """WAV files with a table; `delay` samples of a recording chain before each response."""
    folder.mkdir(exist_ok=True, parents=True)
    for i, rir in enumerate(truth.rir):
        recorded = np.pad(gain * change(in_layout(rir, layout)), ((0, 0), (delay, 0)))
        soundfile.write(folder / f"r{i}.wav", recorded.T, rate, subtype="FLOAT")
    write_table(folder, [row_of(truth, i, **more) for i in range(len(truth.rir))])
    return folder


def write_sofa(path, rir, offset, turn=None, listener=(1.0, 2.0, 1.5), kind="cartesian", convention="SingleRoomSRIR", change=None):
    """A SOFA file of responses (M, R, N) whose sources lie at `offset` (M, 3) m, as the listener sees them, whose axes in the room are the
    columns of `turn` (3, 3)."""
    sofar = pytest.importorskip("sofar")
    turn = np.eye(3) if turn is None else turn
    sofa = sofar.Sofa(convention)
    sofa.Data_IR, sofa.Data_SamplingRate = rir.astype(np.float64), RATE
    sofa.Data_Delay = np.zeros((1, rir.shape[1]))
    sofa.ReceiverPosition = np.zeros((rir.shape[1], 3))
    sofa.ReceiverPosition_Type, sofa.ReceiverPosition_Units = "cartesian", "metre"
    sofa.ReceiverView = np.tile([1.0, 0, 0], (rir.shape[1], 1))
    sofa.ReceiverUp = np.tile([0, 0, 1.0], (rir.shape[1], 1))
    for name in ("ReceiverDescriptions", "EmitterDescriptions"):  # optional texts, which sofar 1.3 cannot write with every netCDF4
        sofa.delete(name)
    values = {
        "ListenerPosition": np.tile(listener, (len(rir), 1)),
        "SourcePosition": np.asarray(listener) + offset @ turn.T,
        "ListenerView": turn[:, 0][None],
        "ListenerUp": turn[:, 2][None],
    }
    for name, points in values.items():
        setattr(sofa, name, spherical(points) if kind == "spherical" else points)
    for name in ("ListenerPosition", "SourcePosition", "ListenerView"):
        setattr(sofa, f"{name}_Type", kind)
        setattr(sofa, f"{name}_Units", "degree, degree, metre" if kind == "spherical" else "metre")
    sofa.RoomVolume, sofa.MeasurementDate = 0, np.zeros(len(rir))
    if change is not None:
        change(sofa)
    sofar.write_sofa(str(path), sofa)
    return path


def spherical(points):
    """Azimuth and elevation in degrees, and distance, of (M, 3) m."""
    x, y, z = points.T
    return np.stack([np.rad2deg(np.arctan2(y, x)), np.rad2deg(np.arctan2(z, np.hypot(x, y))), np.linalg.norm(points, axis=1)], 1)


def offsets(truth):
    """(N, 3) m from the microphone to the source."""
    azimuth, elevation, distance = (truth.labels[name].numpy() for name in ("azimuth", "elevation", "distance_m"))
    flat = distance * np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], 1).astype(np.float64)


def angle_deg(bank, truth, rows=None):
    """(N,) great-circle angle between labels."""

    def vectors(labels):
        azimuth, elevation = labels["azimuth"].double(), labels["elevation"].double()
        return torch.stack([elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()], 1)

    found, true = vectors(bank.labels), vectors(truth.labels)
    true = true if rows is None else true[rows]
    return torch.rad2deg(torch.atan2(torch.linalg.cross(found, true).norm(dim=1), (found * true).sum(1)))
