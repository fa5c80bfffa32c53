import itertools
import math

import pytest
import torch

from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.image_source import early_response, find_images, window_length
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.sampling import draw_rooms


def mirrored_images(size, source, reach, microphone, walls):
    """Slow oracle: reflect the source at walls again and again, collecting distance and gain of each place once."""
    found = {tuple(source): 1.0}
    frontier = dict(found)
    for _ in range(12):
        grown = {}
        for (place, gain), axis in itertools.product(frontier.items(), range(3)):
            for wall in (0, 1):
                moved = list(place)
                moved[axis] = 2 * size[axis] * wall - place[axis]
                key = tuple(round(v, 6) for v in moved)
                if math.dist(key, microphone) <= reach and key not in found:
                    grown[key] = gain * math.sqrt(1 - walls[2 * axis + wall])
        found |= grown
        frontier = grown
    return sorted((math.dist(place, microphone), gain) for place, gain in found.items())


def test_every_image_within_reach_with_its_gain(one_room):
    walls = [0.1, 0.5, 0.2, 0.4, 0.3, 0.6]
    one_room.absorption = torch.tensor(walls)[None, :, None]
    images = find_images(one_room, torch.tensor([9.0], dtype=torch.float64), torch.zeros(1))
    slow = mirrored_images(one_room.size[0].tolist(), [3.1, 2.9, 1.8], 9.0, [1.7, 1.6, 1.3], walls)
    reached = (images.gain[:, 0] * images.distance).tolist()  # without 1/r
    fast = sorted((round(d, 3), round(g, 4)) for d, g in zip(images.distance.tolist(), reached, strict=True))
    assert fast == sorted((round(d, 3), round(g, 4)) for d, g in slow)


def test_direct_sound_is_delayed_by_distance_and_falls_as_one_over_r(one_room):
    one_room.absorption = torch.ones(1, 6, 1)  # no reflections
    one_room.size = torch.tensor([[9.0, 8.0, 5.0]])
    peaks = []
    for samples in (30, 60, 120):  # whole samples, so that the peak is on the grid
        one_room.source = one_room.microphone + torch.tensor([[samples * SPEED_OF_SOUND / 16000, 0.0, 0.0]])
        rir = render_rir(one_room, 16000, 0.1, [1000.0], air=False, high_pass_hz=0.0, late=False)[0]
        assert rir[0].argmax().item() == samples
        peaks.append(rir[0].max().item() * one_room.distance_m.item())
        assert torch.allclose(rir[3], rir[0], atol=1e-5)  # from the front: X = W, the others silent
        assert rir[1:3].abs().max() < 1e-5
    assert peaks == pytest.approx([0.95] * 3, rel=1e-3)  # 1/r, times the mean of the taper at the Nyquist frequency


def test_many_bands_with_equal_walls_are_one_band(one_room):
    images = find_images(one_room, torch.tensor([30.0], dtype=torch.float64), torch.zeros(1))
    single = early_response(images, 1, 16000, [1000.0], 4096, 0.0)
    images.gain = images.gain.expand(-1, 6)
    many = early_response(images, 1, 16000, [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0], 4096, 0.0)
    assert (many - single).norm() / single.norm() < 2e-4


def test_small_rooms_do_not_need_a_large_lattice(one_room):
    reach = torch.tensor([40.0], dtype=torch.float64)
    images = find_images(one_room, reach, torch.zeros(1))
    expected = 4 / 3 * math.pi * 40.0**3 / 60.0
    assert len(images.distance) == pytest.approx(expected, rel=0.02)


def test_window_depends_on_the_room_alone():
    durations = torch.tensor([0.12, 0.16, 0.9])
    together = window_length(durations, 16000)
    assert together.tolist() == [int(window_length(durations[i : i + 1], 16000)) for i in range(3)]
    assert (together >= (durations + 0.1) * 16000).all()


@pytest.mark.parametrize("bands", [1, 3])
def test_a_rooms_images_are_the_same_alone_and_in_a_batch(rooms, bands):
    """Powers by pow() rounded by where in memory they lay: one room of these thirteen had other bits alone."""
    scene = draw_rooms(13, rooms.ranges, rooms, 11, "train", 16000)
    scene = Scene(**{**scene.tensors(), "absorption": scene.absorption[..., :bands]})
    reach, air = 30.0 + torch.arange(13, dtype=torch.float64), torch.zeros(bands)
    together = find_images(scene, reach, air)
    for i in range(13):
        alone, here = find_images(scene.select(slice(i, i + 1)), reach[i : i + 1], air), together.room == i
        for name in ("distance", "direction", "gain"):
            assert torch.equal(getattr(alone, name), getattr(together, name)[here])
