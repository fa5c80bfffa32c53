"""Chunk by chunk against the same forward passes with all graphs kept: batch norm, dropout, autocast, and what must not move twice."""

import pytest
import torch
from torch import nn

from elsa_lightning.losses import Places, clip_loss
from elsa_lightning.training.grad_cache import backward_all, forward_all, still_statistics

COUNT = 12


class Tower(nn.Module):
    def __init__(self, drop, norm, dtype=torch.float64):
        super().__init__()
        torch.manual_seed(0)
        middle = [nn.BatchNorm1d(10)] if norm else []
        self.audio = nn.Sequential(nn.Linear(8, 10), *middle, nn.GELU(), nn.Dropout(drop), nn.Linear(10, 4))
        self.text = nn.Linear(8, 4)
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.where = nn.ModuleDict({"audio": nn.Linear(10, 3), "text": nn.Linear(8, 3)})
        self.where_scale = nn.Parameter(torch.tensor(1.0))
        self.to(dtype)

    def outputs(self, x, y):
        branch = self.audio[:-1](x)
        values = self.audio[-1](branch), self.text(y), self.where["audio"](branch), self.where["text"](y)
        audio, text, where, place = (nn.functional.normalize(value, dim=1) for value in values)
        beside = {"where_audio": where, "where_text": place, "where_logit_scale": self.where_scale.exp()}
        return {"audio": audio, "text": text, "logit_scale": self.logit_scale.exp(), **beside}


WORDS = torch.tensor([[0], [1], [0], [-1], [2], [1], [0], [2], [-1], [0], [1], [2]])


def loss_of(outputs):
    """In two spaces of different widths, the second's texts shared by clips of all chunks, some with none."""
    joint = clip_loss(outputs["audio"], outputs["text"], outputs["logit_scale"])
    where = (outputs[f"where_{part}"] for part in ("audio", "text", "logit_scale"))
    return joint + 0.5 * clip_loss(*where, partners=Places(WORDS, WORDS))


def forward_of(model, chunks):
    draw = torch.Generator().manual_seed(1)
    dtype = model.logit_scale.dtype
    x, y = (torch.randn(COUNT, 8, generator=draw, dtype=torch.float64).to(dtype).chunk(chunks) for _ in range(2))

    def forward(chunk):
        torch.manual_seed(100 + chunk)
        return model.outputs(x[chunk], y[chunk])

    return forward


def cached(model, chunks):
    forward = forward_of(model, chunks)
    outputs = forward_all(model, forward, chunks)
    total = loss_of(outputs)
    backward_all(total, outputs, forward, chunks, torch.Tensor.backward).backward()
    return total


def with_all_graphs(model, chunks):
    forward = forward_of(model, chunks)
    parts = [forward(chunk) for chunk in range(chunks)]
    total = loss_of({name: torch.cat([p[name] for p in parts]) if v.dim() else v for name, v in parts[0].items()})
    total.backward()
    return total


@pytest.mark.parametrize("chunks", [2, 3, 4])
@pytest.mark.parametrize("drop, norm", [(0.0, False), (0.4, False), (0.0, True), (0.4, True)])
def test_gradient_and_running_statistics_are_those_with_all_graphs(drop, norm, chunks):
    found, wanted = Tower(drop, norm), Tower(drop, norm)
    torch.testing.assert_close(cached(found, chunks), with_all_graphs(wanted, chunks), rtol=1e-12, atol=0)
    for (name, one), other in zip(found.named_parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}")
    for (name, one), other in zip(found.named_buffers(), wanted.buffers(), strict=True):
        assert torch.equal(one, other), name


def test_frozen_batch_norm_gives_the_whole_batchs_gradient():
    found, wanted = Tower(0.0, True), Tower(0.0, True)
    for model in (found, wanted):
        model.audio[1].eval()
    torch.testing.assert_close(cached(found, 4), with_all_graphs(wanted, 1), rtol=1e-12, atol=0)
    for one, other in zip(found.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)


def test_under_autocast_every_weight_gets_its_gradient():
    """Half-precision copies of the weights are cached by autocast: those of the pass without graph must not reach the one with."""
    found, wanted = Tower(0.4, False, torch.float32), Tower(0.4, False, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        cached(found, 3)
        with_all_graphs(wanted, 3)
    for one, other in zip(found.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0.05, atol=0.02 * other.grad.abs().max().item())


def test_statistics_stand_still_only_within_and_also_after_a_fault():
    model = Tower(0.0, True)
    before = model.audio[1].running_mean.clone()
    with pytest.raises(KeyboardInterrupt), still_statistics(model):
        forward_of(model, 1)(0)
        assert torch.equal(model.audio[1].running_mean, before) and model.audio[1].num_batches_tracked == 0
        raise KeyboardInterrupt
    forward_of(model, 1)(0)
    assert not torch.equal(model.audio[1].running_mean, before) and model.audio[1].num_batches_tracked == 1
