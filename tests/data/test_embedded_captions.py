"""Captions of clips known by labels alone: those that training draws, and those that the datamodule tests with."""

import dataclasses
import math

import pytest
import torch

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.captions.stated_words import judge
from elsa_lightning.captions.templates import plain_caption
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.embedded_captions import EmbeddedCaptions
from elsa_lightning.errors import DataError
from elsa_lightning.models.tokenizers import build_tokenizer

LABELS = {
    "azimuth": [math.radians(90), math.radians(-90), math.radians(45)],
    "elevation": [0.0, math.radians(60), 0.0],
    "distance_m": [3.0, 0.5, 1.5],
    "floor_area_m2": [30.0, 150.0, 75.0],
    "t30_s": [1.5, 0.1, 0.5],
}


def embedded(cfg, corpus, split="train", versions=2, spatial=None, labels=None):
    records = corpus.records(split)
    count = len(records) * versions
    columns = {name: torch.tensor((values * count)[:count]) for name, values in (labels or LABELS).items()}
    return EmbeddedCaptions(cfg, records, columns, torch.ones(count, dtype=torch.bool) if spatial is None else spatial)


def test_a_training_caption_says_every_word_of_its_clip(cfg, corpus):
    captions = embedded(cfg, corpus)
    for index in range(12):
        record, words = corpus.records("train")[index // 2], dict(captions.words[index].items())
        for epoch in range(3):
            text = captions.training(index, epoch)
            assert judge(text, words, own=list(record.captions)).outcomes == {n: "right" if n in words else "silent" for n in RULES}, text
    assert dict(captions.words[0].items()) == {
        **{"distance": "far", "direction": "left"},
        **{"area": "small", "reverberation": "highly reverberant"},
    }
    assert len({captions.training(3, epoch) for epoch in range(8)}) > 4


def test_a_training_caption_is_a_function_of_seed_epoch_and_item(cfg, corpus):
    captions, again = embedded(cfg, corpus), embedded(cfg, corpus)
    wanted = [captions.training(index, epoch) for epoch in range(2) for index in range(8)]
    assert wanted == list(reversed([again.training(index, epoch) for epoch in (1, 0) for index in reversed(range(8))]))
    other = embedded(dataclasses.replace(cfg, seed=cfg.seed + 1), corpus)
    assert wanted != [other.training(index, epoch) for epoch in range(2) for index in range(8)]


def test_words_can_be_left_out_and_a_clip_without_place_says_none(cfg, corpus):
    cfg.captioner.word_keep = 0.0
    captions = embedded(cfg, corpus)
    plain = {plain_caption(text) for text in corpus.records("train")[0].captions}
    assert captions.training(0) in plain
    cfg.captioner.word_keep = 1.0
    count = 2 * len(corpus.records("train"))
    captions = embedded(cfg, corpus, spatial=torch.arange(count) > 0)
    assert captions.training(0) in plain and captions.training(1) not in plain


def test_unknown_labels_are_named(cfg, corpus):
    captions = embedded(cfg, corpus, labels={**LABELS, "azimuth": [math.nan, 0.0, 0.0]})
    assert captions.unknown[0] == ["direction"] and captions.unknown[1] == []
    assert captions.words[0].direction is None and captions.words[0].distance == "far"


def test_references_are_the_captions_that_retrieval_is_tested_with(cfg, corpus, banks):
    bank = banks["test"]
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    dataset, versions = data.dataset("test"), data.dataset("test").pairing.versions
    rooms = torch.tensor([dataset.pairing.item(index).room for index in range(len(dataset))])
    labels = {name: values[rooms] for name, values in bank.labels.items()}
    captions = EmbeddedCaptions(cfg, corpus.records("test"), labels, torch.ones(len(dataset), dtype=torch.bool))
    assert captions.versions == versions
    assert [captions.references(index) for index in range(0, len(dataset), versions)] == data.test_captions()
    batch = next(iter(data.test_dataloader()))
    assert data.on_after_batch_transfer(batch).caption_sets == [captions.references(index) for index in range(len(batch))]


def test_embeddings_of_another_corpus_are_refused(cfg, corpus):
    with pytest.raises(DataError, match="another corpus"):
        EmbeddedCaptions(cfg, corpus.records("train"), {}, torch.ones(len(corpus.records("train")) + 1, dtype=torch.bool))
