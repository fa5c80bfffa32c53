import dataclasses

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.sampling import WALL_MARGIN_M, draw_rooms, split_rooms
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import RangeConfig, RoomsConfig


@pytest.fixture(scope="module")
def paper_rooms():
    rooms = RoomsConfig()
    return draw_rooms(240, rooms.ranges, rooms, seed=0, split="train", sample_rate=16000)


def test_rooms_keep_to_the_papers_ranges(paper_rooms):
    scene, ranges = paper_rooms.check(), RangeConfig()
    sides = scene.size[:, :2].sort(dim=1).values
    for values, (low, high) in [
        (scene.floor_area_m2, ranges.floor_area_m2),
        (scene.size[:, 2], ranges.height_m),
        (sides[:, 1] / sides[:, 0], ranges.aspect),
        (scene.elevation.rad2deg(), ranges.elevation_deg),
        (scene.distance_m, ranges.distance_m),
    ]:
        assert values.min() >= low - 1e-3 and values.max() <= high + 1e-2
    for place in (scene.source, scene.microphone):
        assert (place >= WALL_MARGIN_M - 1e-4).all() and (place <= scene.size - WALL_MARGIN_M + 1e-4).all()


def test_distance_and_direction_are_uniform(paper_rooms):
    def furthest(values, low, high):  # Kolmogorov-Smirnov distance from the uniform law
        ordered = np.sort((values.numpy() - low) / (high - low))
        return np.abs(ordered - (np.arange(len(ordered)) + 0.5) / len(ordered)).max()

    limit = 1.63 / np.sqrt(240)  # 1 % level
    assert furthest(paper_rooms.distance_m, 0.5, 4.0) < limit
    assert furthest(paper_rooms.elevation.rad2deg(), -47.5, 48.7) < limit
    assert furthest(paper_rooms.azimuth, -np.pi, np.pi) < limit


def test_a_room_depends_on_its_own_index_only(rooms):
    few, more = (draw_rooms(n, rooms.ranges, rooms, 0, "val", 16000) for n in (2, 5))
    for name, value in few.tensors().items():
        assert torch.equal(value, more.tensors()[name][:2])


def test_splits_and_seeds_share_no_room(rooms):
    sizes = [
        tuple(row)
        for split, seed in (("train", 0), ("val", 0), ("test", 0), ("train", 1))
        for row in draw_rooms(12, rooms.ranges, rooms, seed, split, 16000).size.tolist()
    ]
    assert len(set(sizes)) == len(sizes)


def test_bands_follow_the_sample_rate(rooms):
    assert draw_rooms(1, rooms.ranges, rooms, 0, "train", 16000).absorption.shape == (1, 6, 6)
    assert draw_rooms(1, rooms.ranges, rooms, 0, "train", 48000).absorption.shape == (1, 6, 8)


def test_contradicting_ranges_are_refused(rooms):
    closet = dataclasses.replace(rooms.ranges, floor_area_m2=[2.0, 3.0], distance_m=[3.5, 4.0])
    with pytest.raises(ConfigError, match="no room"):
        draw_rooms(1, closet, rooms, 0, "train", 16000)


def test_walls_absorb_like_real_ones_so_that_large_rooms_ring_longer(paper_rooms):
    rooms = RoomsConfig()
    size = paper_rooms.size.double()
    surface = 2 * (size[:, 0] * size[:, 1] + size[:, 1] * size[:, 2] + size[:, 0] * size[:, 2])
    area_of_walls = torch.stack([size[:, 1] * size[:, 2], size[:, 0] * size[:, 2], size[:, 0] * size[:, 1]], 1).repeat_interleave(2, 1)
    mean = (paper_rooms.absorption.double().mean(2) * area_of_walls).sum(1) / surface  # (N,), over walls and bands
    low, high = rooms.absorption
    assert mean.quantile(0.05) > low / 2 and mean.quantile(0.95) < high * 1.5  # Eyring's formula is only near the model's decay
    assert (size[:, 2] <= torch.maximum(0.8 * size[:, :2].min(1).values, torch.tensor(2.3)) + 1e-6).all()
    free = draw_rooms(120, rooms.ranges, dataclasses.replace(rooms, absorption=[0.0, 1.0]), seed=0, split="train", sample_rate=16000)
    assert (mean > high).float().mean() < 0.2
    spread = free.absorption.double().mean((1, 2))
    assert spread.std() > mean.std()


def test_seen_test_rooms_are_training_rooms_with_new_places(rooms):
    seen = dataclasses.replace(rooms, test_rooms="seen")
    train, test, own = (split_rooms(cfg, split, range(6), 16000) for cfg, split in ((rooms, "train"), (seen, "test"), (rooms, "test")))
    for name in ("size", "absorption", "diffuseness"):
        assert torch.equal(getattr(test, name), getattr(train, name)) and not torch.equal(getattr(own, name), getattr(train, name))
    assert ((test.source - train.source).norm(dim=1) > 0.05).all()
    assert len({*test.noise_seed.tolist(), *train.noise_seed.tolist()}) == 12
    for place in (test.check().source, test.microphone):
        assert (place >= WALL_MARGIN_M - 1e-4).all() and (place <= test.size - WALL_MARGIN_M + 1e-4).all()
    low, high = rooms.test_ranges.distance_m
    assert (test.distance_m > low - 1e-3).all() and (test.distance_m < high + 1e-3).all()
    assert torch.equal(split_rooms(seen, "test", [4], 16000).source[0], test.source[4]), "a room depends on its own number only"
    for split in ("train", "val"):
        assert torch.equal(split_rooms(seen, split, range(3), 16000).source, split_rooms(rooms, split, range(3), 16000).source)


def test_a_room_that_holds_no_place_is_named(rooms):
    far = dataclasses.replace(rooms, test_rooms="seen", test_ranges=dataclasses.replace(rooms.test_ranges, distance_m=[60.0, 61.0]))
    with pytest.raises(ConfigError, match="training room 0 holds no source"):
        split_rooms(far, "test", [0], 16000)
