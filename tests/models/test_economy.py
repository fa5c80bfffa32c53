"""Activation checkpointing and torch.compile change what is kept and how fast it goes, not what comes out."""

from __future__ import annotations

import dataclasses
import os

import pytest
import torch

from elsa_lightning.models import ElsaModel, economy
from elsa_lightning.models.economy import blocks_of, compile_blocks
from elsa_lightning.schema import ModelConfig, RobertaConfig


@pytest.fixture
def towers(tiny_model, tiny_htsat) -> ModelConfig:
    """Both large kinds of encoder, small, with dropout."""
    text = RobertaConfig(vocab_size=99, hidden_size=16, layers=2, heads=2, intermediate_size=32)
    return dataclasses.replace(tiny_model, semantic=dataclasses.replace(tiny_htsat, depths=[2, 1]), text=text)


@pytest.fixture
def tokens():
    return {"input_ids": torch.randint(4, 99, (3, 8)), "attention_mask": torch.ones(3, 8, dtype=torch.long)}


def step(cfg, features, batch, tokens):
    """Outputs and gradients of one training step from the same weights and the same dropout."""
    torch.manual_seed(0)
    model = ElsaModel(cfg, features).train()
    torch.manual_seed(1)
    outputs = model(batch, tokens)
    sum(value.square().sum() + value.sum() for value in outputs.values()).backward()
    return {name: value.detach() for name, value in outputs.items()}, {name: p.grad for name, p in model.named_parameters()}


def test_gradients_with_activation_checkpointing_are_the_same(monkeypatch, towers, features, random_features, tokens):
    calls = []
    real = economy.checkpoint
    monkeypatch.setattr(economy, "checkpoint", lambda *a, **k: calls.append(1) or real(*a, **k))
    batch = random_features(3, 64)
    outputs, gradients = step(towers, features, batch, tokens)
    assert not calls
    again, recomputed = step(dataclasses.replace(towers, activation_checkpointing=True), features, batch, tokens)
    assert len(calls) == 3 + 2  # blocks of HTSAT and layers of RoBERTa
    assert all(torch.equal(outputs[name], again[name]) for name in outputs)
    assert gradients.keys() == recomputed.keys()
    assert all(torch.equal(gradients[name], recomputed[name]) for name in gradients)
    other, _ = step(dataclasses.replace(towers, temperature=0.1), features, random_features(3, 64, seed=1), tokens)
    assert not torch.equal(other["audio"], again["audio"])


def test_nothing_is_recomputed_without_gradients(monkeypatch, towers, features, random_features, tokens):
    monkeypatch.setattr(economy, "checkpoint", lambda *a, **k: pytest.fail("recomputed"))
    model = ElsaModel(dataclasses.replace(towers, activation_checkpointing=True), features)
    with torch.no_grad():
        model.train()(random_features(3, 64), tokens)
    model.eval()(random_features(3, 64), tokens)


def test_bf16_training_with_activation_checkpointing_reaches_every_parameter(towers, features, random_features, tokens):
    with torch.autocast("cpu", torch.bfloat16):
        outputs, gradients = step(dataclasses.replace(towers, activation_checkpointing=True), features, random_features(3, 64), tokens)
    assert all(value.dtype == torch.float32 for value in outputs.values())
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())


COMPILING = pytest.mark.skipif("ELSA_TEST_COMPILE" not in os.environ, reason="minutes of compiling: ELSA_TEST_COMPILE=1 runs it")


@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=COMPILING), pytest.param("inductor", marks=COMPILING)])
def test_compiled_blocks_give_the_same_outputs_and_gradients(towers, features, random_features, tokens, backend):
    for tower in (towers.semantic, towers.text):
        assert tower.name in ("htsat", "roberta")
    batch = random_features(3, 64)

    def run(compiled):
        torch.manual_seed(0)
        model = ElsaModel(towers, features).eval()  # dropout draws other numbers once compiled
        for tower in (model.semantic, model.text) if compiled else ():
            compile_blocks(blocks_of(tower.model), backend)
        outputs = model(batch, tokens)
        sum(value.sum() for value in outputs.values()).backward()
        return outputs, dict(model.named_parameters())

    (plain, before), (compiled, after) = run(False), run(True)
    assert before.keys() == after.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=1e-4, rtol=1e-4)
    for name, parameter in before.items():
        torch.testing.assert_close(after[name].grad, parameter.grad, atol=1e-3, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


def test_model_compile_reaches_every_block(monkeypatch, towers, features):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **options: compiled.append(module))
    model = ElsaModel(dataclasses.replace(towers, compile=True), features)
    assert compiled == blocks_of(model.semantic.model) + blocks_of(model.text.model) and len(compiled) == 3 + 2
