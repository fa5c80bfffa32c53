import math

import torch

from elsa_lightning.acoustics.absorption import solve_absorption
from elsa_lightning.acoustics.decay import t30_s
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import render_rir

RATE = 16000


def solve(size, wanted, shape, diffuseness, air=0.0):
    distance, bands = torch.full_like(wanted, 1.5), [1000.0]
    return solve_absorption(size, wanted, shape, distance, diffuseness, bands, RATE, torch.tensor([air]))


def test_rendered_rooms_have_the_wanted_t30():
    size = torch.tensor([[5.0, 4.0, 2.8], [8.0, 6.0, 3.2], [6.0, 5.0, 3.0], [11.0, 9.0, 4.0]])
    wanted = torch.tensor([0.3, 0.5, 0.8, 1.0])
    diffuseness = torch.tensor([0.3, 0.5, 0.7, 1.0])
    absorption, feasible = solve(size, wanted, torch.ones(4, 6, 1), diffuseness)
    assert feasible.all()
    source = size * torch.tensor([0.6, 0.55, 0.45])
    microphone = source - torch.tensor([0.9, 1.2, 0.0])
    scene = Scene(size, source, microphone, absorption, diffuseness, torch.arange(4))
    error = t30_s(render_rir(scene, RATE, 1.3, [1000.0], air=False)[:, 0], RATE) / wanted - 1
    assert error.abs().median() < 0.05
    assert error.abs().max() < 0.12


def test_fully_mixing_rooms_are_near_eyrings_formula():
    size = torch.tensor([[7.0, 6.0, 4.0]])
    absorption, _ = solve(size, torch.tensor([1.2]), torch.ones(1, 6, 1), torch.ones(1))
    eyring = 1 - math.exp(-0.161 * 168.0 / (188.0 * 1.2))
    assert abs(absorption[0, 0, 0].item() / eyring - 1) < 0.06


def test_what_no_wall_can_do_is_infeasible():
    size = torch.tensor([[18.0, 15.0, 5.0], [5.0, 4.0, 3.0]])
    dead = torch.tensor([0.05, 0.05])
    assert not solve(size, dead, torch.ones(2, 6, 1), torch.zeros(2))[1].any()
    long = torch.tensor([3.0, 3.0])
    assert not solve(size, long, torch.ones(2, 6, 1), torch.ones(2), air=0.05)[1].any()  # air alone absorbs faster


def test_each_room_is_solved_alone():
    size = torch.tensor([[5.0, 4.0, 2.8], [15.0, 6.0, 3.2]])
    wanted, shape, diffuseness = torch.tensor([0.3, 0.9]), torch.rand(2, 6, 1) + 0.5, torch.tensor([0.3, 0.9])
    together, _ = solve(size, wanted, shape, diffuseness)
    alone, _ = solve(size[1:], wanted[1:], shape[1:], diffuseness[1:])
    assert torch.equal(together[1:], alone)
