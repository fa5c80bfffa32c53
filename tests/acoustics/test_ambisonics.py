import math

import pytest
import torch

from elsa_lightning.acoustics.ambisonics import (
    W,
    X,
    Y,
    Z,
    acn_from_fuma,
    angles_from_direction,
    direction_from_angles,
    encode,
    fuma_from_acn,
    mirror_left_right,
    n3d_from_sn3d,
    rotate_yaw,
    sn3d_from_n3d,
)
from elsa_lightning.errors import DataError


def intensity_direction(foa: torch.Tensor) -> torch.Tensor:
    """(B, 3) unit direction of the summed active intensity Re conj(W)·[X, Y, Z], here from the STFT."""
    spectrum = torch.stft(foa.flatten(0, 1), 512, 256, window=torch.hann_window(512), return_complex=True)
    spectrum = spectrum.unflatten(0, foa.shape[:2])
    active = (spectrum[:, [W]].conj() * spectrum[:, [X, Y, Z]]).real.sum(dim=(-1, -2))
    return torch.nn.functional.normalize(active, dim=-1)


SIX = {"front": [1, 0, 0], "back": [-1, 0, 0], "left": [0, 1, 0], "right": [0, -1, 0], "up": [0, 0, 1], "down": [0, 0, -1]}


@pytest.mark.parametrize("name", SIX)
def test_intensity_points_to_the_source(name):
    direction = torch.tensor([SIX[name]], dtype=torch.float32)
    mono = torch.randn(1, 8000, generator=torch.Generator().manual_seed(1))
    foa = encode(mono, direction)
    assert (intensity_direction(foa) - direction).norm() < 1e-4
    energy = 0.5 * foa.square().sum()
    flow = (foa[:, [W]] * foa[:, [X, Y, Z]]).sum(-1).norm()
    assert flow / energy == pytest.approx(1.0, abs=1e-5)  # SN3D: a plane wave's normalised intensity is 1


def test_channel_order_and_axes():
    left = encode(torch.ones(1, 1), direction_from_angles(torch.tensor([math.pi / 2]), torch.zeros(1)))[0, :, 0]
    assert torch.allclose(left, torch.tensor([1.0, 1.0, 0.0, 0.0]), atol=1e-6)  # W, Y, Z, X


def test_angles_round_trip_and_poles():
    azimuth = torch.tensor([0.3, -2.9, 3.1, 0.0, 1.0])
    elevation = torch.tensor([0.2, -1.3, 1.5, math.pi / 2, -math.pi / 2])
    back_azimuth, back_elevation = angles_from_direction(4.0 * direction_from_angles(azimuth, elevation))
    assert torch.allclose(back_azimuth[:3], azimuth[:3], atol=1e-5)
    assert torch.allclose(back_elevation, elevation, atol=1e-6)


def test_yaw_turns_the_intensity():
    azimuth, turn = torch.tensor([0.4, -2.0, 3.0]), torch.tensor([0.7, -1.9, 1.2])
    mono = torch.randn(3, 4000, generator=torch.Generator().manual_seed(2))
    foa = encode(mono, direction_from_angles(azimuth, torch.full((3,), 0.3)))
    expected = direction_from_angles(azimuth + turn, torch.full((3,), 0.3))
    turned = rotate_yaw(foa, turn)
    assert torch.allclose(intensity_direction(turned), expected, atol=1e-5)
    assert torch.allclose(rotate_yaw(turned, -turn), foa, atol=1e-5)


def test_mirror_negates_the_azimuth_where_flagged():
    foa = encode(torch.randn(2, 4000), direction_from_angles(torch.tensor([0.5, 0.5]), torch.zeros(2)))
    azimuth, _ = angles_from_direction(intensity_direction(mirror_left_right(foa, torch.tensor([True, False]))))
    assert torch.allclose(azimuth, torch.tensor([-0.5, 0.5]), atol=1e-5)


def test_conversions():
    foa = torch.randn(2, 4, 16)
    assert torch.allclose(acn_from_fuma(fuma_from_acn(foa)), foa, atol=1e-6)
    assert torch.allclose(sn3d_from_n3d(n3d_from_sn3d(foa)), foa, atol=1e-6)
    front_left = encode(torch.ones(1, 1), torch.tensor([[0.6, 0.8, 0.0]]))
    assert torch.allclose(fuma_from_acn(front_left)[0, :, 0], torch.tensor([math.sqrt(0.5), 0.6, 0.8, 0.0]), atol=1e-6)  # W/√2, X, Y, Z
    assert n3d_from_sn3d(front_left)[0, Y, 0] == pytest.approx(0.8 * math.sqrt(3))


def test_fuma_of_other_orders_is_refused():
    for convert in (acn_from_fuma, fuma_from_acn):
        with pytest.raises(DataError, match="16 channels"):
            convert(torch.zeros(1, 16, 8))
