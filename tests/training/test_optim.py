"""Groups of parameters: what decays, what is slower, what is frozen."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import torch

from elsa_lightning.config import load_experiment
from elsa_lightning.losses.spatial import TargetScale
from elsa_lightning.schema import LearningRateScales
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.optim import build_optimizer, decays

ROOT = pathlib.Path(__file__).parents[2]
SCALE = TargetScale(0.0, 1.0)


@pytest.fixture
def module():
    def module(**optim):
        cfg = load_experiment(ROOT / "experiments/elsa.yaml", "smoke").experiment
        cfg = dataclasses.replace(cfg, optim=dataclasses.replace(cfg.optim, weight_decay=0.1, **optim))
        torch.manual_seed(0)
        return ElsaModule(cfg, {"distance": SCALE, "area": SCALE}, 10)

    return module


def rates(module):
    """Name of each trained parameter → (rate, decay)."""
    optimizer = module.configure_optimizers()["optimizer"]
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {names[id(p)]: (group["initial_lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}


def test_every_parameter_is_in_one_group_and_matrices_alone_decay(module):
    one = module()
    found = rates(one)
    assert found.keys() == dict(one.named_parameters()).keys()
    assert {lr for lr, _ in found.values()} == {one.cfg.optim.lr}
    free = {name for name, (_, decay) in found.items() if decay == 0}
    assert {"model.logit_scale", "model.semantic.norms.0.weight", "model.audio_projection.0.bias"} <= free
    assert all(name.endswith(("bias", "logit_scale")) or "norm" in name for name in free)
    assert not decays("layers.0.attention.self.relative_position_bias_table", torch.nn.Parameter(torch.zeros(225, 4)))


def test_without_slower_towers_the_groups_are_those_of_before(module):
    groups = module().configure_optimizers()["optimizer"].param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]


def test_slower_towers_have_their_own_rate_all_along_the_schedule(module):
    one = module(lr_scale=LearningRateScales(semantic=0.1, text=0.5), warmup_steps=2)
    built = build_optimizer(one, one.cfg.optim, 10)
    for name, (lr, _) in rates(one).items():
        factor = 0.1 if name.startswith("model.semantic.") else 0.5 if name.startswith("model.text.") else 1.0
        assert lr == pytest.approx(factor * one.cfg.optim.lr), name
    for _ in range(3):
        built["optimizer"].step()
        built["lr_scheduler"]["scheduler"].step()
    ratios = {round(group["lr"] / built["optimizer"].param_groups[0]["lr"], 6) for group in built["optimizer"].param_groups}
    assert ratios == {1.0, 0.1, 0.5}


def test_a_frozen_tower_stays_as_it_is_and_is_in_its_checkpoint(module):
    one = module(lr_scale=LearningRateScales(semantic=0.0))
    one.train()
    assert not one.model.semantic.training and one.model.spatial.training and not one.model.semantic.norms[0].training
    assert not any(p.requires_grad for p in one.model.semantic.parameters())
    assert not any(name.startswith("model.semantic.") for name in rates(one))
    checkpoint = {"state_dict": dict(one.state_dict())}
    one.on_save_checkpoint(checkpoint)
    assert "model.semantic.out.weight" in checkpoint["state_dict"]  # started at random: nothing else would bring it back


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_fused_update_is_the_same_update(module, name):
    plain, fused = module(name=name), module(name=name, fused=True)
    for one in (plain, fused):
        optimizer = one.configure_optimizers()["optimizer"]
        assert optimizer.defaults["fused"] is (True if one is fused else None)
        generator = torch.Generator().manual_seed(3)
        for _ in range(3):
            for parameter in one.parameters():
                # autograd lays a gradient out as its parameter; the fused kernel relies on it
                parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))
            optimizer.step()
    for first, second in zip(plain.parameters(), fused.parameters(), strict=True):
        torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-5)
