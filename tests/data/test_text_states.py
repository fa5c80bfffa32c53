"""States looked up are the states computed; a folder that is not whole is refused; every caption of a training is foreseen."""

import json

import pytest
import torch
from safetensors.torch import save_file

from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.text_states import TextStates, caption_key, has_part, part_path, write_manifest, write_part
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import AugmentationConfig

CAPTIONS = ["rain", "a dog on the left", "two cats, far away in a large room"]


@pytest.fixture
def states():
    torch.manual_seed(0)
    return [torch.randn(n, 5) for n in (1, 5, 8)]


@pytest.fixture
def folder(tmp_path, states):
    write_part(tmp_path, 0, CAPTIONS[:2], states[:2])
    write_part(tmp_path, 1, CAPTIONS[2:], states[2:])
    write_manifest(tmp_path, 2, 3)
    return tmp_path


def test_what_was_written_is_looked_up_in_any_order_and_batch(folder, states):
    found = TextStates(folder)
    assert len(found) == 3
    for rows in ([0, 1, 2], [2, 0], [1, 1], [0]):
        looked = found([CAPTIONS[i] for i in rows])
        assert looked["states"].shape[1] == max(len(states[i]) for i in rows)
        for row, i in enumerate(rows):
            count = len(states[i])
            assert torch.equal(looked["states"][row, :count], states[i].half()) and not looked["states"][row, count:].any()
            assert looked["attention_mask"][row].tolist() == [1] * count + [0] * (looked["states"].shape[1] - count)


def test_a_caption_that_nobody_encoded_is_refused(folder):
    with pytest.raises(DataError, match="a parrot"):
        TextStates(folder)(["rain", "a parrot"])


@pytest.mark.parametrize("name", ["part-0000.safetensors", "part-0001.safetensors", "manifest.json"])
def test_a_file_that_is_missing_or_cut_short_is_named(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as fault:
        TextStates(folder)
    assert name in fault.value.message and fault.value.remedy
    (folder / name).unlink()
    with pytest.raises(DataError):
        TextStates(folder)


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"format": 2, "parts": 2, "captions": 3}', '{"format": 1, "parts": 1, "captions": 3}'])
def test_a_manifest_of_something_else_is_refused(folder, manifest):
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(DataError):
        TextStates(folder)


def test_a_caption_that_is_there_twice_is_noticed(folder, states):
    write_part(folder, 1, CAPTIONS[:1], states[:1])
    with pytest.raises(DataError, match="holds 2 captions"):
        TextStates(folder)


def test_only_whole_parts_with_the_same_captions_count_as_done(folder):
    assert has_part(folder, 0, CAPTIONS[:2]) and has_part(folder, 1, CAPTIONS[2:])
    assert not has_part(folder, 0, CAPTIONS[:1]) and not has_part(folder, 0, CAPTIONS[1::-1]) and not has_part(folder, 2, CAPTIONS)
    part_path(folder, 0).write_bytes(part_path(folder, 0).read_bytes()[:-8])
    assert not has_part(folder, 0, CAPTIONS[:2])
    save_file({"other": torch.zeros(1)}, part_path(folder, 1))
    assert not has_part(folder, 1, CAPTIONS[2:])


def test_keys_differ_and_fit_a_signed_integer():
    keys = {caption_key(caption) for caption in (*CAPTIONS, "Rain", "rain ")}
    assert len(keys) == 5 and all(0 <= key < 2**63 for key in keys)
    assert json.loads(json.dumps(caption_key("rain"))) == caption_key("rain")


@pytest.mark.parametrize("change", ["", "group", "balance", "epochs", "mono"])
def test_the_captions_foreseen_are_those_of_the_batches(cfg, corpus, banks, tokenizer, tmp_path, change):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True)
    cfg.data.rendering = "cached"
    cfg.data.group = 2 if change == "group" else 1
    cfg.rooms.elevation_balance = 8.0 if change == "balance" else 1.0
    cfg.data.mono_share = 0.8 if change == "mono" else 0.2
    cfg.trainer.steps, cfg.trainer.epochs = (0, 2) if change == "epochs" else (12, 1)
    caches = {"train": render_cache(cfg, corpus, banks["train"], "train", tmp_path / "c", workers=0)}
    data = SpatialAudioText(cfg, corpus, banks, tokenizer, caches)
    foreseen = list(SpatialAudioText(cfg, corpus, {"train": banks["train"]}, tokenizer).training_captions())
    assert foreseen == [data.on_before_batch_transfer(batch).captions for batch in data.train_dataloader()]
    assert len(foreseen) >= 12 and len({caption for batch in foreseen for caption in batch}) > 10


def test_captions_of_a_stream_cannot_be_foreseen(cfg, corpus, banks, tokenizer):
    cfg.data.rendering = "stream"
    with pytest.raises(ConfigError, match=r"data\.rendering"):
        next(SpatialAudioText(cfg, corpus, banks, tokenizer).training_captions())


def test_batches_take_their_states_and_validation_its_tokens(cfg, corpus, banks, tokenizer, tmp_path):
    cfg.data.rendering = "cached"
    splits = {split: render_cache(cfg, corpus, banks[split], split, tmp_path / split, workers=0) for split in ("train", "val")}
    batches = SpatialAudioText(cfg, corpus, banks, tokenizer).training_captions()
    captions = list(dict.fromkeys(caption for batch in batches for caption in batch))
    write_part(tmp_path, 0, captions, [torch.full((2, 3), float(number)) for number in range(len(captions))])
    write_manifest(tmp_path, 1, len(captions))
    data = SpatialAudioText(cfg, corpus, banks, tokenizer, splits, TextStates(tmp_path))
    for batch in data.train_dataloader():
        batch = data.on_before_batch_transfer(batch)
        assert batch.tokens["states"][:, 0, 0].tolist() == [captions.index(caption) for caption in batch.captions]
    assert "input_ids" in data.on_before_batch_transfer(next(iter(data.val_dataloader()))).tokens
