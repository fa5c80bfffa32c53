"""Checkpoints of others, written here with random weights in their formats: every tensor arrives, every name is accounted for."""

from __future__ import annotations

import numpy
import pytest
import torch

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models import ElsaModel
from elsa_lightning.models.semantic import build_semantic
from elsa_lightning.models.text import build_text
from elsa_lightning.schema import CoordCnnConfig, HtsatConfig, ModelConfig, RobertaConfig
from elsa_lightning.weights import checkpoint_hash, find_checkpoint

AUDIO = dict(
    spec_size=64, num_mel_bins=64, hidden_size=32, patch_embeds_hidden_size=16, depths=[2, 1], num_attention_heads=[1, 2],
    num_hidden_layers=2, projection_dim=24,
)  # fmt: skip
TEXT = dict(vocab_size=99, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, projection_dim=24)


@pytest.fixture
def clap():
    """A small CLAP whose every weight and statistic is random."""
    from transformers import ClapConfig, ClapModel

    model = ClapModel(ClapConfig(audio_config=AUDIO, text_config=TEXT, projection_dim=24))
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator) * 0.2
            tensor.copy_(noise.abs() + 0.5 if "running_var" in name else noise + tensor.mean())
    return model.eval()


@pytest.fixture
def tokens():
    mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    return {"input_ids": torch.where(mask > 0, torch.randint(4, 99, mask.shape), 1), "attention_mask": mask}


LAION_AUDIO = [
    ("audio_model.audio_encoder.", "audio_branch."),
    ("batch_norm.", "bn0."),
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
    ("attention.output.dense", "attn.proj"),
    ("attention.self.", "attn."),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
]


def laion(clap) -> dict[str, torch.Tensor]:
    """The state of LAION's own module: its names, query, key and value in one, its front end, classifier and unused transforms."""
    state = {}
    for name, tensor in clap.state_dict().items():
        if name.startswith("audio_model."):
            for ours, theirs in LAION_AUDIO:
                name = name.replace(ours, theirs)
        elif name.startswith("text_model."):
            name = name.replace("text_model.", "text_branch.")
        name = name.replace("_projection.linear1", "_projection.0").replace("_projection.linear2", "_projection.2")
        state[name] = tensor.clone()
    for name in [name for name in state if ".attn.query." in name]:
        parts = [state.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        state[name.replace("query", "qkv")] = torch.cat(parts)
    state.pop("text_branch.embeddings.token_type_ids")
    state["audio_branch.layers.0.blocks.1.attn_mask"] = torch.zeros(4, 64, 64)
    for name in ("audio_branch.spectrogram_extractor.stft.conv_real.weight", "audio_branch.logmel_extractor.melW",
                 "audio_branch.tscam_conv.weight", "audio_branch.head.bias", "text_transform.sequential.0.weight",
                 "audio_transform.sequential.3.bias"):  # fmt: skip
        state[name] = torch.zeros(3)
    return state


def written(kind: str, clap, folder):
    """A checkpoint of a kind, and its name for the configuration."""
    if kind in ("folder", "lone"):
        clap.save_pretrained(folder)
        return folder if kind == "folder" else folder / "model.safetensors"
    if kind == "bin":
        clap.save_pretrained(folder)
        torch.save(clap.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        return folder
    state = {f"module.{name}": tensor for name, tensor in laion(clap).items()}
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    best = {"best": numpy.float64(0.9), "epoch": numpy.int64(15)}
    torch.save({"epoch": 15, "name": "630k", "state_dict": state, "optimizer": optimizer, **best}, folder / "clap.pt")
    return folder / "clap.pt"


@pytest.mark.parametrize("kind", ["folder", "lone", "bin", "laion"])
def test_the_audio_encoder_is_transformers_own(kind, clap, features, random_features, tmp_path):
    checkpoint = written(kind, clap, tmp_path)
    branch = build_semantic(HtsatConfig(checkpoint=str(checkpoint), spec_size=128 if kind != "folder" else 256), features)
    assert branch.training and branch.frames == 64 and branch.width == 32
    log_mel = random_features(2, 64).log_mel
    with torch.no_grad():
        wanted = clap.audio_model(log_mel).pooler_output
        assert torch.equal(branch.eval()(log_mel), wanted) and wanted.std() > 0.01
    expected = {name.removeprefix("audio_model."): t for name, t in clap.state_dict().items() if name.startswith("audio_model.")}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in branch.model.state_dict().items())


@pytest.mark.parametrize("kind", ["folder", "lone", "bin", "laion"])
def test_the_text_encoder_is_transformers_own(kind, clap, tokens, tmp_path):
    checkpoint = written(kind, clap, tmp_path)
    tower = build_text(RobertaConfig(checkpoint=str(checkpoint), heads=2))
    assert tower.training and tower.width == 16
    with torch.no_grad():
        wanted = clap.text_model(**tokens).pooler_output
        # LAION's text branch is RoBERTa with its own epsilon, 1e-5; transformers' copy of CLAP says 1e-12
        torch.testing.assert_close(tower.eval()(tokens), wanted, atol=1e-3 if kind == "laion" else 1e-6, rtol=0)
    assert tower.model.config.layer_norm_eps == (1e-5 if kind == "laion" else 1e-12)
    assert wanted.std() > 0.05
    expected = {name.removeprefix("text_model."): t for name, t in clap.state_dict().items() if name.startswith("text_model.")}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tower.model.state_dict().items())


