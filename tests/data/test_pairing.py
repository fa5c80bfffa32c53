"""Pairs of clips and rooms: shares, weights, and what they may depend on."""

import numpy as np
import pytest

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.pairing import NEAR_M, Pairing, versions_of

RECORDS = [ClipRecord(f"c{i}", "train", "", ("a",)) for i in range(600)]


def test_high_and_low_rooms_are_drawn_more_often_in_training_only(cfg):
    elevation = np.deg2rad(np.linspace(-60, 60, 121))
    steep = np.abs(np.rad2deg(elevation)) > 40
    cfg.rooms.elevation_balance, cfg.data.versions, cfg.data.eval_versions = 4.0, 10, 10
    for split, weight in (("train", 4.0), ("test", 1.0)):
        pairing = Pairing(cfg, RECORDS, split, elevation)
        rooms = np.array([pairing.item(i).room for i in range(len(pairing))])
        expected = weight * steep.sum() / (weight * steep.sum() + (~steep).sum())
        assert steep[rooms].mean() == pytest.approx(expected, abs=0.025)
        assert rooms.min() >= 0 and rooms.max() < 121 and len(set(rooms)) == 121


def test_near_rooms_are_drawn_more_often_in_training_only(cfg):
    """With both balances a near and steep room counts their product."""
    distance, elevation = np.linspace(0.5, 4.0, 141), np.deg2rad(np.tile([0.0, 50.0, -10.0], 47))
    near, steep = distance < 1, np.abs(elevation) > 0.7
    cfg.rooms.elevation_balance, cfg.rooms.near_balance, cfg.data.versions, cfg.data.eval_versions = 3.0, 5.0, 20, 20
    for split, high, close in (("train", 3.0, 5.0), ("test", 1.0, 1.0)):
        pairing = Pairing(cfg, RECORDS, split, elevation, distance=distance)
        rooms = np.array([pairing.item(i).room for i in range(len(pairing))])
        weight = np.where(near, close, 1.0) * np.where(steep, high, 1.0)
        for kind in (near, steep, near & steep):
            assert kind[rooms].mean() == pytest.approx(weight[kind].sum() / weight.sum(), abs=0.02)
    assert near.mean() == pytest.approx(1 / 7, abs=0.01) and RULES["distance"][1][0].high == NEAR_M  # the bound of the word


def test_near_balance_needs_distances_and_spares_the_draw_when_off(cfg):
    plain = Pairing(cfg, RECORDS, "train", np.zeros(50))
    given = Pairing(cfg, RECORDS, "train", np.zeros(50), distance=np.linspace(0.5, 4.0, 50))
    assert np.array_equal(plain.cumulative, given.cumulative)
    cfg.rooms.near_balance = 2.0
    with pytest.raises(ValueError, match="near_balance"):
        Pairing(cfg, RECORDS, "train", np.zeros(50))


def test_mono_share_in_training_only(cfg):
    cfg.data.mono_share = 0.3
    for split, share in (("train", 0.7), ("val", 1.0)):
        pairing = Pairing(cfg, RECORDS, split, np.zeros(5))
        assert np.mean([pairing.item(i).is_spatial for i in range(len(pairing))]) == pytest.approx(share, abs=0.04)


def test_what_an_item_depends_on(cfg):
    pairing = Pairing(cfg, RECORDS, "train", np.zeros(50))
    key = pairing.item(7).render_key
    assert pairing.item(7, epoch=1).render_key != key
    cfg.seed = 5
    other_order = Pairing(cfg, RECORDS[3:], "train", np.zeros(50))
    assert other_order.item(1).render_key == key  # the clip counts, not its row; nor does the training seed
    cfg.data.seed = 1
    assert Pairing(cfg, RECORDS, "train", np.zeros(50)).item(7).render_key != key
    evaluation = Pairing(cfg, RECORDS, "val", np.zeros(50))
    assert evaluation.item(7, epoch=1).render_key == evaluation.item(7, epoch=0).render_key
    assert evaluation.item(7).crop is None


def test_rooms_by_key_without_a_bank(cfg):
    pairing = Pairing(cfg, RECORDS, "train", None)
    rooms = {pairing.item(i).room for i in range(100)}
    assert len(rooms) == 100 and min(rooms) >= 0 and max(rooms) < 2**63


def test_versions_are_raised_for_small_corpora(cfg):
    cfg.data.versions, cfg.data.min_examples, cfg.data.eval_versions, cfg.data.eval_min_examples = 2, 100, 3, 0
    assert [versions_of(cfg, clips, "train") for clips in (10, 33, 50, 200)] == [10, 4, 2, 2]
    assert versions_of(cfg, 10, "test") == 3


def test_originals_alone_in_the_test_if_asked(cfg):
    cfg.data.eval_mono, cfg.data.mono_share, cfg.data.eval_versions = True, 0.0, 3
    for split, spatial, versions in (("train", True, cfg.data.versions), ("val", True, 3), ("test", False, 1)):
        pairing = Pairing(cfg, RECORDS[:5], split, np.zeros(5))
        assert {pairing.item(i).is_spatial for i in range(len(pairing))} == {spatial} and len(pairing) == 5 * versions
