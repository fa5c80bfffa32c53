"""Spaces beside the joint one: what each reads, what changes nothing, sizes and temperatures."""

import dataclasses
import math

import pytest
import torch

from elsa_lightning.features import Features
from elsa_lightning.models import ElsaModel, build_tokenizer, parameter_table
from elsa_lightning.schema import WhatWhereConfig

CAPTIONS = ["A dog barks on the left.", "Rain", "Somewhere."]


def build(tiny_model, features, **values):
    torch.manual_seed(0)
    return ElsaModel(dataclasses.replace(tiny_model, what_where=WhatWhereConfig(**values)), features).eval()


@pytest.fixture
def tokens(tiny_model):
    return build_tokenizer(tiny_model.text)(CAPTIONS)


def outputs_of(model, sounds, tokens):
    return model(sounds, tokens, {"what": tokens, "where": tokens})


def test_the_joint_space_is_what_it_is_without_them(tiny_model, features, random_features, tokens):
    sounds = random_features(3, 40)
    alone, beside = build(tiny_model, features), build(tiny_model, features, width=16)
    assert not any("what_where" in name for name in alone.state_dict())
    with torch.no_grad():
        wanted, found = alone(sounds, tokens), outputs_of(beside, sounds, tokens)
        everywhere, of_what = beside.embed_audio_everywhere(sounds), beside.embed_text(tokens, "what")
        assert torch.equal(everywhere["where_audio"], found["where_audio"]) and torch.equal(everywhere["audio"], beside.embed_audio(sounds))
        assert torch.equal(of_what, found["what_text"]) and list(alone.embed_audio_everywhere(sounds)) == ["audio"]
    assert found.keys() - wanted.keys() == {f"{space}_{part}" for space in ("what", "where") for part in ("audio", "text", "logit_scale")}
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    for space in ("what", "where"):
        assert found[f"{space}_audio"].shape == found[f"{space}_text"].shape == (3, 16)
        torch.testing.assert_close(found[f"{space}_audio"].norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("reads", ["branches", "fusion"])
def test_each_space_reads_what_it_should(tiny_model, features, random_features, tokens, reads):
    """By default intensity cannot reach *what*, nor the log-mel *where*; with the fusion both do."""
    model = build(tiny_model, features, width=16, reads=reads)
    sounds, other = random_features(3, 40), random_features(3, 40, seed=1)
    moved = Features(sounds.log_mel, other.intensity)
    with torch.no_grad():
        start, turned = outputs_of(model, sounds, tokens), outputs_of(model, moved, tokens)
        renamed = outputs_of(model, Features(other.log_mel, sounds.intensity), tokens)
    assert not torch.equal(start["where_audio"], turned["where_audio"]) and not torch.equal(start["what_audio"], renamed["what_audio"])
    assert torch.equal(start["what_audio"], turned["what_audio"]) == (reads == "branches")
    assert torch.equal(start["where_audio"], renamed["where_audio"]) == (reads == "branches")
    assert not torch.equal(start["audio"], turned["audio"])


def test_each_loss_reaches_its_own_projections_and_temperature(tiny_model, features, random_features, tokens):
    model = build(tiny_model, features, width=16)
    found = outputs_of(model, random_features(3, 40), tokens)
    (found["what_logit_scale"] * found["what_audio"] @ found["what_text"].T).square().sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name.split(".")[0] for name in touched} == {"semantic", "text", "what_where"}
    assert all(".what" in name for name in touched if name.startswith("what_where"))


def test_temperatures_start_alike_and_are_kept_in_bounds(tiny_model, features):
    model = build(tiny_model, features, width=16)
    assert [round(1 / scale.exp().item(), 3) for scale in model.log_scales()] == [tiny_model.temperature] * 3
    with torch.no_grad():
        for scale in model.log_scales():
            scale.fill_(9.0)
    model.clamp_logit_scale()
    assert all(scale.item() == pytest.approx(math.log(100)) for scale in model.log_scales())


def test_they_are_counted(tiny_model, features):
    table = parameter_table(build(tiny_model, features, width=16))
    assert table["total"] == sum(v for k, v in table.items() if k not in ("total", "trainable"))
    assert table["what_where"] > 0 and "what_where" not in parameter_table(build(tiny_model, features))
