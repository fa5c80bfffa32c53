"""Stages `captioner`, `captions` and the captioning metrics of `evaluate`, on embeddings that hold the labels plainly."""

import dataclasses
import json
import pathlib

import pytest
import torch
from safetensors.torch import load_file, save_file

from elsa_lightning.captions.attributes import RULES, words_of_all
from elsa_lightning.config import load_experiment
from elsa_lightning.data.pairing import versions_of
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import DataError
from elsa_lightning.evaluators import Found
from elsa_lightning.evaluators.captioning import read_captions
from elsa_lightning.stages import captioner, evaluate
from elsa_lightning.stages.captioner import CAPTIONS, LANGUAGE
from elsa_lightning.stages.embed import FILE
from elsa_lightning.stages.execute import FACTS, Stage

ROOT = pathlib.Path(__file__).parents[2]
OVERRIDES = ["data.corpus.train_clips=96", "data.corpus.val_clips=44", "data.corpus.test_clips=44", "trainer.accelerator=cpu"]
OVERRIDES += ["captioner.enabled=true", "captioner.steps=60", "captioner.max_tokens=48", "captioner.language.hidden_size=64"]
SPATIAL = {"azimuth": (-3.1, 3.1), "elevation": (-1.2, 1.2), "distance_m": (0.5, 4.0), "floor_area_m2": (20.0, 180.0), "t30_s": (0.1, 1.6)}


def experiment(*overrides):
    return load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=[*OVERRIDES, *overrides]).experiment


def embeddings(cfg):
    """What `embed` writes of labels and audio: an embedding is the label's word of each attribute, one-hot, and a bias."""
    g = torch.Generator().manual_seed(0)
    tensors = {}
    for part, split in (("probe", "train"), ("test", "test")):
        records = open_corpus(cfg.data.corpus).records(split)
        count = len(records) * versions_of(cfg, len(records), split)
        labels = {name: low + (high - low) * torch.rand(count, generator=g) for name, (low, high) in SPATIAL.items()}
        words = [dict(one.items()) for one in words_of_all({name: values.numpy() for name, values in labels.items()})]
        columns = [(name, rule.word) for name, (_, rules) in RULES.items() for rule in rules]
        hot = torch.tensor([[float(one.get(name) == word) for name, word in columns] + [1.0] for one in words])
        labels["is_spatial"] = torch.rand(count, generator=g) < (0.9 if part == "probe" else 1.1)
        tensors |= {f"{part}/{name}": values for name, values in labels.items()}
        tensors[f"{part}/audio"] = torch.nn.functional.normalize(hot + 0.01 * torch.randn(hot.shape, generator=g), dim=1)
    return tensors


@pytest.fixture(scope="module")
def embed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embed")
    save_file(embeddings(experiment()), folder / FILE)
    return folder


def train(folder, embed, cfg):
    folder.mkdir(exist_ok=True)
    facts = captioner.run(Stage("captioner", folder, {"embed": embed}, cfg))
    (folder / FACTS).write_text(json.dumps(facts))
    return facts


def caption(folder, embed, trained, cfg):
    folder.mkdir()
    facts = captioner.run_captions(Stage("captions", folder, {"embed": embed, "captioner": trained}, cfg))
    return facts, read_captions(folder / CAPTIONS)


@pytest.fixture(scope="module")
def trained(embed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captioner")
    return folder, train(folder, embed, experiment())


def test_training_is_on_spatial_clips_and_a_second_call_goes_on_from_the_end(trained, embed):
    folder, facts = trained
    spatial = load_file(embed / FILE)["probe/is_spatial"]
    assert facts["pairs"] == spatial.sum() < len(spatial) and facts["steps"] == 60 and facts["tokens"] <= 400
    before = {path: path.stat().st_mtime_ns for path in (folder / LANGUAGE).glob("tokenizer*")}
    assert before and train(folder, embed, experiment())["checkpoint"] == facts["checkpoint"] == "checkpoints/step=000000060.ckpt"
    assert {path: path.stat().st_mtime_ns for path in (folder / LANGUAGE).glob("tokenizer*")} == before


def test_every_test_item_is_captioned_the_same_each_time(trained, embed, tmp_path):
    cfg = experiment()
    facts, clips = caption(tmp_path / "one", embed, trained[0], cfg)
    records = open_corpus(cfg.data.corpus).records("test")
    versions = versions_of(cfg, len(records), "test")
    assert facts["captions"] == len(clips) == len(records) * versions
    assert [(one.clip, one.version) for one in clips] == [(record.clip_id, v) for record in records for v in range(versions)]
    assert all(len(one.references) == cfg.captions.per_clip and one.hypothesis for one in clips)
    assert clips[0].own == list(records[0].captions) and clips[0].words and not clips[0].unknown
    for name, other in {
        "again": cfg,
        "batches": dataclasses.replace(cfg, evaluation=dataclasses.replace(cfg.evaluation, batch_size=7)),
    }.items():
        assert caption(tmp_path / name, embed, trained[0], other)[1] == clips
    assert caption(tmp_path / "greedy", embed, trained[0], experiment("captioner.beam=1"))[1] != clips


def test_drafts_are_the_same_each_time_and_in_any_batches(trained, embed, tmp_path):
    cfg = experiment("captioner.drafts=3", "captioner.max_tokens=20", "captioner.steps=60")
    _, clips = caption(tmp_path / "one", embed, trained[0], cfg)
    other = dataclasses.replace(cfg, evaluation=dataclasses.replace(cfg.evaluation, batch_size=9))
    assert caption(tmp_path / "other", embed, trained[0], other)[1] == clips
    assert len({one.hypothesis for one in clips}) > len(clips) / 2


def test_the_metrics_stand_beside_the_others(trained, embed, tmp_path, monkeypatch):
    """With the rest of the evaluation, which needs more than labels, put aside."""
    cfg = experiment()
    caption(tmp_path / "captions", embed, trained[0], cfg)
    facts = {"gallery": 44, "gallery_hash": "ab", "captions": [], "classes": [], "test_examples": 88}
    (embed / "texts.json").write_text(json.dumps(facts))
    monkeypatch.setattr(evaluate, "evaluate_all", lambda *arguments: Found({"retrieval/map10": 0.5}))
    parents = {"embed": embed, "captions": tmp_path / "captions"}
    for name, wanted in {"with": parents, "without": {"embed": embed}}.items():
        (tmp_path / name).mkdir()
        evaluate.run(Stage("evaluate", tmp_path / name, wanted, cfg))
    found = json.loads((tmp_path / "with" / "metrics.json").read_text())
    assert {"captioning/bleu4", "captioning/cider_d", "captioning/spatial_words/n", "retrieval/map10"} <= found["metrics"].keys()
    assert 0 <= found["metrics"]["captioning/spatial_words_right"] <= 1
    assert "METEOR needs Java" in found["meta"]["absent"]["captioning/meteor"] and "captioning/meteor" not in found["metrics"]
    found = json.loads((tmp_path / "without" / "metrics.json").read_text())
    assert not any("captioning" in key for key in [*found["metrics"], *found["meta"].get("absent", {})])


def test_embeddings_without_a_spatial_clip_are_refused(embed, tmp_path):
    tensors = load_file(embed / FILE)
    (tmp_path / "embed").mkdir()
    save_file({**tensors, "probe/is_spatial": torch.zeros_like(tensors["probe/is_spatial"])}, tmp_path / "embed" / FILE)
    with pytest.raises(DataError, match="no training clip is spatial"):
        train(tmp_path / "captioner", tmp_path / "embed", experiment())
