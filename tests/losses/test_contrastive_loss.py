import math

import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.losses import clip_loss


def unit(*shape, seed=0, dtype=torch.float64):
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1).to(dtype)


def slow_loss(audio, text, scale):
    """The definition, one number at a time."""
    count, total = len(audio), 0.0
    for left, right in ((audio, text), (text, audio)):
        for i in range(count):
            scores = [scale * sum(float(x) * float(y) for x, y in zip(left[i], right[j], strict=True)) for j in range(count)]
            total += math.log(sum(math.exp(s) for s in scores)) - scores[i]
    return total / (2 * count)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("scale", [1.0, 14.3])
def test_equals_the_definition_in_loops(count, scale):
    audio, text = unit(count, 5), unit(count, 5, seed=1)
    assert clip_loss(audio, text, scale).item() == pytest.approx(slow_loss(audio, text, scale), abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_equal_embeddings_give_log_of_the_batch_size(count):
    same = unit(1, 4).expand(count, 4)
    assert clip_loss(same, same, 20.0).item() == pytest.approx(math.log(count), abs=1e-12)


def test_perfect_pairs_give_almost_nothing_and_swapped_pairs_the_scale():
    eye = torch.eye(2, dtype=torch.float64)
    assert clip_loss(eye, eye, 100.0).item() == pytest.approx(0, abs=1e-12)
    assert clip_loss(eye, eye.flip(0), 100.0).item() == pytest.approx(100)


def test_symmetric_in_the_modalities_and_in_the_order_of_pairs():
    audio, text, order = unit(6, 3), unit(6, 3, seed=1), torch.tensor([3, 1, 5, 0, 2, 4])
    loss = clip_loss(audio, text, 10.0)
    torch.testing.assert_close(clip_loss(text, audio, 10.0), loss)
    torch.testing.assert_close(clip_loss(audio[order], text[order], 10.0), loss)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_at_temperature_one_hundredth_is_computed_in_float32(dtype):
    audio, text = unit(8, 16, dtype=dtype).requires_grad_(), unit(8, 16, seed=1, dtype=dtype)
    scale = torch.tensor(100.0, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = clip_loss(audio, text, scale)
    loss.backward()
    assert loss.dtype == torch.float32
    exact = slow_loss(audio.detach().double(), text.double(), 100.0)
    assert loss.item() == pytest.approx(exact, rel=1e-5)
    assert audio.grad.isfinite().all() and scale.grad.isfinite() and audio.grad.dtype == dtype


def test_float64_stays_float64():
    assert clip_loss(unit(3, 4), unit(3, 4), torch.tensor(10.0)).dtype == torch.float64


def test_gradient_equals_finite_differences():
    audio, text = unit(3, 4).requires_grad_(), unit(3, 4, seed=1).requires_grad_()
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(clip_loss, (audio, text, scale))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(2, 4\)"):
        clip_loss(unit(3, 4), unit(2, 4), 1.0)
