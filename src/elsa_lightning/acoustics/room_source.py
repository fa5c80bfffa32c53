"""Where training gets its rooms: one interface for the modes `bank`, `pool` and `fresh`.

A draw is a function of the keys (and, for the pool, of the step) alone, so that workers, ranks and resumes cannot change it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.measure import render_measured
from elsa_lightning.acoustics.sampling import draw_keyed
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import MeasuredRoomsConfig, RoomsConfig
from elsa_lightning.seeding import seed_of


class RoomSource(Protocol):
    """Responses and labels for keys."""

    def draw(self, keys: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        """Rooms of a batch.

        Args:
            keys: (B,) int64; indices of rooms in mode `bank`, any numbers otherwise.
            step: optimiser step; only the pool's content depends on it.

        Returns:
            rir (B, 4, R) float32 and labels (B,) float32 each, on the source's device.
        """


class BankRooms:
    """Rooms of a bank, by index.

    Args:
        bank: on any device; moved to `device`.
        device: where the responses are wanted.
    """

    def __init__(self, bank: RoomBank, device: torch.device | str = "cpu") -> None:
        self.bank = bank.to(device)

    def draw(self, keys: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        """See `RoomSource.draw`."""
        index = keys.to(self.bank.samples.device)
        return self.bank.rir(index), self.bank.label(index)


class FreshRooms:
    """A new room for each key.

    Args:
        rooms: ranges and rendering.
        sample_rate: Hz.
        device: where to render.
    """

    def __init__(self, rooms: RoomsConfig, sample_rate: int, device: torch.device | str = "cpu") -> None:
        self.rooms, self.sample_rate, self.device = rooms, sample_rate, device

    def draw(self, keys: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        """See `RoomSource.draw`."""
        names = [("fresh", self.rooms.seed, key) for key in keys.tolist()]
        scene = draw_keyed(names, self.rooms.ranges, self.rooms, self.sample_rate).to(self.device)
        return render_measured(scene, self.rooms, self.sample_rate)


class PoolRooms:
    """A ring of `rooms.train` slots, of which the share `rooms.refresh` gets new rooms at each step.

    A slot's room follows from the slot and the step; it is rendered when it is first drawn. So the pool needs no saving, and a resumed
    run sees the rooms that the uninterrupted one saw.

    Args:
        rooms: ranges, rendering, size and refresh.
        sample_rate: Hz.
        device: where to render and keep the rooms.
    """

    def __init__(self, rooms: RoomsConfig, sample_rate: int, device: torch.device | str = "cpu") -> None:
        self.rooms, self.slots, self.device = rooms, rooms.train, device
        self._fresh = FreshRooms(rooms, sample_rate, device)
        self._generation = torch.full((self.slots,), -1, dtype=torch.int64)
        self._rir = torch.empty(self.slots, 4, round(rooms.rir_s * sample_rate), dtype=torch.float16, device=device)
        self._scale = torch.empty(self.slots, device=device)
        self._labels: dict[str, Tensor] = {}

    def generation(self, slot: Tensor, step: int) -> Tensor:
        """How often each slot (…) has been refreshed before `step`: refreshes go round the ring."""
        done = int(step * self.rooms.refresh * self.slots + 1e-9)  # refreshes so far, of all slots
        return (done + self.slots - 1 - slot) // self.slots

    def draw(self, keys: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        """See `RoomSource.draw`; a key always falls on the same slot."""
        slot = torch.tensor([seed_of("slot", key) % self.slots for key in keys.tolist()])
        wanted = self.generation(slot, step)
        stale = slot[self._generation[slot] != wanted].unique()
        if len(stale):
            self._refresh(stale, self.generation(stale, step))
        at = slot.to(self.device)
        rir = self._rir[at].float() * self._scale[at, None, None]
        return rir, {name: values[at] for name, values in self._labels.items()}

    def _refresh(self, slot: Tensor, generation: Tensor) -> None:
        key = [seed_of("pool", s, g) for s, g in zip(slot.tolist(), generation.tolist(), strict=True)]
        rir, labels = self._fresh.draw(torch.tensor(key, dtype=torch.int64))
        at = slot.to(self.device)
        scale = rir.abs().amax(dim=(1, 2)).clamp_min(1e-12)
        self._rir[at], self._scale[at] = (rir / scale[:, None, None]).half(), scale
        for name, values in labels.items():
            self._labels.setdefault(name, torch.empty(self.slots, device=self.device))[at] = values
        self._generation[slot] = generation


class PartlyMeasured:
    """Rooms of another source, for a share of the keys measured ones instead. Which, and which of them, is a function of the key alone.

    Args:
        simulated: draws the other rooms.
        bank: its measured rows are drawn, equally often.
        share: of keys.
        device: where the responses are wanted.

    Raises:
        ConfigError: the bank has no measured room.
    """

    def __init__(self, simulated: RoomSource, bank: RoomBank, share: float, device: torch.device | str = "cpu") -> None:
        if bank.simulated == len(bank):
            raise ConfigError(
                "rooms.measured.share is above 0, but the training bank has no measured room", "simulate it again (stage rooms)"
            )
        self.simulated, self.share = simulated, share
        self.measured = BankRooms(bank.measured_rooms(), device)

    def rows(self, keys: Tensor) -> Tensor:
        """(B,) int64: number of the measured response for keys of measured rooms, −1 for the others."""
        count, limit = len(self.measured.bank), self.share * 2**63
        row = [seed_of("measured row", key) % count if seed_of("measured room", key) < limit else -1 for key in keys.tolist()]
        return torch.tensor(row, dtype=torch.int64)

    def draw(self, keys: Tensor, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        """See `RoomSource.draw`."""
        row = self.rows(keys)
        measured = row >= 0
        if not measured.any():
            return self.simulated.draw(keys, step)
        rir, labels = self.measured.draw(row[measured], step)
        if measured.all():
            return rir, labels
        order = torch.cat([measured.nonzero()[:, 0], (~measured).nonzero()[:, 0]]).argsort().to(rir.device)
        other, other_labels = self.simulated.draw(keys[~measured.to(keys.device)], step)
        return torch.cat([rir, other])[order], {name: torch.cat([values, other_labels[name]])[order] for name, values in labels.items()}


def build_room_source(rooms: RoomsConfig, sample_rate: int, bank: RoomBank | None = None, device: torch.device | str = "cpu") -> RoomSource:
    """The room source of `rooms.mode`; in modes pool and fresh the bank's measured rooms are mixed in (`rooms.measured.share`).

    Raises:
        ConfigError: mode `bank` without a bank, a bank of another sample rate, or a mode that the engine cannot serve.
    """
    if rooms.mode == "bank":
        if bank is None:
            raise ConfigError("rooms.mode is bank, but there is no bank", "build one first, or set rooms.mode to pool or fresh")
        if bank.sample_rate != sample_rate:
            raise ConfigError(
                f"the bank was built at {bank.sample_rate} Hz, audio.sample_rate is {sample_rate}", "build a bank for this rate"
            )
        return BankRooms(bank, device)
    if rooms.measured.share > 0:
        if bank is None:
            raise ConfigError("rooms.measured.share is above 0, but there is no bank", "simulate it first (stage rooms)")
        source = build_room_source(replace(rooms, measured=MeasuredRoomsConfig()), sample_rate, None, device)
        return PartlyMeasured(source, bank, rooms.measured.share, device)
    if rooms.engine != "shoebox":
        raise ConfigError(f"rooms.engine {rooms.engine} cannot render during training (mode {rooms.mode})", "use it to build a bank")
    if rooms.mode == "pool":
        return PoolRooms(rooms, sample_rate, device)
    if rooms.mode == "fresh":
        return FreshRooms(rooms, sample_rate, device)
    raise ConfigError(f"rooms.mode {rooms.mode!r} is unknown", "choose bank, pool or fresh")
