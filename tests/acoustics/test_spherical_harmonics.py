"""Orders 0 to 4 by their laws and against SciPy; yaw, mirrors and rotations against encoding the moved source."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.ambisonics import (
    PLANES,
    encode,
    encode_direction,
    mirror,
    n3d_from_sn3d,
    rotate,
    rotate_yaw,
    sn3d_from_n3d,
)
from elsa_lightning.acoustics.spherical_harmonics import channels_of, degrees_and_indices, order_of, spherical_harmonics
from elsa_lightning.errors import DataError

ORDERS = (0, 1, 2, 3, 4)
AXES = torch.cat([torch.eye(3), -torch.eye(3)]).double()


@pytest.fixture(scope="module")
def directions():
    """(46, 3): forty anywhere, and the six on the axes, poles among them."""
    anywhere = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([torch.nn.functional.normalize(anywhere, dim=1), AXES])


@pytest.mark.parametrize("order", ORDERS)
def test_against_scipy(directions, order):
    """SciPy's complex orthonormal harmonics with the Condon–Shortley phase, made real."""
    from scipy.special import sph_harm_y

    x, y, z = directions.numpy().T
    polar, azimuth = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
    found = spherical_harmonics(directions, order).numpy()
    for channel, (n, m) in enumerate(degrees_and_indices(order)):
        complex_ = sph_harm_y(n, abs(m), polar, azimuth) * (-1) ** m
        real = complex_.real if m == 0 else math.sqrt(2) * (complex_.imag if m < 0 else complex_.real)
        np.testing.assert_allclose(found[:, channel], real * math.sqrt(4 * math.pi / (2 * n + 1)), atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_addition_theorem(directions, order):
    """Within each degree the products sum to Legendre's polynomial of the angle between two directions; 1 for one with itself."""
    values = spherical_harmonics(directions, order)
    cosine = (directions @ directions.T).clamp(-1, 1).numpy()
    for n in range(order + 1):
        part = values[:, n * n : (n + 1) ** 2]
        legendre = np.polynomial.legendre.Legendre.basis(n)(cosine)
        np.testing.assert_allclose((part @ part.T).numpy(), legendre, atol=1e-12)


def test_orthogonality_over_the_sphere():
    nodes, weights = np.polynomial.legendre.leggauss(12)
    azimuth = torch.arange(24, dtype=torch.float64) * 2 * math.pi / 24
    z = torch.from_numpy(nodes)[:, None]
    grid = torch.stack([(1 - z**2).sqrt() * azimuth.cos(), (1 - z**2).sqrt() * azimuth.sin(), z.expand(-1, 24)], -1).flatten(0, 1)
    weight = (torch.from_numpy(weights)[:, None] / 48).expand(-1, 24).flatten()  # sums to 1
    values = spherical_harmonics(grid, 4)
    gram = values.T @ (weight[:, None] * values)
    norms = torch.tensor([1 / (2 * n + 1) for n, _ in degrees_and_indices(4)], dtype=torch.float64)
    torch.testing.assert_close(gram, torch.diag(norms), atol=1e-12, rtol=0)


def test_first_order_is_the_products(directions):
    torch.testing.assert_close(encode_direction(directions), spherical_harmonics(directions, 1))


@pytest.mark.parametrize("order", ORDERS)
def test_yaw_moves_every_source(directions, order):
    angle = torch.linspace(-4, 4, len(directions), dtype=torch.float64)
    cos, sin, none, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    matrix = torch.stack([cos, -sin, none, sin, cos, none, none, none, one], 1).unflatten(1, (3, 3))
    mono = torch.ones(len(directions), 1, dtype=torch.float64)
    moved = (matrix @ directions[..., None])[..., 0]
    torch.testing.assert_close(rotate_yaw(encode(mono, directions, order), angle), encode(mono, moved, order))
    if order == 1:
        torch.testing.assert_close(rotate(encode(mono, directions), matrix), encode(mono, moved))


@pytest.mark.parametrize(("plane", "axis"), [("left_right", 1), ("front_back", 0), ("up_down", 2)])
@pytest.mark.parametrize("order", ORDERS)
def test_mirrors_move_every_flagged_source(directions, order, plane, axis):
    flag = torch.arange(len(directions)) % 2 == 0
    moved = directions.clone()
    moved[flag, axis] *= -1
    mono = torch.ones(len(directions), 1, dtype=torch.float64)
    torch.testing.assert_close(mirror(encode(mono, directions, order), flag, plane), encode(mono, moved, order))


def test_general_rotations_of_the_first_order(directions):
    matrix = torch.linalg.qr(torch.randn(len(directions), 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    mono = torch.ones(len(directions), 2, dtype=torch.float64)
    moved = (matrix @ directions[..., None])[..., 0]
    torch.testing.assert_close(rotate(encode(mono, directions), matrix), encode(mono, moved))
    with pytest.raises(DataError, match="orthogonal"):
        rotate(encode(mono, directions), 2 * matrix)
    with pytest.raises(DataError, match="9 channels"):
        rotate(encode(mono, directions, 2), matrix)


@pytest.mark.parametrize("order", ORDERS)
def test_n3d_has_equal_mean_power_in_all_channels(order):
    g = torch.Generator().manual_seed(2)
    many = torch.nn.functional.normalize(torch.randn(40000, 3, generator=g, dtype=torch.float64), dim=1)
    field = spherical_harmonics(many, order).T  # (channels, directions): a diffuse field's samples
    power = n3d_from_sn3d(field[None]).square().mean(-1)
    assert power.sub(1).abs().max() < 0.03
    torch.testing.assert_close(sn3d_from_n3d(n3d_from_sn3d(field)), field)


def test_what_is_no_order_is_refused():
    assert [channels_of(n) for n in (0, 1, 3)] == [1, 4, 16] and [order_of(c) for c in (1, 4, 16)] == [0, 1, 3]
    for channels in (0, 2, 5, -1):
        with pytest.raises(DataError, match="no full ambisonic order"):
            order_of(channels)
    with pytest.raises(DataError, match="order of -1"):
        channels_of(-1)
    with pytest.raises(DataError, match="left_right"):
        mirror(torch.zeros(1, 4, 2), torch.ones(1, dtype=torch.bool), "diagonal")
    assert set(PLANES) == {"left_right", "front_back", "up_down"}
