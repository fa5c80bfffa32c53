"""States looked up are the states computed; a folder that is not whole is refused; every caption of a training is foreseen."""

import numpy as np
import pytest
import torch

from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.text_states import STATES, TextStates, TextStatesWriter, caption_key
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.schema import AugmentationConfig

CAPTIONS = ["rain", "a dog on the left", "two cats, far away in a large room"]


@pytest.fixture
def states():
    torch.manual_seed(0)
    return torch.randn(3, 8, 5), torch.tensor([[1] * n + [0] * (8 - n) for n in (1, 5, 8)])


@pytest.fixture
def folder(tmp_path, states):
    writer = TextStatesWriter(tmp_path / "states", 14, 5)
    writer.add(CAPTIONS[:2], states[0][:2], states[1][:2])
    writer.add(CAPTIONS[2:], states[0][2:], states[1][2:])
    writer.close()
    return tmp_path / "states"


def test_what_was_written_is_looked_up_in_any_order_and_batch(folder, states):
    found = TextStates(folder)
    assert len(found) == 3
    for rows in ([0, 1, 2], [2, 0], [1, 1], [0]):
        looked = found([CAPTIONS[i] for i in rows])
        longest = int(states[1][rows].sum(1).max())
        mask = states[1][rows][:, :longest]
        assert torch.equal(looked["attention_mask"], mask)
        assert torch.equal(looked["states"], (states[0][rows][:, :longest] * mask[..., None]).half())


def test_a_caption_that_nobody_encoded_is_refused(folder):
    with pytest.raises(DataError, match="a parrot"):
        TextStates(folder)(["rain", "a parrot"])


@pytest.mark.parametrize("name", ["states.npy", "captions.npz", "manifest.json"])
def test_a_file_that_is_missing_or_cut_short_is_named(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as fault:
        TextStates(folder)
    assert str(folder) in fault.value.message and fault.value.remedy
    (folder / name).unlink()
    with pytest.raises(DataError):
        TextStates(folder)


def test_states_of_another_shape_are_refused(folder):
    np.save(folder / STATES, np.zeros((14, 4), np.float16))
    with pytest.raises(DataError, match=r"\(14, 4\)"):
        TextStates(folder)


def test_an_unfinished_folder_is_no_folder(tmp_path, folder, states):
    writer = TextStatesWriter(folder, 14, 5)  # begins anew: the old manifest must not vouch for it
    writer.add(CAPTIONS[:2], states[0][:2], states[1][:2])
    with pytest.raises(DataError):
        TextStates(folder)
    with pytest.raises(ValueError, match="14"):
        writer.close()


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path):
    with pytest.raises(RunError, match="needed"):
        TextStatesWriter(tmp_path / "much", 10**13, 384)
    assert not (tmp_path / "much" / STATES).exists()


def test_keys_differ():
    assert len({caption_key(caption) for caption in (*CAPTIONS, "Rain", "rain ")}) == 5


@pytest.mark.parametrize("group", [1, 2])
def test_the_captions_foreseen_are_those_of_the_batches(cfg, corpus, banks, tokenizer, tmp_path, group):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True)
    cfg.data.group = group
    caches = {"train": render_cache(cfg, corpus, banks["train"], "train", tmp_path / "c", workers=0)}
    data = SpatialAudioText(cfg, corpus, banks, tokenizer, caches)
    foreseen = list(SpatialAudioText(cfg, corpus, {"train": banks["train"]}, tokenizer).training_captions())
    assert foreseen == [data.on_before_batch_transfer(batch).captions for batch in data.train_dataloader()]
    assert len(foreseen) == cfg.trainer.steps and len({caption for batch in foreseen for caption in batch}) > 10


def test_batches_take_their_states_and_validation_its_tokens(cfg, corpus, banks, tokenizer, tmp_path):
    splits = {split: render_cache(cfg, corpus, banks[split], split, tmp_path / split, workers=0) for split in ("train", "val")}
    captions = dict.fromkeys(c for batch in SpatialAudioText(cfg, corpus, banks, tokenizer).training_captions() for c in batch)
    writer = TextStatesWriter(tmp_path / "states", 2 * len(captions), 3)
    for number, caption in enumerate(captions):
        writer.add([caption], torch.full((1, 2, 3), float(number)), torch.ones(1, 2, dtype=torch.int64))
    writer.close()
    data = SpatialAudioText(cfg, corpus, banks, tokenizer, splits, TextStates(tmp_path / "states"))
    for batch in data.train_dataloader():
        batch = data.on_before_batch_transfer(batch)
        assert batch.tokens["states"][:, 0, 0].tolist() == [list(captions).index(caption) for caption in batch.captions]
    assert "input_ids" in data.on_before_batch_transfer(next(iter(data.val_dataloader()))).tokens
