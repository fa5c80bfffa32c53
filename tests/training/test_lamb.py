"""LAMB from the library against its rule written out, and resumed from a checkpoint."""

import copy
import sys

import pytest
import torch
from torch import nn

from elsa_lightning.errors import RunError
from elsa_lightning.schema import OptimConfig
from elsa_lightning.training.optim import build_optimizer

CFG = OptimConfig(name="lamb", lr=0.05, weight_decay=0.1)
STEPS = 6


def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 30)).double()


def gradients(step, of):
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(parameter.shape, generator=generator, dtype=torch.float64) for parameter in of.parameters()]


def advance(of, optimizer, schedule, steps):
    for step in steps:
        for parameter, gradient in zip(of.parameters(), gradients(step, of), strict=True):
            parameter.grad = gradient
        optimizer.step()
        schedule.step()


@pytest.fixture(autouse=True)
def _library():
    pytest.importorskip("pytorch_optimizer", reason="LAMB is an extra: pip install 'elsa-lightning[lamb]'")


def built(of):
    made = build_optimizer(of, CFG, STEPS)
    return made["optimizer"], made["lr_scheduler"]["scheduler"]


def test_lamb_is_the_papers_rule():
    """You et al. (ICLR 2020): r = m / (√v + ε) + λ w, w ← w − η_t |w| / |r| r, norms of weights up to 10; biases and norms do not decay."""
    trained = module()
    optimizer, schedule = built(trained)
    weights = [parameter.detach().clone() for parameter in trained.parameters()]
    first, second = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    for step in range(STEPS):
        rate = schedule.get_last_lr()[0]
        for i, gradient in enumerate(gradients(step, trained)):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            decay = CFG.weight_decay if weights[i].dim() > 1 else 0.0
            update = first[i] / (second[i].sqrt() + 1e-6) + decay * weights[i]
            norm = weights[i].norm().clamp(max=10)
            weights[i] = weights[i] - rate * (norm / update.norm() if norm > 0 else 1.0) * update
        advance(trained, optimizer, schedule, [step])
    for parameter, weight in zip(trained.parameters(), weights, strict=True):
        assert torch.allclose(parameter, weight, rtol=1e-5)


def test_a_resumed_lamb_goes_on_bit_for_bit():
    whole, resumed = module(), module()
    advance(whole, *built(whole), range(STEPS))
    optimizer, schedule = built(resumed)
    advance(resumed, optimizer, schedule, range(3))
    state = copy.deepcopy([resumed.state_dict(), optimizer.state_dict(), schedule.state_dict()])
    other = module()
    optimizer, schedule = built(other)
    for part, saved in zip((other, optimizer, schedule), state, strict=True):
        part.load_state_dict(saved)
    advance(other, optimizer, schedule, range(3, STEPS))
    for one, same in zip(whole.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, same)


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(RunError, match="pytorch-optimizer") as raised:
        build_optimizer(module(), CFG, STEPS)
    assert "elsa-lightning[lamb]" in raised.value.remedy
