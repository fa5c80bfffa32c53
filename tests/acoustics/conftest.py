"""Scenes for the tests of the acoustics."""

import pytest
import torch

from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.schema import RangeConfig, RoomsConfig


@pytest.fixture(scope="session")
def rooms() -> RoomsConfig:
    """A small configuration: 16 kHz, 0.4 s, T30 up to half a second."""
    ranges = RangeConfig(floor_area_m2=[13.3, 80.0], t30_s=[0.2, 0.5])
    return RoomsConfig(train=6, val=3, test=3, rir_s=0.4, ranges=ranges, test_ranges=ranges, refresh=0.5)


@pytest.fixture(scope="session")
def drawn(rooms: RoomsConfig) -> Scene:
    """Eight drawn rooms."""
    return draw_rooms(8, rooms.ranges, rooms, seed=3, split="train", sample_rate=16000)


@pytest.fixture
def one_room() -> Scene:
    """A room of 5 × 4 × 3 m with walls of absorption 0.3 in one band."""
    return Scene(
        size=torch.tensor([[5.0, 4.0, 3.0]]),
        source=torch.tensor([[3.1, 2.9, 1.8]]),
        microphone=torch.tensor([[1.7, 1.6, 1.3]]),
        absorption=torch.full((1, 6, 1), 0.3),
        diffuseness=torch.zeros(1),
        noise_seed=torch.tensor([5]),
    )
