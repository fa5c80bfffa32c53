"""What must hold in every room, however odd: Hypothesis draws sizes, places and walls; places on axes, at one height, near walls."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.measure import measure
from elsa_lightning.acoustics.render import render_rir

RATE, LENGTH_S = 8000, 0.25

sides = st.tuples(st.floats(1.2, 20), st.floats(1.2, 20), st.floats(1.8, 8))
shares = st.one_of(st.floats(0.002, 0.998), st.sampled_from([0.5, 0.25, 0.002, 0.998]))
places = st.tuples(shares, shares, shares)
walls = st.tuples(*[st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1.0]))] * 6)
odd = st.sampled_from(["anywhere", "same height", "on the x axis", "on the y axis", "above"])


@st.composite
def scenes(draw):
    """One room; source and microphone at least 20 cm apart."""
    size = torch.tensor(draw(sides))
    microphone, source = (size * torch.tensor(draw(places)) for _ in range(2))
    shared = {"anywhere": [], "same height": [2], "on the x axis": [1, 2], "on the y axis": [0, 2], "above": [0, 1]}[draw(odd)]
    source[shared] = microphone[shared]
    if (source - microphone).norm() < 0.2:
        free = next(axis for axis in range(3) if axis not in shared)
        source[free] = torch.where(microphone[free] > size[free] / 2, microphone[free] - 0.3, microphone[free] + 0.3)
    absorption, diffuseness = torch.tensor(draw(walls)), draw(st.floats(0, 1))
    seed = torch.tensor([draw(st.integers(0, 2**62))])
    return Scene(size[None], source[None], microphone[None], absorption[None, :, None], torch.tensor([diffuseness]), seed)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(scenes())
def test_every_response_is_finite_causal_and_loudest_where_it_must_be(scene):
    rir = render_rir(scene, RATE, LENGTH_S, [1000.0], air=True, high_pass_hz=0.0)[0]
    assert rir.isfinite().all()
    arrival = scene.distance_m.item() / SPEED_OF_SOUND * RATE
    before = rir[:, : max(0, math.floor(arrival) - 32)]
    assert before.square().sum() <= 1e-4 * rir.square().sum()  # a taper over a tenth of the band rings for some twenty samples
    if arrival + 4 < rir.shape[1]:
        at = rir[0, max(0, math.floor(arrival) - 2) : math.ceil(arrival) + 3].abs().max()
        assert at > 0.4 / scene.distance_m.item()  # the direct sound, between samples at worst


@settings(max_examples=15, deadline=None, derandomize=True)
@given(scenes())
def test_labels_are_numbers_or_say_that_there_is_none(scene):
    labels = measure(scene, render_rir(scene, RATE, LENGTH_S, [1000.0]), RATE)
    for name, value in labels.items():
        assert value.isfinite().all() or (name == "t30_s" and value.isnan().all()), name


@settings(max_examples=15, deadline=None, derandomize=True)
@given(scenes(), st.sampled_from([0, 1, 2]))
def test_a_mirrored_room_gives_mirrored_images(scene, axis):
    """The whole scene reflected at a plane: W stays, the dipole across it changes sign. (Images alone: the tail is noise.)"""
    flipped = Scene(**{name: value.clone() for name, value in scene.tensors().items()})
    for point in (flipped.source, flipped.microphone):
        point[:, axis] = scene.size[:, axis] - point[:, axis]
    flipped.absorption[:, [2 * axis, 2 * axis + 1]] = scene.absorption[:, [2 * axis + 1, 2 * axis]]
    one, other = (render_rir(s, RATE, 0.1, [1000.0], late=False)[0] for s in (scene, flipped))
    signs = torch.ones(4, 1)
    signs[{0: 3, 1: 1, 2: 2}[axis]] = -1
    assert (one * signs - other).norm() <= 2e-3 * one.norm()
