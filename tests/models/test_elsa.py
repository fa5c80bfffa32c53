"""The whole model: sizes of the paper, one step on a CPU, invariances, precision, temperature."""

from __future__ import annotations

import math

import pytest
import torch

from elsa_lightning.errors import ConfigError
from elsa_lightning.models import ElsaModel, build_tokenizer, parameter_table
from elsa_lightning.models.heads import RegressionHeads
from elsa_lightning.models.projection import Projection, unit
from elsa_lightning.schema import FeatureConfig, ModelConfig, NoSpatialConfig, SemanticCnnConfig, StaticIntensityConfig, TinyTextConfig

CAPTIONS = ["A dog barks on the left.", "Rain", "church bells ring far away in a large and very reverberant hall, behind you"]


def total_loss(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Touches every output: a contrastive loss and one square per estimate."""
    logits = outputs["logit_scale"] * outputs["audio"] @ outputs["text"].T
    target = torch.arange(len(logits))
    estimates = sum((outputs[name] - 0.3).square().mean() for name in ("direction", "distance", "area"))
    return torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target) + estimates


def test_the_papers_model_has_the_papers_sizes():
    with torch.device("meta"):  # shapes without memory
        model = ElsaModel(ModelConfig(), FeatureConfig())
    table = parameter_table(model)
    for part, paper, tolerance in (("semantic", 30e6, 0.1), ("text", 125e6, 0.01), ("spatial", 485_828, 0.01), ("total", 158e6, 0.03)):
        assert abs(table[part] / paper - 1) < tolerance, (part, table[part])
    assert table["trainable"] == table["total"] == sum(v for k, v in table.items() if k not in ("total", "trainable"))
    assert model.semantic.width == 768 and model.spatial.width == 192 and model.audio_projection[0].in_features == 960
    assert all(abs(sum(p.numel() for p in head.parameters()) / 33e3 - 1) < 0.01 for head in model.heads.children())


@pytest.mark.slow
def test_the_papers_model_makes_a_step_on_a_cpu(random_features):
    model = ElsaModel(ModelConfig(), FeatureConfig())
    tokens = {"input_ids": torch.randint(3, 50000, (2, 8)), "attention_mask": torch.ones(2, 8, dtype=torch.long)}
    outputs = model(random_features(2, 101, bands=513), tokens)
    assert outputs["audio"].shape == outputs["text"].shape == (2, 512)
    total_loss(outputs).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []
    silent = [name for name, p in model.named_parameters() if not p.grad.any()]
    assert not silent, silent


@pytest.fixture
def model(tiny_model, features):
    torch.manual_seed(0)
    return ElsaModel(tiny_model, features)


@pytest.fixture
def tokens(tiny_model):
    return build_tokenizer(tiny_model.text)(CAPTIONS)


def test_outputs_have_their_shapes_and_lengths(model, tokens, random_features):
    outputs = model(random_features(3, 50), tokens)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "audio": (3, 32),
        "text": (3, 32),
        "logit_scale": (),
        "direction": (3, 3),
        "distance": (3,),
        "area": (3,),
    }
    for name in ("audio", "text", "direction"):
        torch.testing.assert_close(outputs[name].norm(dim=1), torch.ones(3))
    assert outputs["logit_scale"].item() == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("frames", [1, 50, 151])
def test_an_example_does_not_depend_on_its_batch(model, tokens, random_features, frames):
    model.eval()
    features = random_features(3, frames)
    with torch.no_grad():
        whole = model(features, tokens)
        for index in range(3):
            one = random_features(3, frames)
            one.log_mel, one.intensity = one.log_mel[index : index + 1], one.intensity[index : index + 1]
            alone = model(one, {name: value[index : index + 1] for name, value in tokens.items()})
            for name in ("audio", "text", "direction", "distance", "area"):
                torch.testing.assert_close(alone[name], whole[name][index : index + 1], atol=1e-5, rtol=0)


def test_every_parameter_learns_also_with_static_vectors(tiny_model, features, tokens, random_features):
    tiny_model.spatial = StaticIntensityConfig(bands=8)
    model = ElsaModel(tiny_model, features)
    assert parameter_table(model)["spatial"] == 0
    total_loss(model(random_features(3, 50), tokens)).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_bf16_towers_give_float32_embeddings_and_estimates(model, tokens, random_features):
    model.eval()
    features = random_features(3, 50)
    with torch.no_grad():
        exact = model(features, tokens)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(features, tokens)
    assert all(value.dtype == torch.float32 for value in rough.values())
    torch.testing.assert_close(rough["audio"].norm(dim=1), torch.ones(3))  # normalised in float32: to 1e-6, not to bf16's 1e-2
    assert 0 < (rough["audio"] - exact["audio"]).abs().max() < 0.05
    torch.testing.assert_close(model.heads(rough["audio"])["distance"], rough["distance"])


def test_a_training_step_in_bf16_reaches_every_parameter(model, tokens, random_features):
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(random_features(3, 50), tokens)
    total_loss(outputs).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_temperature_stays_in_its_range(model):
    for log_scale, kept in ((9.0, math.log(100)), (-1.0, 0.0), (2.0, 2.0)):
        with torch.no_grad():
            model.logit_scale.fill_(log_scale)
        model.clamp_logit_scale()
        assert model.logit_scale.item() == pytest.approx(kept)
        assert model.logit_scale_exp.item() == pytest.approx(math.exp(kept))
    assert model.logit_scale.requires_grad


@pytest.mark.parametrize("temperature", [0.0, 0.001, 2.0])
def test_a_temperature_outside_its_range_is_refused(tiny_model, features, temperature):
    tiny_model.temperature = temperature
    with pytest.raises(ConfigError, match=r"model\.temperature"):
        ElsaModel(tiny_model, features)


def test_weights_round_trip_through_a_file(model, tiny_model, features, tokens, random_features, tmp_path):
    batch = random_features(3, 50)
    model.train()(batch, tokens)  # moves the running statistics
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    again = ElsaModel(tiny_model, features)
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    with torch.no_grad():
        first, second = model.eval()(batch, tokens), again.eval()(batch, tokens)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_heads_by_hand():
    heads = RegressionHeads(4, 2)
    audio = unit(torch.tensor([[3.0, 4.0, 0.0, 0.0]]))
    out = heads(audio)
    first, _, second = heads.distance
    by_hand = torch.relu(audio * 2 @ first.weight.T + first.bias) @ second.weight.T + second.bias
    torch.testing.assert_close(out["distance"], by_hand[:, 0])
    torch.testing.assert_close(audio[0], torch.tensor([0.6, 0.8, 0.0, 0.0]))


def test_unit_vectors_of_nothing_are_finite():
    assert unit(torch.zeros(1, 3)).tolist() == [[0, 0, 0]]
    assert unit(torch.ones(2, 4, dtype=torch.bfloat16)).dtype == torch.float32


def test_projection_is_two_layers():
    assert sum(p.numel() for p in Projection(960, 512, 512).parameters()) == 960 * 512 + 512 + 512 * 512 + 512


def test_without_a_spatial_branch_the_intensity_does_not_matter(features, random_features):
    parts = {"semantic": SemanticCnnConfig(channels=[4]), "spatial": NoSpatialConfig(), "text": TinyTextConfig()}
    model = ElsaModel(ModelConfig(**parts, embedding=16), features)
    first, second = (random_features(2, 40, seed=seed) for seed in (0, 1))
    second.log_mel = first.log_mel
    model.eval()
    assert torch.equal(model.embed_audio(first), model.embed_audio(second)) and parameter_table(model)["spatial"] == 0
