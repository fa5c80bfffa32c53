import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from elsa_lightning.errors import DataError
from elsa_lightning.metrics import great_circle_deg, localization_metrics


def direction(azimuth_deg, elevation_deg):
    azimuth, elevation = (torch.deg2rad(torch.as_tensor(x, dtype=torch.float64)) for x in (azimuth_deg, elevation_deg))
    return torch.stack((elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()), dim=-1)


@pytest.mark.parametrize(
    "a, b, angle",
    [((0, 0), (90, 0), 90), ((0, 0), (180, 0), 180), ((170, 0), (-170, 0), 20), ((30, 60), (30, -20), 80), ((0, 90), (123, 90), 0)],
)
def test_hand_worked_angles(a, b, angle):
    assert great_circle_deg(direction(*a), direction(*b)).item() == pytest.approx(angle, abs=1e-6)


def test_azimuth_counts_less_towards_the_poles():
    """Pitfalls C6: 90° of azimuth at 80° elevation are 14° on the sphere."""
    assert great_circle_deg(direction(0, 80), direction(90, 80)).item() == pytest.approx(14.1, abs=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_identical_directions_differ_by_nothing(dtype):
    """Pitfalls A6: the arc cosine of v · v gives 0.04° in float32 and 7° in bfloat16."""
    v = normalize(torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)), dim=1).to(dtype)
    assert great_circle_deg(v, v).max().item() < 1e-6
    if dtype == torch.float32:
        assert torch.rad2deg(torch.acos((v * v).sum(1).clamp(-1, 1))).max().item() > 0.01  # so the test can tell


angles = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


@settings(deadline=None, max_examples=40)
@given(angles, angles, st.floats(-180, 180), st.floats(0.1, 10))
def test_symmetric_and_blind_to_rotation_and_length(a, b, turn, length):
    angle = great_circle_deg(direction(*a), direction(*b)).item()
    turned = great_circle_deg(direction(b[0] + turn, b[1]) * length, direction(a[0] + turn, a[1])).item()
    assert 0 <= angle <= 180 and turned == pytest.approx(angle, abs=1e-5)


def test_random_directions_are_ninety_degrees_off():
    a, b = torch.randn(2, 4000, 3, generator=torch.Generator().manual_seed(0))
    assert localization_metrics(a, b)["doa_mae_deg"] == pytest.approx(90, abs=2)


def test_metrics_of_hand_worked_errors():
    true = direction([0.0, 175.0, 10.0, 0.0], [0.0, 0.0, 50.0, 20.0])
    found = direction([4.0, -175.0, 10.0, 0.0], [0.0, 0.0, 20.0, 20.0])
    metrics = localization_metrics(found, true, torch.tensor([1.0, 2.0, 2.0, 5.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    wanted = {"doa_mae_deg": 11.0, "doa_median_deg": 7.0, "azimuth_mae_deg": 3.5, "elevation_mae_deg": 7.5, "n": 4}
    distances = {"distance_mae_m": 0.5, "distance_constant_mae_m": 1.0, "distance_ratio": 0.5}
    assert metrics == pytest.approx(wanted | distances, abs=1e-9)


def test_the_angle_is_averaged_not_the_chord():
    """Pitfalls A8: a long tail makes the converted mean chord too small."""
    angle = torch.cat((torch.full((90,), 10.0), torch.full((10,), 170.0)))
    mean = localization_metrics(direction(angle, 0.0 * angle), direction(0 * angle, 0 * angle))["doa_mae_deg"]
    chord = 2 * math.degrees(math.asin(float((torch.deg2rad(angle) / 2).sin().mean())))
    assert mean == pytest.approx(26, abs=1e-6) and chord < 24


def test_the_median_target_is_the_best_constant():
    generator = torch.Generator().manual_seed(0)
    true, v = torch.rand(501, generator=generator).exp(), torch.randn(501, 3, generator=generator)
    constant = localization_metrics(v, v, true.median().expand(501), true)
    assert constant["distance_ratio"] == pytest.approx(1)
    assert all(localization_metrics(v, v, (true.median() + d).expand(501), true)["distance_ratio"] > 1 for d in (-0.1, 0.1))


def test_without_distances_there_are_no_distance_metrics_and_without_clips_no_numbers():
    v = torch.randn(3, 3)
    assert not any("distance" in key for key in localization_metrics(v, v))
    nothing = localization_metrics(v[:0], v[:0], v[:0, 0], v[:0, 0])
    assert nothing.pop("n") == 0 and all(math.isnan(value) for value in nothing.values())


@pytest.mark.parametrize("place", range(4))
def test_values_that_are_not_finite_are_an_error(place):
    values = [torch.randn(5, 3), torch.randn(5, 3), torch.rand(5), torch.rand(5)]
    values[place][2] = float("nan")
    with pytest.raises(DataError, match=r"1 of 5 rows are not finite .first: row 2"):
        localization_metrics(*values)


def test_a_direction_of_length_zero_is_an_error():
    with pytest.raises(DataError, match="predicted directions: 1 vectors are zero"):
        localization_metrics(torch.zeros(1, 3), torch.ones(1, 3))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        localization_metrics(torch.ones(4, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"\(4,\)"):
        localization_metrics(torch.ones(4, 3), torch.ones(4, 3), torch.ones(4, 1), torch.ones(4))
