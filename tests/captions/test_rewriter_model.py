"""Rewriting by the real transformers code, with a tiny random model and a tokenizer made here."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import json
import shutil

import numpy as np
import pytest
import torch

from elsa_lightning.captions.rewrite import rewrite_all
from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewrite_request import Request
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.rewriter import RowSampler, TransformersRewriter, answer_of

TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


def build(folder, chat, seed=0):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=280, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["a dog barks on the left of a large room"] * 3, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = TEMPLATE if chat else None
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(fast), bos_token_id=0, eos_token_id=1, tie_word_embeddings=True, initializer_range=0.5, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory):
    return build(tmp_path_factory.mktemp("chat"), chat=True)


PROMPTS = ["Write of a dog.", "Write one short sentence of a dog that barks on the left of a large room."]


def test_rows_follow_their_own_seeds_not_their_neighbours(chat_model):
    writer = TransformersRewriter(chat_model, max_new_tokens=12, device="cpu")
    both = writer(PROMPTS, [1, 2])
    assert len(both) == 2 and all(both)
    assert [writer([prompt], [seed])[0] for prompt, seed in zip(PROMPTS, (1, 2), strict=True)] == both
    assert TransformersRewriter(chat_model, max_new_tokens=12, device="cpu")(PROMPTS[::-1], [2, 1]) == both[::-1]
    assert writer(PROMPTS, [3, 4]) != both
    assert writer.tokenizer.padding_side == "left"


def test_temperature_zero_is_greedy_search_by_hand(chat_model):
    writer = TransformersRewriter(chat_model, temperature=0, max_new_tokens=8, device="cpu")
    text = f"<s>user: {PROMPTS[0]}</s><s>assistant: "
    ids = writer.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    start = ids.shape[1]
    for _ in range(8):
        with torch.no_grad():
            ids = torch.cat([ids, writer.model(ids).logits[:, -1:].argmax(-1)], dim=1)
        if ids[0, -1] == 1:
            break
    assert writer([PROMPTS[0]], [5]) == [writer.tokenizer.decode(ids[0, start:], skip_special_tokens=True).strip()]


def test_draws_follow_the_distribution():
    scores = torch.tensor([[2.0, 0.0, -torch.inf, 1.0]]).repeat(20000, 1)
    chosen = RowSampler(0.5, list(range(20000)), 1)(torch.zeros(20000, 1, dtype=torch.long), scores)
    share = (chosen == 0).double().mean(0).numpy()
    expected = torch.softmax(scores[0].double() / 0.5, 0).numpy()
    assert np.abs(share - expected).max() < 4 * np.sqrt(0.25 / 20000) and share[2] == 0 and ((chosen == 0).sum(1) == 1).all()


def test_a_random_model_falls_back_and_a_rerun_asks_nothing(chat_model, tmp_path):
    requests = [Request(f"{n}", f"A dog barks {n} times", (("direction", "left"),), "On the left, a dog barks.") for n in range(5)]
    writer = TransformersRewriter(chat_model, max_new_tokens=6, device="cpu")
    outcomes, figures = rewrite_all(requests, writer, AnswerCache(tmp_path / "cache"), batch=2, retries=1)
    assert {outcome.text for outcome in outcomes} == {"On the left, a dog barks."} and figures.fell_back == 5
    assert figures.first_faults.kinds["lost"] == 5
    assert len((tmp_path / "cache").read_text().splitlines()) == 10
    fresh = TransformersRewriter(chat_model, max_new_tokens=6, device="cpu")
    assert rewrite_all(requests, fresh, AnswerCache(tmp_path / "cache"), batch=2, retries=1) == (outcomes, figures)
    assert "model" not in vars(fresh)


def test_a_base_model_continues_a_sentence(tmp_path):
    writer = TransformersRewriter(build(tmp_path, chat=False), max_new_tokens=10, device="cpu")
    assert all("\n" not in answer for answer in writer(PROMPTS, [1, 2]))


def test_answers_are_freed_of_thoughts_and_of_what_goes_on():
    assert answer_of("<think>\nhm\n</think>\n\nA dog barks. ", chat=True) == "A dog barks."
    assert answer_of("<think> hm, cut off", chat=True) == ""
    assert answer_of(" A dog barks.\nSound: a cat", chat=False) == "A dog barks."


def test_identity_is_the_content_of_the_model_and_its_settings(chat_model, tmp_path):
    copy, other = tmp_path / "copy", tmp_path / "other"
    shutil.copytree(chat_model, copy)
    build(other, chat=True, seed=1)
    identity = TransformersRewriter(chat_model).identity
    assert TransformersRewriter(str(copy)).identity == identity
    different = {
        TransformersRewriter(str(other)).identity,
        TransformersRewriter(chat_model, temperature=0.5).identity,
        TransformersRewriter(chat_model, max_new_tokens=7).identity,
        TransformersRewriter("owner/name").identity,
    }
    assert len(different | {identity}) == 5


def test_faulty_models_and_settings_are_named(chat_model, tmp_path):
    with pytest.raises(DataError, match=r"(?s)--model: nobody/nothing.*hf download"):
        TransformersRewriter("nobody/nothing")(["a"], [1])
    with pytest.raises(ConfigError, match="temperature -1"):
        TransformersRewriter("any", temperature=-1)
    folder = tmp_path / "lacking"
    shutil.copytree(chat_model, folder)
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="lacks 9 weights"):
        TransformersRewriter(str(folder), device="cpu")(["a"], [1])
