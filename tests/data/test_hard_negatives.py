"""Pairs of a clip's versions that are never at the same place: drawn as the slow definition draws, whatever the turn, rank and cache."""

import dataclasses
import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.ambisonics import direction_from_angles, encode
from elsa_lightning.captions.attributes import words_of_all
from elsa_lightning.config import load_experiment
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.elsewhere import Elsewhere
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pairing import Pairing
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import AugmentationConfig, ManifestConfig

from .conftest import RATE, artificial_bank

RECORDS = [ClipRecord(f"c{i}", "train", "", ("a",)) for i in range(300)]
TURNED = AugmentationConfig(yaw=True, mirror=True)


def apart(one, other):
    """Difference of two azimuths in degrees, 0 … 180."""
    return abs((math.degrees(one - other) + 180) % 360 - 180)


def slow_draw(azimuth, chance, room, where):
    """Walk counter-clockwise from 90° past the room until the chances that were passed exceed their part."""
    far = [i for i in range(len(azimuth)) if apart(azimuth[i], azimuth[room]) >= 90]
    far.sort(key=lambda i: (azimuth[i] - azimuth[room] - math.pi / 2) % (2 * math.pi))
    passed, total = 0.0, sum(chance[i] for i in far)
    for i in far:
        passed += chance[i]
        if passed > where * total:
            return i
    return far[-1]


@pytest.fixture
def rooms():
    rng = np.random.default_rng(0)
    azimuth, chance = rng.uniform(-np.pi, np.pi, 37), rng.choice([0.0, 1.0, 4.0], 37)
    return azimuth, chance / chance.sum()


def test_rooms_elsewhere_are_drawn_as_by_walking_around(rooms):
    azimuth, chance = rooms
    elsewhere = Elsewhere(azimuth, np.cumsum(chance))
    for room, where in itertools.product(range(len(azimuth)), (0.0, 0.123, 0.5, 0.77, 0.999)):
        assert elsewhere.draw(room, where) == slow_draw(azimuth, chance, room, where)


def test_a_room_of_unknown_azimuth_is_not_drawn_and_its_pair_is_free(rooms):
    azimuth, chance = rooms
    azimuth[5], chance[5] = np.nan, 0.3
    elsewhere = Elsewhere(azimuth, np.cumsum(chance / chance.sum()))
    where = np.linspace(0, 0.999, 400)
    assert 5 not in {elsewhere.draw(0, w) for w in where}
    assert 5 in {elsewhere.draw(5, w) for w in where}


def test_rooms_on_one_side_are_refused():
    with pytest.raises(ConfigError, match="90° away from that of room 0"):
        Elsewhere(np.linspace(0, 1, 5), np.linspace(0.2, 1, 5))


@pytest.fixture
def hard(cfg):
    cfg.data.negatives, cfg.data.versions, cfg.data.mono_share = "hard_spatial", 4, 0.0
    cfg.trainer.batch_size = 12
    return cfg


def test_the_second_of_a_pair_alone_is_drawn_otherwise(hard, banks):
    labels = {name: banks["train"].labels[name].double().numpy() for name in ("elevation", "distance_m", "azimuth")}
    hard.rooms.elevation_balance = 4.0
    pairing = Pairing(hard, RECORDS, "train", labels["elevation"], None, labels["distance_m"], labels["azimuth"])
    plain = Pairing(
        dataclasses.replace(hard, data=dataclasses.replace(hard.data, negatives="plain")), RECORDS, "train", labels["elevation"]
    )
    weight = np.diff(plain.cumulative[0], prepend=0)
    drawn = Counter()
    for index, epoch in itertools.product(range(len(pairing)), (0, 1)):
        item, other = pairing.item(index, epoch), plain.item(index, epoch)
        assert dataclasses.replace(item, room=0, crop=None) == dataclasses.replace(other, room=0, crop=None)
        if item.version % 2 == 0:
            assert item.room == other.room
            continue
        first = pairing.item(index - 1, epoch).room
        assert apart(labels["azimuth"][item.room], labels["azimuth"][first]) >= 90 - 1e-6
        drawn[item.room] += 1
    chance = np.zeros(40)  # of the second: what the first leaves, first by first
    for first in range(40):
        far = np.array([apart(labels["azimuth"][i], labels["azimuth"][first]) >= 90 for i in range(40)])
        chance += weight[first] * weight * far / weight[far].sum()
    counts = np.array([drawn[room] for room in range(40)])
    assert np.abs(counts - counts.sum() * chance).max() < 5 * np.sqrt(counts.sum() * chance.max())


def test_evaluation_is_drawn_as_ever(hard):
    assert Pairing(hard, RECORDS, "val", np.zeros(5)).elsewhere is None


def said(batch):
    """Direction word and azimuth of each example, after its turn."""
    words = words_of_all({name: values.numpy() for name, values in batch.spatial.items()})
    return [word.direction for word in words], batch.spatial["azimuth"].tolist()


def pairs_of(data):
    """(clip, words, azimuths) of each two neighbours of each training batch."""
    for batch in data.train_dataloader():
        batch = data.on_before_batch_transfer(batch)
        words, azimuths = said(batch)
        for row in range(0, len(batch), 2):
            here = slice(row, row + 2)
            yield batch.clip[here].tolist(), batch.version[here].tolist(), words[here], azimuths[here]


