"""The rooms of an export: a stored bank, rooms drawn by key, or a bank simulated again from what it was built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank, engine_of
from elsa_lightning.acoustics.bank_check import rooms_of
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.room_source import BankRooms, FreshRooms, RoomSource
from elsa_lightning.acoustics.sampling import draw_keyed, split_rooms
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import Experiment


@dataclass(frozen=True)
class Rooms:
    """Where one split's rooms come from.

    Attributes:
        source: gives responses and labels.
        elevation, distance, azimuth: `(N,)` rad, m and rad, of a bank's rooms; None where rooms are drawn by key.
        scene: room → its scene (one).
        bank_hash: of the bank's content; empty where there is no bank.
    """

    source: RoomSource
    elevation: np.ndarray | None
    distance: np.ndarray | None
    azimuth: np.ndarray | None
    scene: Callable[[int], Scene]
    bank_hash: str


def stored_rooms(bank: RoomBank, content_hash: str) -> Rooms:
    """The rooms of a bank in memory."""
    labels = (bank.labels[name].cpu().numpy() for name in ("elevation", "distance_m", "azimuth"))
    return Rooms(BankRooms(bank), *labels, lambda room: bank.scene.select(slice(room, room + 1)), content_hash)


def fresh_rooms(cfg: Experiment) -> Rooms:
    """Training rooms of mode `fresh`: each follows from its key."""
    rooms, rate = cfg.rooms, cfg.audio.sample_rate

    def scene(key: int) -> Scene:
        return draw_keyed([("fresh", rooms.seed, key)], rooms.ranges, rooms, rate)

    return Rooms(FreshRooms(rooms, rate), None, None, None, scene, "")


def simulated_rooms(source: dict[str, Any], sample_rate: int, content_hash: str) -> Rooms:
    """The rooms of a bank that is not at hand: simulated again when they are drawn, and rounded as the bank rounds them.

    Args:
        source: of the bank's manifest.
        sample_rate: Hz.
        content_hash: that the bank had.

    Raises:
        DataError: the source does not say how the bank was built.
    """
    rooms, split = rooms_of(source), source["split"]
    scenes = split_rooms(rooms, split, range(getattr(rooms, split)), sample_rate)

    class Again:
        """Simulates what is drawn."""

        def draw(self, keys: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
            """See `RoomSource.draw`."""
            scene = scenes.select(keys)
            response, labels = engine_of(rooms)(scene, rooms, sample_rate, octaves=True)
            bank = RoomBank.of(scene, response, labels, sample_rate, source)
            rows = torch.arange(len(keys))
            return bank.rir(rows), bank.label(rows)

    labels = (scenes.labels()[name].numpy() for name in ("elevation", "distance_m", "azimuth"))
    return Rooms(Again(), *labels, lambda room: scenes.select(slice(room, room + 1)), content_hash)


def refuse_pool(cfg: Experiment) -> None:
    """Refuse training rooms that have no identity of their own.

    Raises:
        ConfigError: `rooms.mode` is `pool`.
    """
    if cfg.rooms.mode == "pool":
        raise ConfigError(
            "rooms.mode is pool: which room a clip is heard in then depends on the training step, so there is nothing fixed to export",
            "export with --set rooms.mode=bank (or fresh)",
        )


def keyed(cfg: Experiment, split: str) -> bool:
    """Whether a split's rooms are drawn by key instead of from a bank."""
    return split == "train" and cfg.rooms.mode != "bank"
