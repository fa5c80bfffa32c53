"""From an audio embedding to a caption: one dense layer makes a prefix, GPT-2 goes on from it (the paper's captioner).

    audio (B, E) → standardised → dense → prefix (B, P, H) → GPT-2 → caption, closed by the end token

The embedding is standardised by the training clips' mean and deviation, which the dense layer could take in: it remains one affine map, but
embeddings in a narrow cone are no slower to learn from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.pretrained import load_pretrained, load_weights, refuse
from elsa_lightning.models.rewriter import RowSampler
from elsa_lightning.schema import CaptionerConfig, PretrainedGpt2Config, SmallGpt2Config

END = "<|endoftext|>"
"""GPT-2's only special token: it closes a caption, and pads after it."""

_KEY = "captioner.language.checkpoint"
_IGNORED = -100


class PrefixCaptioner(nn.Module):
    """The dense layer and GPT-2.

    Args:
        language: a GPT2LMHeadModel.
        mean: `(E,)`, of the training clips' embeddings.
        std: `(E,)`, their deviation.
        prefix_length: P.
        deaf: every embedding counts as the mean.
    """

    def __init__(self, language: Any, mean: Tensor, std: Tensor, prefix_length: int = 1, deaf: bool = False) -> None:
        super().__init__()
        self.language, self.prefix_length, self.deaf = language, prefix_length, deaf
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(std > 0, std, 1.0))
        self.dense = nn.Linear(len(mean), prefix_length * language.config.n_embd)

    def prefix(self, audio: Tensor) -> Tensor:
        """`(B, E)` → `(B, P, H)`."""
        standardised = torch.zeros_like(audio) if self.deaf else (audio - self.mean) / self.std
        return self.dense(standardised).unflatten(1, (self.prefix_length, -1))

    def forward(self, audio: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Mean cross-entropy of the captions' tokens, each from the prefix and those before it.

        Args:
            audio: `(B, E)`.
            ids: `(B, L)`, of captions and their end.
            mask: `(B, L)`, 1 there and 0 on the padding behind.
        """
        prefix = self.prefix(audio)
        before = torch.cat([prefix, self.language.transformer.wte(ids[:, :-1]).to(prefix.dtype)], 1)  # (B, P + L − 1, H)
        seen = torch.cat([mask.new_ones(len(mask), self.prefix_length), mask[:, :-1]], 1)
        logits = self.language(inputs_embeds=before, attention_mask=seen, use_cache=False).logits[:, self.prefix_length - 1 :]  # (B, L, V)
        return nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), ids.masked_fill(mask == 0, _IGNORED).flatten(), ignore_index=_IGNORED
        )

    @torch.inference_mode()
    def generate(self, audio: Tensor, end: int, max_tokens: int, beam: int = 1, length_penalty: float = 1.0) -> list[list[int]]:
        """The captions' tokens, without their end: of greedy search, or of the best of `beam` beams. Nothing is drawn at random.

        Args:
            audio: `(B, E)`.
            end: id of the end token.
            max_tokens: where a caption without an end is cut.
            beam: number of beams.
            length_penalty: a beam's log-probability is divided by its length to this power.
        """
        options = {"num_beams": beam, "length_penalty": length_penalty} if beam > 1 else {}
        return self._search(audio, end, max_tokens, options)

    @torch.inference_mode()
    def draw(self, audio: Tensor, end: int, max_tokens: int, seeds: Sequence[int]) -> list[list[int]]:
        """A caption of each of `(B, E)` drawn from the model, by the row's own seed: whatever the rows beside it, and on any device."""
        return self._search(audio, end, max_tokens, {}, [RowSampler(1.0, seeds, max_tokens)])

    def _search(self, audio: Tensor, end: int, max_tokens: int, options: dict[str, Any], processors: Sequence[Any] = ()) -> list[list[int]]:
        from transformers import GenerationConfig

        config = GenerationConfig(max_new_tokens=max_tokens, do_sample=False, eos_token_id=end, pad_token_id=end, **options)
        prefix = self.prefix(audio)
        seen = torch.ones(prefix.shape[:2], dtype=torch.int64, device=audio.device)
        rows = self.language.generate(
            inputs_embeds=prefix, attention_mask=seen, generation_config=config, logits_processor=list(processors)
        ).tolist()
        return [row[: row.index(end)] if end in row else row for row in rows]


def train_tokenizer(captions: Iterable[str], vocab_size: int) -> Any:
    """A byte-pair tokenizer of captions: any text comes back as it was.

    Args:
        captions: what it is made from; equal ones give equal tokenizers.
        vocab_size: most tokens, the 256 bytes and the end among them.
    """
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[END], initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(captions, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False)


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a folder or hub name.

    Raises:
        DataError: it cannot be had, or has no end token.
    """
    from transformers import AutoTokenizer

    tokenizer = load_pretrained(AutoTokenizer.from_pretrained, name, _KEY)
    if tokenizer.eos_token_id is None:
        raise DataError(f"{_KEY}: the tokenizer of {name} has no end token", "name a GPT-2")
    return tokenizer


def build_language(cfg: CaptionerConfig, tokens: int) -> Any:
    """The GPT2LMHeadModel of a configuration: from its checkpoint, or from scratch.

    Args:
        cfg: with `language`.
        tokens: of its tokenizer.

    Raises:
        DataError: the checkpoint cannot be had, or is of another kind.
        ConfigError: prefix and caption are longer than it reads.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    length = cfg.prefix_length + cfg.max_tokens
    if isinstance(cfg.language, SmallGpt2Config):
        own = cfg.language
        sizes = {"n_embd": own.hidden_size, "n_layer": own.layers, "n_head": own.heads, "n_positions": length, "vocab_size": tokens}
        drops = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), own.dropout)
        return GPT2LMHeadModel(GPT2Config(**sizes, **drops, bos_token_id=None, eos_token_id=None))
    assert isinstance(cfg.language, PretrainedGpt2Config)
    name = cfg.language.checkpoint
    language, missing = load_weights(GPT2LMHeadModel, name, _KEY, tolerated=["lm_head"])
    if missing:
        raise refuse(name, _KEY, missing)
    if language.config.vocab_size < tokens:
        raise DataError(f"{_KEY}: the tokenizer of {name} has {tokens} tokens, its model {language.config.vocab_size}", "name a GPT-2")
    if language.config.n_positions < length:
        raise ConfigError(
            f"captioner.prefix_length + captioner.max_tokens is {length}, and {name} reads {language.config.n_positions}", "lower them"
        )
    return language


