import math

import pytest
import torch

from elsa_lightning.errors import DataError
from elsa_lightning.losses import TargetScale, area_loss, direction_loss, distance_loss
from elsa_lightning.losses.spatial import angle_loss

FRONT, LEFT, BACK = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]
DIAGONAL = [math.sqrt(0.5), math.sqrt(0.5), 0.0]
NAN = math.nan


def mask(*values):
    return torch.tensor(values, dtype=torch.bool)


@pytest.mark.parametrize("pred, loss", [(FRONT, 0.0), (LEFT, 1.0), (BACK, 2.0), (DIAGONAL, 1 - math.sqrt(0.5))])
def test_direction_loss_is_one_minus_cosine(pred, loss):
    assert direction_loss(torch.tensor([pred]), torch.tensor([FRONT]), mask(True)).item() == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("turns", [-2, 0, 1])
def test_angle_loss_is_one_minus_the_cosine_of_the_difference(turns):
    pred, target = torch.tensor([3.0, 1.0, 9.0]), torch.tensor([-3.0, 1.0, NAN])
    found = angle_loss(pred + 2 * math.pi * turns, target, mask(True, True, False))
    assert found.item() == pytest.approx((1 - math.cos(6)) / 2, abs=1e-5)
    with pytest.raises(ValueError, match="must all be"):
        angle_loss(pred[:2], target, mask(True, True, False))


def test_direction_gradient_is_finite_at_the_optimum():
    pred = torch.tensor([FRONT], requires_grad=True)
    direction_loss(pred, torch.tensor([FRONT]), mask(True)).backward()
    assert pred.grad.isfinite().all()


def test_literal_errors_are_in_metres_and_square_metres():
    assert distance_loss(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0]), mask(True, True)).item() == 2.5
    assert area_loss(torch.tensor([10.0]), torch.tensor([13.0]), mask(True)).item() == 9


def test_standardised_errors_are_in_standard_deviations():
    scale = TargetScale(mean=2.0, std=0.5)
    assert distance_loss(torch.tensor([0.0]), torch.tensor([3.0]), mask(True), scale).item() == 4
    logs = TargetScale(mean=3.0, std=2.0)
    assert area_loss(torch.tensor([1.0]), torch.tensor([math.e**5]), mask(True), logs).item() == pytest.approx(0, abs=1e-10)
    assert area_loss(torch.tensor([0.0]), torch.tensor([math.e**5]), mask(True), logs).item() == pytest.approx(1)


def test_scale_of_values_standardises_them():
    values = torch.tensor([1.0, 2.0, 6.0])
    scale = TargetScale.of(values)
    standard = scale.standardize(values)
    assert (scale.mean, scale.std) == pytest.approx((3.0, math.sqrt(14 / 3)))
    assert standard.mean().item() == pytest.approx(0, abs=1e-6) and standard.square().mean().item() == pytest.approx(1)


@pytest.mark.parametrize("values", [[2.0, 2.0], [1.0, NAN], [1.0, math.inf]])
def test_targets_without_a_spread_cannot_be_standardised(values):
    with pytest.raises(DataError, match="cannot be standardised"):
        TargetScale.of(torch.tensor(values))


LOSSES = {
    "direction": (direction_loss, (), (3,)),
    "distance": (distance_loss, (TargetScale(2, 3),), ()),
    "distance, literal": (distance_loss, (), ()),
    "area": (area_loss, (TargetScale(2, 3),), ()),
    "area, literal": (area_loss, (), ()),
}


@pytest.mark.parametrize("loss, scale, shape", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("rubbish", [NAN, math.inf, 0.0, -1.0])
def test_examples_without_a_place_do_not_count(loss, scale, shape, rubbish):
    torch.manual_seed(0)
    pred, target, keep = torch.randn(6, *shape, requires_grad=True), torch.rand(6, *shape) + 0.1, mask(1, 0, 1, 0, 0, 1)
    alone = loss(pred[keep], target[keep], mask(1, 1, 1), *scale)
    target[~keep] = rubbish
    mixed = loss(pred, target, keep, *scale)
    mixed.backward()
    torch.testing.assert_close(mixed, alone)
    assert pred.grad.isfinite().all() and (pred.grad[~keep] == 0).all() and (pred.grad[keep] != 0).any()


@pytest.mark.parametrize("loss, scale, shape", LOSSES.values(), ids=LOSSES.keys())
def test_a_batch_without_any_place_gives_a_connected_zero(loss, scale, shape):
    pred = torch.randn(4, *shape, requires_grad=True)
    value = loss(pred, torch.full((4, *shape), NAN), mask(0, 0, 0, 0), *scale)
    value.backward()
    assert value.item() == 0 and (pred.grad == 0).all()


@pytest.mark.parametrize("loss, scale, shape", LOSSES.values(), ids=LOSSES.keys())
def test_half_precision_predictions_are_judged_in_float32(loss, scale, shape):
    pred, target = torch.rand(64, *shape).bfloat16(), torch.rand(64, *shape) + 0.1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(pred, target, torch.ones(64, dtype=torch.bool), *scale)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(pred.float(), target, torch.ones(64, dtype=torch.bool), *scale))


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 1\)"):
        distance_loss(torch.zeros(4, 1), torch.zeros(4), torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(B, 3\)"):
        direction_loss(torch.zeros(4, 2), torch.zeros(4, 2), torch.ones(4, dtype=torch.bool))