def test_roberta_alone_and_under_its_head_are_transformers_own(tokens, tmp_path):
    from transformers import RobertaConfig as Sizes
    from transformers import RobertaForMaskedLM, RobertaModel

    sizes = Sizes(vocab_size=99, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, layer_norm_eps=1e-5)
    alone = RobertaModel(sizes).eval()
    alone.save_pretrained(tmp_path / "alone")
    headed = RobertaForMaskedLM(sizes).eval()
    headed.save_pretrained(tmp_path / "headed")
    with torch.no_grad():
        assert torch.equal(build_text(RobertaConfig(checkpoint=str(tmp_path / "alone"))).eval()(tokens), alone(**tokens).pooler_output)
        tower = build_text(RobertaConfig(checkpoint=str(tmp_path / "headed"))).eval()  # no pooler there, as in roberta-base
        assert torch.equal(tower.model(**tokens).last_hidden_state, headed.roberta(**tokens).last_hidden_state)


@pytest.mark.parametrize("kind", ["folder", "laion"])
def test_with_the_projections_elsa_starts_as_clap(kind, clap, features, random_features, tokens, tmp_path):
    checkpoint = str(written(kind, clap, tmp_path))
    cfg = ModelConfig(
        semantic=HtsatConfig(checkpoint=checkpoint, projection=True),
        text=RobertaConfig(checkpoint=checkpoint, projection=True, heads=2),
        spatial=CoordCnnConfig(channels=[4, 8], hidden=[16]),
        embedding=24,
    )
    model, batch = ElsaModel(cfg, features).eval(), random_features(2, 64)
    with torch.no_grad():
        out = clap(input_features=batch.log_mel, **tokens)
        torch.testing.assert_close(model.embed_audio(batch), out.audio_embeds, atol=1e-6, rtol=0)
        torch.testing.assert_close(model.embed_text(tokens), out.text_embeds, atol=1e-3 if kind == "laion" else 1e-6, rtol=0)
    model.train().embed_audio(batch)[:, 0].sum().backward()
    assert model.audio_projection[0].weight.grad[:, 32:].abs().max() > 0  # the spatial columns learn from the first step on
    cfg.embedding = 16
    with pytest.raises(ConfigError, match=r"projects 32 → 24 → 24.*(?s:.)*model\.embedding=24"):
        ElsaModel(cfg, features)


def test_a_projection_that_is_not_there_is_refused(clap, features, tmp_path):
    clap.audio_model.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=r"model\.semantic\.projection: .* holds no projection"):
        build_semantic(HtsatConfig(checkpoint=str(tmp_path), projection=True), features)


