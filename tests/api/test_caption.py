"""`model.caption` and a captioner on its way through a model's folder, with random weights."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from elsa_lightning import Elsa
from elsa_lightning.api import folder as folders
from elsa_lightning.api.config_file import identity
from elsa_lightning.api.folder import Captioner, portable
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.captioner import PrefixCaptioner, build_language, decode, train_tokenizer
from elsa_lightning.schema import CaptionerConfig, SmallGpt2Config

from .conftest import RATE, foa, noise

CAPTIONS = ["A dog barks on the left.", "Rain far away, in a small room.", "A bell rings behind you."]


SOUNDS = [foa(1.0, 0), foa(2.3, 1), foa(0.7, 2)]


@pytest.fixture(scope="module")
def speaking(parts):
    """The small model with a captioner that says something else of each embedding."""
    small = SmallGpt2Config(layers=1, heads=2, hidden_size=16, dropout=0.0)
    own = CaptionerConfig(enabled=True, language=small, prefix_length=2, max_tokens=12, beam=3)
    tokenizer = train_tokenizer(CAPTIONS, 290)
    torch.manual_seed(3)
    width = parts.experiment.model.embedding
    network = PrefixCaptioner(build_language(own, len(tokenizer)), torch.zeros(width), torch.full((width,), 0.02), 2)
    with torch.no_grad():  # or it would say one token for ever, of every sound
        network.mean.copy_(torch.from_numpy(Elsa(parts, "cpu").embed_audio(SOUNDS)).mean(0))
        network.dense.weight.normal_(std=2.0)
        network.language.transformer.wpe.weight.normal_(std=1.0)
    experiment = dataclasses.replace(parts.experiment, captioner=own)
    return Elsa(dataclasses.replace(parts, experiment=experiment, captioner=Captioner(network.eval(), tokenizer)), "cpu", batch_size=2)


@pytest.fixture(scope="module")
def speaking_folder(speaking, tmp_path_factory):
    place = tmp_path_factory.mktemp("speaking") / "model"
    speaking.save_pretrained(place)
    return place


def greedy(model, sound) -> str:
    """The slow oracle: the whole sequence through the language model for each next token."""
    network, tokenizer = model.parts.captioner.network, model.parts.captioner.tokenizer
    prefix, ids = network.prefix(torch.from_numpy(model.embed_audio(sound))[None]), []
    with torch.no_grad():
        while len(ids) < 12:
            words = network.language.transformer.wte(torch.tensor([ids], dtype=torch.long))
            best = int(network.language(inputs_embeds=torch.cat([prefix, words], 1)).logits[0, -1].argmax())
            if best == tokenizer.eos_token_id:
                break
            ids.append(best)
    return decode(tokenizer, [ids])[0]


def test_captions_are_the_search_from_the_sounds_embedding(speaking):
    said = speaking.caption(SOUNDS, beam=1)
    assert said == [greedy(speaking, sound) for sound in SOUNDS]
    assert len(set(said)) == 3 and all(said)
    assert speaking.caption(SOUNDS[1], beam=1) == said[1]  # one of a batch, alone


def test_beams_are_the_captioners_own_unless_told(speaking):
    said = speaking.caption(SOUNDS)
    assert said == speaking.caption(SOUNDS, beam=3) == speaking.caption(SOUNDS)
    audio = torch.from_numpy(speaking.embed_audio(SOUNDS))
    captioner = speaking.parts.captioner
    assert said == decode(captioner.tokenizer, captioner.network.generate(audio, captioner.tokenizer.eos_token_id, 12, 3, 1.0))


def test_a_folder_carries_the_captioner(speaking, speaking_folder, folder):
    again = Elsa.from_pretrained(speaking_folder, device="cpu")
    assert again.caption(SOUNDS) == speaking.caption(SOUNDS) and again.caption(SOUNDS, beam=1) == speaking.caption(SOUNDS, beam=1)
    assert (again.embed_audio(SOUNDS[0]) == speaking.embed_audio(SOUNDS[0])).all()
    assert json.loads((speaking_folder / "config.json").read_text())["captioner"] is True
    assert "model.caption" in (speaking_folder / "README.md").read_text() and "model.caption" not in (folder / "README.md").read_text()
    state = torch.random.get_rng_state()
    Elsa.from_pretrained(speaking_folder, device="cpu")
    assert (torch.random.get_rng_state() == state).all()


def test_a_damaged_captioner_is_named(speaking, speaking_folder, tmp_path):
    experiment = speaking.parts.experiment
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        place = tmp_path / name
        shutil.copytree(speaking_folder / "captioner", place / "captioner")
        (place / "captioner" / name).unlink()
        with pytest.raises(DataError, match="captioner"):
            folders.read_captioner(experiment, place)
    with pytest.raises(DataError, match="no folder captioner"):
        folders.read_captioner(experiment, tmp_path)


def test_an_index_does_not_ask_for_the_captioners_weights(speaking, speaking_folder, tmp_path):
    before = identity(speaking_folder)
    shutil.copytree(speaking_folder, tmp_path / "model")
    (tmp_path / "model" / "captioner" / "model.safetensors").write_bytes(b"x")
    assert identity(tmp_path / "model") == before


def test_no_place_of_the_disk_is_kept(speaking):
    own = dataclasses.replace(speaking.parts.experiment.captioner, scorer_python="/home/me/aac/bin/python", java="/opt/java8/bin/java")
    kept = portable(dataclasses.replace(speaking.parts.experiment, captioner=own)).captioner
    assert (kept.scorer_python, kept.java) == ("python", "java")


def test_what_cannot_be_captioned_is_refused(speaking, model):
    with pytest.raises(ConfigError, match=r"no captioner[\s\S]*captioner.enabled=true"):
        model.caption(SOUNDS)
    with pytest.raises(ConfigError, match="beam = 0"):
        speaking.caption(SOUNDS, beam=0)
    with pytest.raises(DataError, match="mono"):
        speaking.caption(noise(1.0, 1), rate=RATE)
    with pytest.raises(DataError, match="silent"):
        speaking.caption(np.zeros((4, RATE), np.float32), rate=RATE)
