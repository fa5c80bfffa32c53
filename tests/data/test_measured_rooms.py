"""Measured rooms in training and test: shares, keys, banks, one training step with labels that nobody knows."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.bank import MEASURED, RoomBank
from elsa_lightning.acoustics.measured.importing import scene_of
from elsa_lightning.acoustics.measured.mixing import fitted, joined
from elsa_lightning.acoustics.room_source import FreshRooms, PartlyMeasured, PoolRooms, build_room_source
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.pairing import Pairing
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.evaluators import Embedded
from elsa_lightning.schema import CoordCnnConfig, MeasuredRoomsConfig, RangeConfig, RoomsConfig, SemanticCnnConfig
from elsa_lightning.stages.evaluate import by_rooms
from elsa_lightning.stages.rooms import build_split
from elsa_lightning.stages.train import target_scales
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.spatial_pretraining import SpatialBranchModule

from .conftest import RATE, artificial_bank

RECORDS = [ClipRecord(f"c{i}", "train", "", ("a",)) for i in range(400)]


def measured_bank(n=8, split="train"):
    """A bank as an import makes it: no floor area, no volume, half of the distances and a T30 unknown."""
    bank = artificial_bank(n, 99, split)
    labels = {name: values.clone() for name, values in bank.labels.items()}
    labels["floor_area_m2"][:], labels["volume_m3"][:] = torch.nan, torch.nan
    labels["distance_m"][::2], labels["t30_s"][0] = torch.nan, torch.nan
    facts = {"first": 0, "bands_hz": [1000.0], "rooms": ["a"], "responses": []}
    return dataclasses.replace(bank, scene=scene_of(labels, 1), labels=labels, source={"split": split, MEASURED: facts})


@pytest.fixture
def mixed(banks):
    return {**banks, "train": joined(banks["train"], measured_bank()), "test": joined(banks["test"], measured_bank(split="test"))}


@pytest.fixture
def half(cfg):
    cfg.rooms.measured = MeasuredRoomsConfig("somewhere", 0.5, "both")
    return cfg


def test_a_joined_bank_keeps_both_and_saves(mixed, banks, tmp_path):
    bank = mixed["train"]
    assert len(bank) == 48 and bank.simulated == 40 and len(bank.measured_rooms()) == 8
    row = torch.tensor([3, 41])
    assert torch.equal(bank.rir(row)[0], banks["train"].rir(row[:1])[0]) and torch.equal(
        bank.rir(row)[1], measured_bank().rir(row[1:] - 40)[0]
    )
    bank.save(tmp_path / "b")
    read = RoomBank.load(tmp_path / "b")
    assert read.simulated == 40 and read.content_hash == bank.content_hash
    assert artificial_bank(4, 0, "train").simulated == 4 and measured_bank().simulated == 0


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_training_draws(half, mixed, share):
    half.rooms.measured.share, half.data.versions, half.rooms.elevation_balance = share, 10, 4.0
    bank = mixed["train"]
    elevation = bank.labels["elevation"].numpy()
    pairing = Pairing(half, RECORDS, "train", elevation, bank.simulated)
    rooms = np.array([pairing.item(i).room for i in range(len(pairing))])
    assert (rooms >= 40).mean() == pytest.approx(share, abs=0.025)
    if share:
        counts = np.bincount(rooms[rooms >= 40] - 40, minlength=8)
        assert counts.min() > 0.7 * counts.mean()
    if share < 1:  # the simulated ones keep their own balance
        alone = dataclasses.replace(half, rooms=dataclasses.replace(half.rooms, measured=MeasuredRoomsConfig()))
        own = Pairing(alone, RECORDS, "train", elevation[:40])
        steep = np.abs(np.rad2deg(elevation)) > 40
        without = np.array([own.item(i).room for i in range(len(own))])
        assert steep[rooms[rooms < 40]].mean() == pytest.approx(steep[without].mean(), abs=0.04)


def test_a_draw_is_a_function_of_its_key(half, mixed):
    bank = mixed["train"]
    whole = Pairing(half, RECORDS, "train", bank.labels["elevation"].numpy(), bank.simulated)
    part = Pairing(half, RECORDS[7:], "train", bank.labels["elevation"].numpy(), bank.simulated)
    assert part.item(5, epoch=3).room == whole.item(5 + 7 * whole.versions, epoch=3).room
    half.seed, half.data.workers = 8, 3
    again = Pairing(half, RECORDS, "train", bank.labels["elevation"].numpy(), bank.simulated)
    assert [again.item(i, 1).room for i in range(50)] == [whole.item(i, 1).room for i in range(50)]
    assert [again.item(i, 1).room for i in range(50)] != [whole.item(i, 2).room for i in range(50)]


def test_every_other_version_of_a_test_clip_is_in_a_measured_room(half, mixed):
    half.data.eval_versions = 4
    bank = mixed["test"]
    pairing = Pairing(half, RECORDS, "test", bank.labels["elevation"].numpy(), bank.simulated)
    for i in range(200):
        item = pairing.item(i)
        assert (item.room >= bank.simulated) == (item.version % 2 == 1)
    alone = Pairing(half, RECORDS, "test", measured_bank().labels["elevation"].numpy(), 0)
    assert {alone.item(i).room for i in range(400)} == set(range(8))


def test_nothing_changes_without_measured_rooms(cfg, banks):
    elevation = banks["train"].labels["elevation"].numpy()
    cfg.rooms.elevation_balance = 4.0
    weight = np.where(np.abs(np.rad2deg(elevation)) > 40, 4.0, 1.0).cumsum()
    pairing = Pairing(cfg, RECORDS, "train", elevation, 40)
    for i in range(100):
        _, where = np.random.default_rng(pairing.item(i).render_key).random(2)
        assert pairing.item(i).room == np.searchsorted(weight / weight[-1], where, side="right")


def test_a_share_without_measured_rooms_is_refused(half, banks):
    with pytest.raises(ConfigError, match="no measured room"):
        Pairing(half, RECORDS, "train", banks["train"].labels["elevation"].numpy(), 40)
    with pytest.raises(ConfigError, match="no measured room"):
        PartlyMeasured(FreshRooms(half.rooms, RATE), banks["train"], 0.5)


@pytest.mark.parametrize("mode", ["pool", "fresh"])
def test_pool_and_fresh_rooms_are_mixed_by_key_alone(mode, mixed):
    ranges = RangeConfig(floor_area_m2=[13.3, 60.0], t30_s=[0.2, 0.4])
    rooms = RoomsConfig(mode=mode, train=8, rir_s=0.125, refresh=0.1, bands_hz=[500.0, 2000.0], ranges=ranges)
    rooms.measured = MeasuredRoomsConfig("somewhere", 0.5)
    source = build_room_source(rooms, RATE, mixed["train"])
    assert isinstance(source, PartlyMeasured) and isinstance(source.simulated, PoolRooms if mode == "pool" else FreshRooms)
    keys = torch.arange(1000, 1012)
    rir, labels = source.draw(keys, step=3)
    row = source.rows(keys)
    assert 2 <= (row >= 0).sum() <= 10
    assert torch.equal(rir[row >= 0], measured_bank().rir(row[row >= 0]))
    assert labels["floor_area_m2"].isnan().equal(row >= 0)
    plain = build_room_source(dataclasses.replace(rooms, measured=MeasuredRoomsConfig()), RATE)
    expected, expected_labels = plain.draw(keys[row < 0], step=3)
    assert torch.equal(rir[row < 0], expected) and torch.equal(labels["t30_s"][row < 0], expected_labels["t30_s"])
    order = torch.tensor([5, 0, 11, 3])  # another batch, another order, another process
    other = build_room_source(rooms, RATE, mixed["train"])
    assert torch.equal(other.draw(keys[order], step=3)[0], rir[order])
    many = source.rows(torch.arange(4000))
    assert (many >= 0).float().mean() == pytest.approx(0.5, abs=0.03) and set(many[many >= 0].tolist()) == set(range(8))
    with pytest.raises(ConfigError, match="no bank"):
        build_room_source(rooms, RATE)


def tiny(cfg):
    cfg.model.semantic, cfg.model.spatial = (
        SemanticCnnConfig(channels=[4, 8], width=16),
        CoordCnnConfig(channels=[4, 4], hidden=[8, 8], dropout=0.0),
    )
    cfg.model.embedding = 16
    for term in (cfg.loss.direction, cfg.loss.distance, cfg.loss.area):
        term.weight = 1.0
    return cfg


def batches(data):
    for batch in data.train_dataloader():
        yield data.on_after_batch_transfer(data.on_before_batch_transfer(batch))


@pytest.mark.parametrize("rendering", ["stream", "cached"])
def test_a_training_step_with_labels_that_nobody_knows(half, mixed, corpus, tokenizer, rendering, tmp_path):
    cfg = tiny(half)
    cfg.data.rendering = rendering
    caches = None
    if rendering == "cached":
        caches = {"train": render_cache(cfg, corpus, mixed["train"], "train", tmp_path / "train", workers=0)}
    data = SpatialAudioText(cfg, corpus, mixed, tokenizer, caches)
    scales = target_scales(mixed["train"])
    module = ElsaModule(cfg, scales, 10)
    module.log, module.log_dict = lambda *a, **k: None, lambda *a, **k: None
    seen = 0
    for batch, _ in zip(batches(data), range(4), strict=False):
        unknown = batch.spatial["floor_area_m2"].isnan()
        seen += int(unknown.sum())
        loss, terms = module.loss(module.model(module.features(batch), batch.tokens), batch)
        assert loss.isfinite() and all(value.isfinite() for value in terms.values())
        loss.backward()
        assert all("large" not in c and "small" not in c for c, u in zip(batch.captions, unknown, strict=True) if u)
    assert seen > 3
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)
    known = mixed["train"].labels["distance_m"]
    assert scales["distance"].mean == pytest.approx(known[~known.isnan()].double().mean().item())


def test_pretraining_leaves_out_what_is_unknown(half, mixed, corpus, tokenizer):
    cfg = tiny(half)
    data = SpatialAudioText(cfg, corpus, mixed, tokenizer)
    module = SpatialBranchModule(cfg, torch.zeros(4), torch.ones(4))
    module.log, module.log_dict = lambda *a, **k: None, lambda *a, **k: None
    batch = next(batches(data))
    batch.spatial["volume_m3"][:] = torch.nan
    loss = module.training_step(batch, 0)
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)


def test_test_batches_say_which_rooms_are_measured(half, mixed, corpus, tokenizer, banks):
    data = SpatialAudioText(half, corpus, mixed, tokenizer)
    flags = [data.in_measured_room(batch) for batch in data.test_dataloader()]
    assert torch.cat(flags).tolist() == [i % 2 == 1 for i in range(sum(map(len, flags)))]
    plain = SpatialAudioText(half, corpus, banks, tokenizer)
    assert plain.in_measured_room(next(iter(plain.test_dataloader()))) is None
    flag = torch.tensor([False, True, True])
    tensors = {"test/in_measured_room": flag, "test/audio": torch.arange(3), "probe/audio": torch.arange(5)}
    tensors["retrieval/clip_of_text"] = torch.arange(3)
    parts = {kind: part.tensors for kind, part in by_rooms(Embedded(tensors, half)).items()}
    assert parts["measured"]["test/audio"].tolist() == [1, 2] and parts["simulated"]["test/audio"].tolist() == [0]
    assert len(parts["measured"]["probe/audio"]) == 5 and by_rooms(Embedded({"test/audio": flag}, half)) == {}


def test_the_rooms_stage_builds_what_is_asked(half, tmp_path):
    half.rooms = RoomsConfig(train=3, val=2, test=2, rir_s=0.1, bands_hz=[1000.0, 4000.0], ranges=RangeConfig(t30_s=[0.2, 0.4]))
    half.rooms.test_ranges = half.rooms.ranges
    half.rooms.measured = MeasuredRoomsConfig(str(tmp_path), 0.5, "both")
    for split in ("train", "test"):
        measured_bank(split=split).save(tmp_path / split)
    made = {split: build_split(half, split, lambda done, of: None) for split in ("train", "val", "test")}
    assert [(bank.simulated, len(bank)) for bank in made.values()] == [(3, 11), (2, 2), (2, 10)]
    assert made["train"].samples.shape[-1] == 1600 and made["train"].octave_t30_s.shape[1] == 2
    assert made["train"].octave_t30_s[3:, 1].isnan().all() and made["train"].octave_t30_s[4:, 0].isfinite().all()
    half.rooms.measured.test = "measured"
    alone = build_split(half, "test", lambda done, of: None)
    assert (alone.simulated, len(alone)) == (0, 8)
    with pytest.raises(DataError, match=r"imported at 16000 Hz, audio\.sample_rate is 48000"):
        fitted(measured_bank(), half.rooms, 48000)
    with pytest.raises(DataError, match="bank of simulated rooms"):
        fitted(artificial_bank(3, 0, "train"), half.rooms, RATE)


def test_a_simulated_bank_says_what_it_said_before(half):
    half.rooms = RoomsConfig(train=2, rir_s=0.3, bands_hz=[1000.0], ranges=RangeConfig(t30_s=[0.2, 0.3]))
    half.rooms.measured = MeasuredRoomsConfig()
    assert "measured" not in json.dumps(build_split(half, "train", lambda done, of: None).source)
