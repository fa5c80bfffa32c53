"""Texts of the spaces beside the joint one: of the example's own caption and place, after its turn, in chunks, and foreseen."""

import dataclasses

import pytest
import torch

from elsa_lightning.captions.attributes import words_of_all
from elsa_lightning.captions.mentions import mentions
from elsa_lightning.captions.templates import plain_caption
from elsa_lightning.captions.what_where import NONE, NOWHERE, UNKNOWN, codes_said
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.schema import AugmentationConfig, WhatWhereConfig


@pytest.fixture
def beside(cfg):
    cfg.model.what_where = WhatWhereConfig(width=8)
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True)
    cfg.captions.word_keep = 0.6
    return cfg


def batches(cfg, corpus, banks, tokenizer, caches=None, train_tokenizer=None):
    data = SpatialAudioText(cfg, corpus, banks, tokenizer, caches, train_tokenizer)
    return [data.on_before_batch_transfer(batch) for batch in data.train_dataloader()]


def test_texts_say_what_and_where_the_example_is(beside, corpus, banks, tokenizer):
    spoken = 0
    for batch in batches(beside, corpus, banks, tokenizer):
        heard = words_of_all({name: values.numpy() for name, values in batch.spatial.items()})
        for row, words in enumerate(heard):
            what, where, caption = batch.texts["what"][row], batch.texts["where"][row], batch.captions[row]
            assert what in map(plain_caption, batch.records[row].captions)
            assert what.rstrip(".").lower() in caption.lower()  # the joint caption is of the same words
            if not batch.is_spatial[row] or not words.items():
                assert where == NOWHERE and (batch.said[row] == NONE).all()
                continue
            said = {(one.attribute, one.word) for one in mentions(where)}
            assert said and said <= set(words.items())
            holds = torch.tensor(codes_said(words))
            assert torch.equal(batch.heard[row], holds)
            assert batch.said[row].ne(NONE).sum() == len(said) and torch.equal(
                batch.said[row][batch.said[row] != NONE], holds[batch.said[row] != NONE]
            )
            spoken += 1
        for space, texts in batch.texts.items():
            assert torch.equal(batch.text_tokens[space]["input_ids"], tokenizer(texts)["input_ids"])
    assert spoken > 30


def test_the_joint_captions_are_those_of_a_training_without(beside, corpus, banks, tokenizer):
    found = batches(beside, corpus, banks, tokenizer)
    alone = batches(
        dataclasses.replace(beside, model=dataclasses.replace(beside.model, what_where=WhatWhereConfig())), corpus, banks, tokenizer
    )
    assert [batch.captions for batch in found] == [batch.captions for batch in alone]
    assert all(not batch.texts and not batch.text_tokens and batch.said is None for batch in alone)


def test_an_unknown_label_is_neither_heard_nor_denied(beside, corpus, banks, tokenizer):
    data = SpatialAudioText(beside, corpus, banks, tokenizer)
    batch = data.on_before_batch_transfer(next(iter(data.train_dataloader())))
    batch.spatial["distance_m"] = torch.full_like(batch.spatial["distance_m"], torch.nan)
    data._captioner.write(batch)
    assert (batch.heard[:, 0] == UNKNOWN).all() and (batch.said[:, 0] == NONE).all()
    assert not any("distance" in {one.attribute for one in mentions(text)} for text in batch.texts["where"])


def test_chunks_and_devices_carry_them(beside, corpus, banks, tokenizer):
    (batch, *_) = batches(beside, corpus, banks, tokenizer)
    parts = batch.to("cpu").chunks(3)
    assert [text for part in parts for text in part.texts["where"]] == batch.texts["where"]
    for space, tokens in batch.text_tokens.items():
        for name, values in tokens.items():
            assert torch.equal(torch.cat([part.text_tokens[space][name] for part in parts]), values)
    assert torch.equal(torch.cat([part.said for part in parts]), batch.said)


def test_all_texts_of_a_training_are_foreseen(beside, corpus, banks, tokenizer, tmp_path):
    beside.data.rendering = "cached"
    caches = {"train": render_cache(beside, corpus, banks["train"], "train", tmp_path / "c", workers=0)}
    foreseen = SpatialAudioText(beside, corpus, {"train": banks["train"]}, tokenizer).training_captions()
    wanted = [[*batch.captions, *batch.texts["what"], *batch.texts["where"]] for batch in batches(beside, corpus, banks, tokenizer, caches)]
    assert list(foreseen) == wanted


def test_test_words_are_those_of_the_test_captions(beside, corpus, banks, tokenizer):
    data = SpatialAudioText(beside, corpus, banks, tokenizer)
    words, captions = data.test_words(), data.test_captions()
    assert len(words) == len(captions) == len(data.test_clip_ids)
    for scene, texts in zip(words, captions, strict=True):
        assert all({(one.attribute, one.word) for one in mentions(text)} == set(scene.items()) for text in texts)