def captioner_of(folder: Path, width: int, prefix_length: int, deaf: bool) -> PrefixCaptioner:
    """A captioner with the sizes of a folder's `config.json`, for weights to be loaded into.

    Args:
        folder: where the language's config was saved.
        width: E.
        prefix_length: P.
        deaf: see `PrefixCaptioner`.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    language = GPT2LMHeadModel(GPT2Config.from_pretrained(str(folder), local_files_only=True))
    return PrefixCaptioner(language, torch.zeros(width), torch.ones(width), prefix_length, deaf)


def encode(tokenizer: Any, captions: Sequence[str], max_tokens: int) -> tuple[Tensor, Tensor]:
    """Captions → ids and mask `(B, L)`: each cut to `max_tokens` with its end, padded on the right.

    A caption that is cut has no end: the model is not to learn that a sentence ends there.
    """
    end = tokenizer.eos_token_id
    rows = [[*tokenizer(caption, add_special_tokens=False)["input_ids"], end][:max_tokens] for caption in captions]
    length = max(map(len, rows))
    ids = torch.tensor([row + [end] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    return ids, mask


def decode(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Tokens → captions."""
    return [" ".join(tokenizer.decode(list(row), skip_special_tokens=True, clean_up_tokenization_spaces=False).split()) for row in rows]
