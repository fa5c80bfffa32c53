import dataclasses

import pytest
import torch

from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.acoustics.measure import LABELS
from elsa_lightning.acoustics.room_source import BankRooms, FreshRooms, PoolRooms, build_room_source
from elsa_lightning.errors import ConfigError

KEYS = torch.tensor([11, 12, 7, 11])


@pytest.mark.parametrize("mode", ["fresh", "pool"])
def test_draws_are_functions_of_the_keys(rooms, mode):
    config = dataclasses.replace(rooms, mode=mode)
    rir, labels = build_room_source(config, 16000).draw(KEYS, step=3)
    assert rir.shape == (4, 4, 6400) and rir.dtype == torch.float32
    assert set(labels) == set(LABELS) and all(v.shape == (4,) for v in labels.values())
    assert torch.equal(rir[0], rir[3])  # the same key
    other = build_room_source(config, 16000)  # another process, another order, a later start
    again, again_labels = other.draw(KEYS[1:3], step=3)
    assert torch.equal(again, rir[1:3])
    assert torch.equal(again_labels["t30_s"], labels["t30_s"][1:3])


def test_fresh_keys_have_different_rooms(rooms):
    _, labels = FreshRooms(rooms, 16000).draw(torch.arange(4))
    assert labels["volume_m3"].unique().numel() == 4


def test_pool_refreshes_its_share_each_step(rooms):
    pool = PoolRooms(dataclasses.replace(rooms, train=10, refresh=0.2), 16000)
    slots = torch.arange(10)
    generations = torch.stack([pool.generation(slots, step) for step in range(11)])
    assert (generations[0] == 0).all()
    assert (generations.diff(dim=0).sum(1) == 2).all()  # 0.2 of 10 slots
    assert (generations[5] == 1).all() and (generations[10] == 2).all()


def test_pool_reuses_what_is_not_stale(rooms, monkeypatch):
    pool = PoolRooms(dataclasses.replace(rooms, refresh=0.0), 16000)
    first, _ = pool.draw(KEYS)
    monkeypatch.setattr(pool, "_refresh", None)  # rendering again would fail
    again, _ = pool.draw(KEYS, step=9)
    assert torch.equal(first, again)


def test_bank_rooms_are_the_banks(rooms):
    bank = build_bank(rooms, 16000, "val")
    rir, labels = build_room_source(rooms, 16000, bank).draw(torch.tensor([2, 0]))
    assert torch.equal(rir, bank.rir(torch.tensor([2, 0])))
    assert torch.equal(labels["azimuth"], bank.labels["azimuth"][[2, 0]])
    assert isinstance(build_room_source(rooms, 16000, bank), BankRooms)
    with pytest.raises(ConfigError, match="16000 Hz"):
        build_room_source(rooms, 48000, bank)


def test_impossible_sources_are_refused(rooms):
    with pytest.raises(ConfigError, match="no bank"):
        build_room_source(rooms, 16000)
    with pytest.raises(ConfigError, match="cannot render during training"):
        build_room_source(dataclasses.replace(rooms, mode="fresh", engine="pyroomacoustics"), 16000)
    with pytest.raises(ConfigError, match="unknown"):
        build_room_source(dataclasses.replace(rooms, mode="pond"), 16000)