@pytest.mark.parametrize("rendering", ["stream", "cached"])
@pytest.mark.parametrize("group", [1, 4])
def test_neighbours_in_a_batch_are_one_clip_in_two_places(hard, corpus, banks, tokenizer, tmp_path, rendering, group):
    hard.data.rendering, hard.data.group, hard.augmentation = rendering, group, TURNED
    caches = {}
    if rendering == "cached":
        caches["train"] = render_cache(hard, corpus, banks["train"], "train", tmp_path / "c", workers=0)
    found = list(pairs_of(SpatialAudioText(hard, corpus, banks, tokenizer, caches)))
    assert len(found) == 12 * 6
    for clips, versions, words, azimuths in found:
        assert clips[0] == clips[1] and versions[0] % 2 == 0 and versions[1] == versions[0] + 1
        assert apart(*azimuths) >= 90 - 1e-3
        assert words[0] is None or words[0] != words[1]
    if rendering == "cached":
        foreseen = SpatialAudioText(hard, corpus, {"train": banks["train"]}, tokenizer).training_captions()
        batches = SpatialAudioText(hard, corpus, banks, tokenizer, caches)
        assert list(foreseen) == [batches.on_before_batch_transfer(batch).captions for batch in batches.train_dataloader()]


def test_a_group_alone_promises_no_other_place(hard, corpus, banks, tokenizer):
    """What the option adds to `data.group`."""
    hard.data.negatives, hard.data.group, hard.augmentation = "plain", 2, TURNED
    found = list(pairs_of(SpatialAudioText(hard, corpus, banks, tokenizer)))
    assert all(clips[0] == clips[1] for clips, *_ in found)
    assert sum(apart(*azimuths) < 90 for *_, azimuths in found) > 20
    assert sum(words[0] is not None and words[0] == words[1] for _, _, words, _ in found) > 5


@pytest.mark.parametrize("world", [2, 3])
def test_pairs_stay_on_a_rank_and_every_item_comes_once_an_epoch(hard, corpus, banks, tokenizer, world):
    def rows(rank, ranks):
        data = SpatialAudioText(hard, corpus, banks, tokenizer)
        data._rank_and_world = lambda: (rank, ranks)
        steps = 3 * data.train_items // hard.trainer.batch_size  # three epochs
        return list(data._train_sampler(data.train_items, rank, ranks, steps, 0)), data.train_items

    whole, items = rows(0, 1)
    shares = [rows(rank, world)[0] for rank in range(world)]
    for parts, batch in zip(zip(*shares, strict=True), whole, strict=True):
        assert list(itertools.chain(*parts)) == batch
        for part in parts:
            assert all(b == (a[0], a[1] + 1) and a[1] % 2 == 0 for a, b in zip(part[::2], part[1::2], strict=True))
    seen = Counter(itertools.chain(*whole))
    assert set(seen.values()) == {1} and {epoch for epoch, _ in seen} == {0, 1, 2} and len(seen) == 3 * items


def test_recordings_are_turned_apart(hard, banks, tokenizer, tmp_path):
    import soundfile

    records = []
    for i in range(6):
        angles = torch.tensor([[0.5 * i], [0.1]])
        foa = encode(0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(i)), direction_from_angles(*angles))[0]
        soundfile.write(tmp_path / f"{i}.wav", foa.T.numpy(), RATE, subtype="FLOAT")
        place = {"azimuth_deg": math.degrees(0.5 * i), "elevation_deg": math.degrees(0.1)}
        records.append(ClipRecord(f"r{i}", "train", "bell", ("a bell",), audio=f"{i}.wav", layout="foa_acn_sn3d", **place))
    write_manifest(tmp_path / "m.jsonl", records)
    hard.data.corpus, hard.augmentation = ManifestConfig(path=str(tmp_path / "m.jsonl")), TURNED
    found = list(pairs_of(SpatialAudioText(hard, open_corpus(hard.data.corpus), banks, tokenizer)))
    assert len(found) == 72 and all(apart(*azimuths) >= 90 - 1e-3 for *_, azimuths in found)
    assert len({round(azimuth, 3) for *_, azimuths in found for azimuth in azimuths}) > 100  # and everywhere


def test_an_odd_number_of_versions_is_raised(hard):
    hard.data.versions, hard.data.eval_versions = 3, 3
    rooms = {"elevation": np.zeros(4), "azimuth": np.arange(4) * np.pi / 2}
    assert Pairing(hard, RECORDS, "train", **rooms).versions == 4 and Pairing(hard, RECORDS, "test", np.zeros(4)).versions == 3
    hard.data.min_examples = 5 * len(RECORDS)
    assert len(Pairing(hard, RECORDS, "train", **rooms)) == 6 * len(RECORDS)
    with pytest.raises(ValueError, match="azimuths"):
        Pairing(dataclasses.replace(hard), RECORDS, "train", np.zeros(4))


@pytest.mark.parametrize(
    ("override", "key", "remedy"),
    [
        ("rooms.mode=fresh", "data.negatives", "rooms.mode=bank"),
        ("data.group=3", "data.group", "even"),
        ("trainer.batch_size=15", "trainer.batch_size", "even"),
        ("trainer={batch_size: 6, devices: 2}", "trainer.batch_size", "even"),
        ("pretraining={steps: 3, batch_size: 7}", "pretraining.batch_size", "even"),
    ],
)
def test_what_would_part_pairs_is_refused(tmp_path, override, key, remedy):
    path = tmp_path / "e.yaml"
    path.write_text("data: {negatives: hard_spatial}\n")
    load_experiment(path)
    with pytest.raises(ConfigError, match=f"`{key}`") as caught:
        load_experiment(path, overrides=[override])
    assert remedy in caught.value.remedy


def test_bank_with_one_room_is_refused(hard, corpus, tokenizer):
    with pytest.raises(ConfigError, match=r"rooms\.train"):
        SpatialAudioText(hard, corpus, {"train": artificial_bank(1, 0, "train")}, tokenizer).dataset("train")
