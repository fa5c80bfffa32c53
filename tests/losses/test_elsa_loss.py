from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.errors import ConfigError
from elsa_lightning.losses import ElsaLoss, TargetScale, area_loss, clip_loss, direction_loss, distance_loss
from elsa_lightning.schema import ClipTermConfig, LossConfig, LossTermConfig, TargetTermConfig

SCALES = {"distance": TargetScale(2.0, 1.0), "area": TargetScale(4.0, 0.7)}
NAMES = ("clip", "direction", "distance", "area")


def config(clip=1.0, direction=1.0, distance=1.0, area=1.0, standardize=True):
    targets = (TargetTermConfig(weight, standardize) for weight in (distance, area))
    return LossConfig(ClipTermConfig(clip), LossTermConfig(direction), *targets)


@pytest.fixture
def outputs():
    torch.manual_seed(0)
    vectors = {name: normalize(torch.randn(5, width), dim=1) for name, width in (("audio", 6), ("text", 6), ("direction", 3))}
    values = {**vectors, "distance": torch.randn(5), "area": torch.randn(5), "logit_scale": torch.tensor(14.0)}
    return {name: value.requires_grad_() for name, value in values.items()}


@pytest.fixture
def targets():
    torch.manual_seed(1)
    spatial = torch.tensor([1, 1, 0, 1, 0], dtype=torch.bool)
    labels = {"distance_m": torch.rand(5) * 4, "floor_area_m2": 50 + torch.rand(5)}
    return SimpleNamespace(direction=normalize(torch.randn(5, 3), dim=1), spatial=labels, is_spatial=spatial)


@pytest.mark.parametrize("standardize", [True, False])
def test_total_is_the_weighted_sum_of_the_terms(outputs, targets, standardize):
    scale = SCALES if standardize else {"distance": None, "area": None}
    total, terms = ElsaLoss(config(0.5, 2.0, 3.0, 0.25, standardize), SCALES)(outputs, targets)
    wanted = {
        "clip": clip_loss(outputs["audio"], outputs["text"], outputs["logit_scale"]),
        "direction": direction_loss(outputs["direction"], targets.direction, targets.is_spatial),
        "distance": distance_loss(outputs["distance"], targets.spatial["distance_m"], targets.is_spatial, scale["distance"]),
        "area": area_loss(outputs["area"], targets.spatial["floor_area_m2"], targets.is_spatial, scale["area"]),
    }
    torch.testing.assert_close(terms, {name: value.detach() for name, value in wanted.items()})
    torch.testing.assert_close(total, 0.5 * wanted["clip"] + 2 * wanted["direction"] + 3 * wanted["distance"] + 0.25 * wanted["area"])
    total.backward()
    assert all(value.grad is not None for value in outputs.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_term_of_weight_zero_is_neither_computed_nor_listed(outputs, targets, name):
    loss = ElsaLoss(config(**{name: 0.0}), {key: value for key, value in SCALES.items() if key != name})
    for key in {"clip": ("audio", "text", "logit_scale")}.get(name, (name,)):
        del outputs[key]  # reading it would fail
    total, terms = loss(outputs, targets)
    assert set(terms) == set(NAMES) - {name} and total.isfinite()


def test_terms_to_log_hold_no_graph(outputs, targets):
    _, terms = ElsaLoss(config(), SCALES)(outputs, targets)
    assert not any(value.requires_grad for value in terms.values())


def test_a_mono_batch_leaves_the_contrastive_loss_and_every_gradient(outputs, targets):
    targets.is_spatial[:] = False
    total, terms = ElsaLoss(config(), SCALES)(outputs, targets)
    total.backward()
    assert total.item() == pytest.approx(terms["clip"].item()) and terms["direction"] == terms["distance"] == terms["area"] == 0
    assert all((outputs[name].grad == 0).all() for name in ("direction", "distance", "area"))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_must_be_finite_and_not_negative(weight):
    with pytest.raises(ConfigError, match=r"loss\.area\.weight"):
        ElsaLoss(config(area=weight), SCALES)


def test_something_must_be_trained():
    with pytest.raises(ConfigError, match="every loss term has weight 0"):
        ElsaLoss(config(0, 0, 0, 0), SCALES)


@pytest.mark.parametrize("name", ["distance", "area"])
def test_a_standardised_target_needs_its_scale(name):
    with pytest.raises(ConfigError, match=f"loss.{name} is standardised"):
        ElsaLoss(config(), {key: value for key, value in SCALES.items() if key != name})
