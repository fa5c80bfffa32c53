"""CoordConv against the literal definition: convolve the map with its coordinates concatenated."""

from __future__ import annotations

import torch

from elsa_lightning.models.coord_conv import CoordConv2d


def literal(layer: CoordConv2d, x: torch.Tensor) -> torch.Tensor:
    frames, bands = x.shape[2:]
    frame = torch.linspace(-1, 1, frames)[:, None].expand(frames, bands)
    band = torch.linspace(-1, 1, bands)[None, :].expand(frames, bands)
    coordinates = torch.stack([frame, band]).expand(len(x), 2, frames, bands)
    weight = torch.cat([layer.signal.weight, layer.place.weight], 1)
    return torch.nn.functional.conv2d(torch.cat([x, coordinates], 1), weight, padding=1)


def test_equals_the_convolution_of_the_concatenation_in_value_and_gradient():
    layer = CoordConv2d(3, 5)
    for memory in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(4, 3, 7, 6).to(memory_format=memory).requires_grad_()
        pull = torch.randn(4, 5, 7, 6)
        inputs = [x, layer.signal.weight, layer.place.weight]
        fast, slow = layer(x), literal(layer, x)
        torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)
        gradients = (torch.autograd.grad((value * pull).sum(), inputs) for value in (fast, slow))
        for ours, wanted in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=1e-4)


def test_coordinates_run_from_minus_one_to_one_and_follow_the_size():
    layer = CoordConv2d(1, 1)
    grid = layer.coordinates(torch.zeros(1, 1, 5, 3))
    assert grid[0, 0, :, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert grid[0, 1, 0].tolist() == [-1, 0, 1]
    assert layer.coordinates(torch.zeros(2, 1, 5, 3)) is grid
    assert layer.coordinates(torch.zeros(1, 1, 1, 4)).shape == (1, 2, 1, 4)
    assert "grid" not in "".join(layer.state_dict())


def test_training_works_after_a_validation_in_inference_mode():
    layer = CoordConv2d(1, 1)
    x = torch.randn(1, 1, 4, 4)
    with torch.inference_mode():
        layer(x)
    layer(x).sum().backward()
    assert layer.place.weight.grad is not None
