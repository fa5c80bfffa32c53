"""SigLIP's loss against its definition, one pair at a time."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.losses import Partners, sigmoid_loss


def unit(count, seed, dtype=torch.float64):
    return normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1).to(dtype)


def slow_loss(audio, text, scale, bias, true):
    total = 0.0
    for i in range(len(audio)):
        for j in range(len(text)):
            logit = scale * sum(float(x) * float(y) for x, y in zip(audio[i], text[j], strict=True)) + bias
            total += math.log1p(math.exp(-logit if true[i][j] else logit))
    return total / len(audio)


MIXED = Partners(
    torch.tensor([1, 2, 1, 3, 4, 5]), torch.tensor([10, 10, 12, 13, 13, 15]), torch.tensor([0, 0, 0, 1, 0, 1], dtype=torch.bool)
)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("scale, bias", [(10.0, -10.0), (3.0, 1.5)])
def test_equals_the_definition_in_loops(count, scale, bias):
    audio, text = unit(count, 0), unit(count, 1)
    wanted = slow_loss(audio, text, scale, bias, torch.eye(count, dtype=torch.bool).tolist())
    assert sigmoid_loss(audio, text, scale, bias).item() == pytest.approx(wanted, abs=1e-12)


def test_every_true_caption_is_a_positive_pair():
    audio, text = unit(6, 0), unit(6, 1)
    wanted = slow_loss(audio, text, 8.0, -3.0, MIXED.true().tolist())
    assert sigmoid_loss(audio, text, 8.0, -3.0, partners=MIXED).item() == pytest.approx(wanted, abs=1e-12)
    assert sigmoid_loss(audio, text, 8.0, -3.0).item() != pytest.approx(wanted, abs=1e-3)


def test_the_starting_bias_makes_the_many_negatives_cheap():
    """At SigLIP's start a batch of random pairs costs about ten, its positives; without the bias, ln 2 for each of 64 captions."""
    audio, text = unit(64, 0), unit(64, 1)
    assert sigmoid_loss(audio, text, 10.0, -10.0) < 16 < 44 < sigmoid_loss(audio, text, 1e-9, 0.0)


def test_gradient_equals_finite_differences():
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (7.0, -4.0))
    audio, text = unit(6, 0).requires_grad_(), unit(6, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda *values: sigmoid_loss(*values, partners=MIXED), (audio, text, scale, bias))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    audio, text = unit(8, 0, dtype), unit(8, 1, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = sigmoid_loss(audio, text, torch.tensor(100.0), torch.tensor(-10.0))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow_loss(audio, text, 100.0, -10.0, torch.eye(8, dtype=torch.bool).tolist()), rel=1e-5)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(3, 5\) and \(2, 5\)"):
        sigmoid_loss(unit(3, 0), unit(2, 0), 1.0, 0.0)
