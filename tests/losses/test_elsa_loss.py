import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.errors import ConfigError
from elsa_lightning.losses import (
    ElsaLoss,
    Partners,
    Places,
    TargetScale,
    area_loss,
    clip_loss,
    direction_loss,
    distance_loss,
    sigmoid_loss,
)
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


def test_each_term_counts_the_examples_whose_own_target_is_known(outputs, targets):
    """Against loops over the examples, with labels missing one by one; what is unknown gets no gradient."""
    targets.direction[0, 1] = targets.spatial["distance_m"][1] = targets.spatial["floor_area_m2"][3] = math.nan
    targets.spatial["floor_area_m2"][0] = math.nan
    errors = {"direction": [], "distance": [], "area": []}
    for i in (0, 1, 3):
        distance, area = targets.spatial["distance_m"][i].item(), targets.spatial["floor_area_m2"][i].item()
        if not math.isnan(distance):
            errors["distance"].append((outputs["distance"][i].item() - (distance - 2.0) / 1.0) ** 2)
        if not math.isnan(area):
            errors["area"].append((outputs["area"][i].item() - (math.log(area) - 4.0) / 0.7) ** 2)
        if not targets.direction[i].isnan().any():
            errors["direction"].append(
                1 - sum(a * b for a, b in zip(*(x[i].tolist() for x in (outputs["direction"], targets.direction)), strict=True))
            )
    assert {name: len(values) for name, values in errors.items()} == {"direction": 2, "distance": 2, "area": 1}
    total, terms = ElsaLoss(config(), SCALES)(outputs, targets)
    for name, values in errors.items():
        assert terms[name].item() == pytest.approx(sum(values) / len(values), rel=1e-5), name
    total.backward()
    unknown = {"direction": [0, 2, 4], "distance": [1, 2, 4], "area": [0, 2, 3, 4]}
    for name, rows in unknown.items():
        gradient = outputs[name].grad.reshape(5, -1).abs().sum(1)
        assert (gradient == 0).nonzero().flatten().tolist() == rows and gradient.isfinite().all()


def test_a_batch_without_any_known_target_is_a_connected_zero(outputs, targets):
    targets.direction[:], targets.spatial = math.nan, {name: torch.full((5,), math.nan) for name in targets.spatial}
    total, terms = ElsaLoss(config(clip=0.0), SCALES)(outputs, targets)
    assert all(value == 0 for value in terms.values())
    total.backward()
    assert all((outputs[name].grad == 0).all() for name in ("direction", "distance", "area"))


def test_the_sigmoid_form_takes_the_place_of_the_other(outputs, targets):
    outputs["logit_bias"] = torch.tensor(-3.0, requires_grad=True)
    cfg = config(direction=0, distance=0, area=0)
    cfg.clip.form = "sigmoid"
    total, terms = ElsaLoss(cfg, SCALES)(outputs, targets)
    wanted = sigmoid_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], outputs["logit_bias"])
    assert terms.keys() == {"clip"} and total == wanted
    total.backward()
    assert outputs["logit_bias"].grad != 0


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_terms_of_the_spaces_beside_the_joint_one(outputs, targets, form):
    """Each of its own embeddings and temperature, with what is true there."""
    draw = torch.Generator().manual_seed(5)
    for space, scale in (("what", 9.0), ("where", 5.0)):
        outputs |= {f"{space}_{side}": normalize(torch.randn(5, 4, generator=draw), dim=1).requires_grad_() for side in ("audio", "text")}
        outputs |= {f"{space}_logit_scale": torch.tensor(scale), f"{space}_logit_bias": torch.tensor(-scale)}
    outputs["logit_bias"] = torch.tensor(-3.0)
    cfg = config(direction=0, distance=0, area=0)
    cfg.clip.form, cfg.what, cfg.where = form, LossTermConfig(0.5), LossTermConfig(2.0)
    words = torch.tensor([[0], [1], [0], [-1], [2]])
    beside = {"what": Partners(torch.arange(5) % 3, torch.arange(5), torch.ones(5, dtype=torch.bool)), "where": Places(words, words)}
    total, terms = ElsaLoss(cfg, SCALES)(outputs, targets, None, beside)
    wanted = {}
    for name, prefix in (("clip", ""), ("what", "what_"), ("where", "where_")):
        given = [outputs[prefix + part] for part in ("audio", "text", "logit_scale")]
        if form == "sigmoid":
            wanted[name] = sigmoid_loss(*given, outputs[prefix + "logit_bias"], partners=beside.get(name))
        else:
            wanted[name] = clip_loss(*given, partners=beside.get(name))
    torch.testing.assert_close(terms, {name: value.detach() for name, value in wanted.items()})
    torch.testing.assert_close(total, wanted["clip"] + 0.5 * wanted["what"] + 2 * wanted["where"])
    total.backward()
    assert outputs["what_text"].grad.any() and not outputs["where_text"].grad[3].any()


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
