"""A causal language model of transformers that rewrites captions (a `captions.rewrite.TextGenerator`).

Sampling is drawn here instead of by `generate`: one uniform number per row and token, from the row's own seed, is looked up in the
distribution's running sum. A row's answer then depends on neither its neighbours nor the device's random numbers, save for the rounding of
logits, which the padding of a batch can move.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.pretrained import load_pretrained, refuse

_KEY = "--model"
_EDGE = 1 << 16
"""Bytes read from both ends of each file of a model's folder to tell it from another."""


class TransformersRewriter:
    """Answers prompts with an instruct model (its chat template is used) or a base model (it continues "Sentence:", up to the line's end).

    Nothing is loaded before the first call.

    Args:
        name: hub name or local folder.
        temperature: of the sampling; 0 takes the likeliest token. The paper's is 0.9.
        max_new_tokens: longer answers are cut (the paper allows 1,024; a sentence needs fewer than 60).
        device: cpu or cuda; None takes cuda where there is one.

    Raises:
        ConfigError: a negative temperature, no tokens, or a device that is not there.
    """

    def __init__(self, name: str, temperature: float = 0.9, max_new_tokens: int = 96, device: str | None = None) -> None:
        if not 0 <= temperature < float("inf") or max_new_tokens < 1:
            raise ConfigError(f"temperature {temperature}, at most {max_new_tokens} tokens", "give 0 or more, and 1 or more")
        if device not in (None, "cpu") and not torch.cuda.is_available():
            raise ConfigError(f"--device {device}: torch sees no such device", "use --device cpu")
        self.name, self.temperature, self.max_new_tokens = name, temperature, max_new_tokens
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def identity(self) -> str:
        """The model and its settings: a folder by its content, wherever it lies; a hub model by its name."""
        folder = Path(self.name).expanduser()
        model = _digest(folder) if folder.is_dir() else self.name
        return f"{model} temperature={self.temperature:g} max_new_tokens={self.max_new_tokens}"

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, padding on the left."""
        from transformers import AutoTokenizer

        tokenizer = load_pretrained(AutoTokenizer.from_pretrained, self.name, _KEY)
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise DataError(f"{_KEY}: the tokenizer of {self.name} has neither a padding nor an end token", "choose an instruct model")
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def model(self) -> Any:
        """The model, in the precision of its checkpoint."""
        from transformers import AutoModelForCausalLM

        def load(source: str, local_files_only: bool) -> Any:
            return AutoModelForCausalLM.from_pretrained(source, local_files_only=local_files_only, output_loading_info=True, dtype="auto")

        model, report = load_pretrained(load, self.name, _KEY)
        if report["missing_keys"]:
            raise refuse(self.name, _KEY, sorted(map(str, report["missing_keys"])))
        return model.to(self.device).eval()

    @torch.inference_mode()
    def __call__(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """One answer to each prompt."""
        from transformers import GenerationConfig

        chat = bool(getattr(self.tokenizer, "chat_template", None))
        texts = [self._chat(prompt) if chat else f"{prompt}\n\nSentence:" for prompt in prompts]
        tokens = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=not chat)
        inputs = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}  # (B, L)
        ends = self.model.generation_config.eos_token_id
        config = GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id if ends is None else ends,
        )
        sampler = [RowSampler(self.temperature, seeds, self.max_new_tokens)] if self.temperature else []
        output = self.model.generate(**inputs, generation_config=config, logits_processor=sampler)  # (B, L + new)
        answers = self.tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return [answer_of(text, chat) for text in answers]

    def _chat(self, prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        # models that think aloud first are asked not to; other templates take no notice
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=False)


class RowSampler:
    """Makes greedy search draw from softmax(scores / temperature), each row by its own numbers.

    Args:
        temperature: above 0.
        seeds: one for each of B rows.
        steps: tokens that may be drawn.
    """

    def __init__(self, temperature: float, seeds: Sequence[int], steps: int) -> None:
        self.temperature = temperature
        self.uniforms = np.stack([np.random.default_rng(seed).random(steps) for seed in seeds])  # (B, steps)
        self.step = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) → 0 at the token drawn, −inf elsewhere."""
        sums = torch.softmax(scores.double() / self.temperature, dim=-1).cumsum(dim=-1)  # (B, V)
        drawn = torch.as_tensor(self.uniforms[:, self.step], device=scores.device)[:, None] * sums[:, -1:]
        token = torch.searchsorted(sums, drawn, right=True).clamp(max=scores.shape[-1] - 1)
        self.step += 1
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)


def answer_of(text: str, chat: bool) -> str:
    """The answer in what a model wrote: without its thoughts; of a base model the first line, since it goes on and on."""
    text = re.sub(r"^\s*<think>.*?(</think>|$)", "", text, flags=re.DOTALL).strip()
    return text if chat else text.partition("\n")[0].strip()


def _digest(folder: Path) -> str:
    """Hash of the folder's files: their names, sizes, first and last bytes."""
    found = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with open(path, "rb") as file:
            size = path.stat().st_size
            found.update(f"{path.name} {size} ".encode() + file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            found.update(file.read())
    return f"folder:{found.hexdigest()}"