BLOCK, NORM = "layers.0.blocks.1.mlp.fc2.bias", "norm.bias"


@pytest.mark.parametrize(
    ("dropped", "added", "words"),
    [
        (f"audio_branch.{BLOCK}", {}, "1 missing: audio_encoder.layers.0.blocks.1.output.dense.bias"),
        (None, {"audio_branch.extra.weight": 1}, "1 left over: audio_encoder.extra.weight"),
        (None, {"mystery": 1}, "1 left over: mystery"),
        (None, {f"audio_branch.{NORM}": 5}, r"1 of another size: audio_encoder.norm.bias \(5,\) instead of \(32,\)"),
        ("", {}, "holds no tensors"),
        ("audio_branch", {}, "holds none of the names `audio_branch.`"),
        (None, {"audio_branch.patch_embed.mel_conv2d.bias": 1}, "fused CLAP"),
    ],
    ids=["missing", "left over", "foreign", "size", "empty", "text alone", "fused"],
)
def test_every_name_is_accounted_for(dropped, added, words, clap, features, tmp_path):
    state = {name: tensor for name, tensor in laion(clap).items() if dropped is None or not name.startswith(dropped)}
    state |= {name: torch.ones(size) for name, size in added.items()}
    torch.save({"state_dict": state}, tmp_path / "clap.pt")
    with pytest.raises((DataError, ConfigError), match=words):
        build_semantic(HtsatConfig(checkpoint=str(tmp_path / "clap.pt")), features)


def test_missing_and_left_over_names_of_the_text_encoder(clap, tmp_path):
    state = laion(clap)
    del state["text_branch.pooler.dense.bias"]  # only RoBERTa alone may lack its pooler
    state["text_branch.more"] = torch.ones(1)
    torch.save(state, tmp_path / "clap.pt")
    with pytest.raises(DataError, match=r"1 missing: pooler\.dense\.bias; 1 left over: more"):
        build_text(RobertaConfig(checkpoint=str(tmp_path / "clap.pt"), heads=2))


def test_long_lists_are_cut(clap, features, tmp_path):
    state = laion(clap) | {f"mystery.{i}": torch.ones(1) for i in range(50)}
    torch.save(state, tmp_path / "clap.pt")
    with pytest.raises(DataError, match=r"50 left over: .*mystery\.19 and 30 more"):
        build_semantic(HtsatConfig(checkpoint=str(tmp_path / "clap.pt")), features)


class Runs:
    def __reduce__(self):
        return print, ("this must not run",)


def test_files_that_could_run_code_are_refused(capsys, clap, features, tmp_path):
    torch.save({"state_dict": laion(clap), "args": Runs()}, tmp_path / "clap.pt")
    with pytest.raises(DataError, match=r"(?s)clap\.pt cannot be read.*weights_only=False"):
        build_semantic(HtsatConfig(checkpoint=str(tmp_path / "clap.pt")), features)
    assert "must not run" not in capsys.readouterr().out


def test_what_identifies_a_checkpoint(clap, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    clap.save_pretrained(here)
    clap.save_pretrained(there)
    assert checkpoint_hash(str(here), "k") == checkpoint_hash(str(there), "k")
    clap.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(find_checkpoint(str(tmp_path / "shards"), "k").weights) > 1
    with pytest.raises(DataError, match="no file of weights"):
        find_checkpoint(str(here / "config.json"), "k")
    (here / "config.json").unlink()
    with pytest.raises(DataError, match=r"no config\.json"):
        find_checkpoint(str(here), "k")


def test_sharded_checkpoints_are_read_whole(clap, tokens, tmp_path):
    clap.save_pretrained(tmp_path, max_shard_size="20KB")
    with torch.no_grad():
        tower = build_text(RobertaConfig(checkpoint=str(tmp_path))).eval()
        torch.testing.assert_close(tower(tokens), clap.text_model(**tokens).pooler_output, atol=1e-6, rtol=0)
