"""What tables show without training: rules asked against the rules' source, banks against their labels, counts against other counts."""

import json
import math

import pytest
import torch

from elsa_lightning.acoustics.bank import RoomBank, build_bank
from elsa_lightning.acoustics.measure import LABELS
from elsa_lightning.captions.attributes import RULES
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.schema import (
    CoordCnnConfig,
    Experiment,
    FoleyConfig,
    NoSpatialConfig,
    RangeConfig,
    RoomsConfig,
    SemanticCnnConfig,
    TinyTextConfig,
)
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.facts import architecture, data_summary, room_ranges, word_rules, write_facts


@pytest.fixture(scope="module")
def banks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooms")
    ranges = RangeConfig(floor_area_m2=[13.3, 200.0], t30_s=[0.15, 0.4])
    rooms = RoomsConfig(train=24, val=2, test=8, rir_s=0.4, bands_hz=[500.0, 2000.0], ranges=ranges, test_ranges=ranges)
    for split in ("train", "val", "test"):
        build_bank(rooms, 16000, split).save(folder / split)
    return folder


def stage(tmp_path, cfg=None, **parents):
    return Stage("facts", tmp_path, parents, cfg or Experiment())


def found(tmp_path):
    return json.loads((tmp_path / "metrics.json").read_text())


def test_the_bounds_of_words_are_those_of_the_rules():
    metrics, absent = word_rules.bounds()
    for row, (attribute, word) in word_rules.ROWS.items():
        rules = [rule for rule in RULES[attribute][1] if rule.word == word]
        rule = max(rules, key=lambda one: one.low)  # back: its positive side
        for name, bound in (("from", rule.low), ("to", rule.high)):
            key, factor = f"{row}/{name}", word_rules.UNITS.get(attribute, 1.0)
            if key in absent:
                assert math.isinf(bound) and math.isnan(metrics[key])
            else:
                assert metrics[key] == pytest.approx(180 if math.isinf(bound) else factor * bound, abs=0.001 * factor)
    below, above = ("near", "down", "small", "dampened"), ("far", "up", "large", "reverberant")
    assert absent.keys() == {*(f"{row}/from" for row in below), *(f"{row}/to" for row in above)}


def test_shares_of_words_are_counted_by_hand(tmp_path, banks):
    word_rules.run(stage(tmp_path, rooms=banks))
    metrics, labels = found(tmp_path)["metrics"], RoomBank.load(banks / "train").labels
    azimuth, area = torch.rad2deg(labels["azimuth"]), labels["floor_area_m2"]
    assert metrics["near/train_share"] == pytest.approx((labels["distance_m"] < 1).float().mean().item())
    assert metrics["left/train_share"] == pytest.approx(((azimuth >= 55) & (azimuth <= 125)).float().mean().item())
    assert metrics["back/train_share"] == pytest.approx((azimuth.abs() >= 145).float().mean().item())
    assert sum(metrics[f"{row}/train_share"] for row in ("small", "medium", "large")) == pytest.approx(1)
    assert metrics["large/train_share"] == pytest.approx((area > 100).float().mean().item())
    assert "near/from" not in metrics and found(tmp_path)["meta"]["absent"]["near/from"] == "no bound"


def test_the_ranges_are_those_of_the_labels(tmp_path, banks):
    room_ranges.run(stage(tmp_path, rooms=banks))
    metrics, labels = found(tmp_path)["metrics"], RoomBank.load(banks / "test").labels
    assert metrics["t30/test_low"] == pytest.approx(1000 * labels["t30_s"].min().item())
    assert metrics["elevation/test_high"] == pytest.approx(math.degrees(labels["elevation"].max().item()))
    assert metrics["floor_area/test_median"] == pytest.approx(labels["floor_area_m2"].double().quantile(0.5).item(), rel=0.3)
    assert metrics["distance/train_rooms"] == 24 and metrics["distance/test_rooms"] == 8
    assert len(metrics) == 3 * 5 * 4 and set(name for name, _ in room_ranges.QUANTITIES.values()) <= set(LABELS)


def test_an_unknown_label_does_not_count(banks):
    bank = RoomBank.load(banks / "test")
    bank.labels["distance_m"] = bank.labels["distance_m"].clone()
    bank.labels["distance_m"][0] = float("nan")
    assert room_ranges.spans(bank)["distance"]["rooms"] == 7


def test_parameters_are_those_of_the_built_model(tmp_path):
    cfg = Experiment()
    cfg.model.semantic, cfg.model.spatial, cfg.model.text = SemanticCnnConfig(channels=[4]), CoordCnnConfig(channels=[4]), TinyTextConfig()
    architecture.run(stage(tmp_path, cfg))
    metrics = found(tmp_path)["metrics"]
    assert metrics["spatial/paper_parameters"] == 485_924 and metrics["semantic/paper_width"] == 768
    assert sum(metrics[f"{part}/here_parameters"] for part in architecture.PARTS) + 1 == metrics["total/here_parameters"]  # the temperature
    assert metrics["total/paper_parameters"] == pytest.approx(158e6, rel=0.03)
    cfg.model.spatial = NoSpatialConfig()
    alone = architecture.describe(cfg)
    heads, total = alone["heads"]["parameters"], alone["total"]["parameters"]
    assert alone["total"]["over_clap"] == pytest.approx(heads / (total - heads))


def test_clips_and_examples_are_counted(tmp_path):
    cfg = Experiment()
    cfg.data.corpus, cfg.audio.clip_s = FoleyConfig(train_clips=60, val_clips=57, test_clips=57), 3.0
    cfg.data.versions, cfg.data.eval_versions, cfg.data.min_examples = 2, 3, 200
    data_summary.run(stage(tmp_path, cfg))
    metrics, absent = found(tmp_path)["metrics"], found(tmp_path)["meta"].get("absent", {})
    assert metrics["train/clips"] == 60 and metrics["train/examples"] == 240 and metrics["val/examples"] == 171
    assert metrics["train/example_hours"] == pytest.approx(240 * 3 / 3600)
    captions = [caption for record in open_corpus(cfg.data.corpus).records("test") for caption in record.captions]
    assert metrics["test/captions"] == len(captions) and metrics["test/different_captions"] == len(set(captions))
    assert ("train/hours" in metrics) != ("train/hours" in absent)


def test_a_value_that_is_no_number_needs_a_reason(tmp_path):
    with pytest.raises(ValueError, match="a/b"):
        write_facts(stage(tmp_path), {"a/b": math.nan})
    write_facts(stage(tmp_path), {"a/b": math.nan, "a/c": 1.0}, {"a/b": "nobody knows"})
    assert found(tmp_path) == {"metrics": {"a/c": 1.0}, "meta": {"absent": {"a/b": "nobody knows"}}}
