"""First-order scenes from known directions, and the direction that their intensity shows."""

from __future__ import annotations

import math

import numpy as np
import soundfile
import torch

from elsa_lightning.acoustics.ambisonics import acn_from_fuma, direction_from_angles, encode, fuma_from_acn, n3d_from_sn3d

SIX = ((0, 0), (90, 0), (180, 0), (-90, 0), (30, 60), (-120, -40))
"""Azimuth and elevation, degrees: front, left, back, right, up and down."""

BAR_DEG = 3.0


def scene(events, duration_s, rate, seed=0):
    """ACN/SN3D float32 (4, T): noise as plane waves, and a diffuse floor 26 dB below.

    Args:
        events: (start_s, end_s, azimuth_deg, elevation_deg); a source that moves is several.
    """
    generator = torch.Generator().manual_seed(seed)
    foa = torch.zeros(4, round(duration_s * rate))
    for start, end, azimuth, elevation in events:
        first, last = round(start * rate), round(end * rate)
        mono = 0.1 * torch.randn(1, last - first, generator=generator)
        angles = torch.deg2rad(torch.tensor([[float(azimuth)], [float(elevation)]]))
        foa[:, first:last] += encode(mono, direction_from_angles(*angles))[0]
    floor = torch.tensor([1.0, 1.0, 1.0, 1.0])[:, None] * torch.tensor([1.0] + [1 / math.sqrt(3)] * 3)[:, None]
    return foa + 0.005 * floor * torch.randn(foa.shape, generator=generator)


def write(path, foa, rate, convert=None, subtype="PCM_16"):
    """A file as the corpus has it; `convert` takes ACN/SN3D to its layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    foa = foa if convert is None else convert(foa)
    soundfile.write(path, foa.T.numpy(), rate, subtype=subtype)


def in_turn(directions, length_s=1.5, pause_s=0.5):
    """One event after the other."""
    step = length_s + pause_s
    return [(i * step, i * step + length_s, *direction) for i, direction in enumerate(directions)]


def intensity_direction(root, segment):
    """(3,) unit vector: the mean of W · (X, Y, Z) over the segment, in the channel order that the segment states."""
    audio, rate = soundfile.read(root / segment.audio, dtype="float64")
    part = torch.from_numpy(audio[round(segment.start_s * rate) : round(segment.end_s * rate)].T.copy())
    part = acn_from_fuma(part) if segment.order == "fuma" else part
    vector = (part[0] * part[[3, 1, 2]]).mean(1).numpy()
    return vector / np.linalg.norm(vector)


def unit(azimuth_deg, elevation_deg):
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])


def apart_deg(a, b):
    """Great-circle angle, degrees."""
    return math.degrees(math.atan2(np.linalg.norm(np.cross(a, b)), np.dot(a, b)))


def assert_agree(root, segments, directions):
    """Each segment's direction is the known one, and what the sound in its time shows."""
    assert len(segments) == len(directions)
    for segment, known in zip(segments, directions, strict=True):
        labelled = unit(math.degrees(segment.azimuth), math.degrees(segment.elevation))
        assert apart_deg(labelled, unit(*known)) < 0.01, (segment, known)
        assert apart_deg(labelled, intensity_direction(root, segment)) < BAR_DEG, (segment, known)


TO_LAYOUT = {"acn sn3d": None, "acn n3d": n3d_from_sn3d, "fuma fuma": fuma_from_acn}
