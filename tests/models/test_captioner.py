"""The prefix captioner: its loss by a slow loop, its search by hand, its tokenizer's round trip, GPT-2 from a folder."""

import pytest
import torch

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.captioner import (
    END,
    PrefixCaptioner,
    build_language,
    captioner_of,
    decode,
    encode,
    load_tokenizer,
    train_tokenizer,
)
from elsa_lightning.schema import CaptionerConfig, PretrainedGpt2Config, SmallGpt2Config

CAPTIONS = ["A dog barks on the left.", "Heard from the right: rain, in a small room.", "A dog barks far away."]
WIDTH = 6


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(CAPTIONS, 290)


def config(**options):
    return CaptionerConfig(
        language=SmallGpt2Config(layers=2, heads=2, hidden_size=16, dropout=0.0), max_tokens=40, **{"prefix_length": 2, **options}
    )


@pytest.fixture
def captioner(tokenizer):
    torch.manual_seed(0)
    return PrefixCaptioner(build_language(config(), len(tokenizer)), torch.full((WIDTH,), 0.1), torch.full((WIDTH,), 0.5), 2).eval()


def audio(rows=3, seed=1):
    return torch.nn.functional.normalize(torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=1)


def logits_after(captioner, audio, ids):
    """Of the token that follows the prefix and `ids`, for one clip."""
    before = torch.cat([captioner.prefix(audio[None]), captioner.language.transformer.wte(torch.tensor([ids], dtype=torch.long))], 1)
    return captioner.language(inputs_embeds=before).logits[0, -1]


def test_any_text_comes_back_from_the_tokenizer(tokenizer):
    texts = [*CAPTIONS, "Ein Hütchen, «weiß» … naïve!"]
    ids, mask = encode(tokenizer, texts, 200)
    assert decode(tokenizer, [row[m == 1][:-1].tolist() for row, m in zip(ids, mask, strict=True)]) == texts
    assert tokenizer.decode(tokenizer("a  b ")["input_ids"]) == "a  b "
    assert len(tokenizer) <= 290 and tokenizer.eos_token == END


def test_a_tokenizer_depends_on_its_captions_alone(tokenizer, tmp_path):
    same = train_tokenizer(iter(CAPTIONS), 290)
    assert same.get_vocab() == tokenizer.get_vocab()
    tokenizer.save_pretrained(tmp_path)
    read = load_tokenizer(str(tmp_path))
    assert [read(t)["input_ids"] for t in CAPTIONS] == [tokenizer(t)["input_ids"] for t in CAPTIONS]


def test_captions_are_cut_and_closed(tokenizer):
    ids, mask = encode(tokenizer, CAPTIONS, 10)
    lengths = [len(tokenizer(text)["input_ids"]) for text in CAPTIONS]
    for row, m, length in zip(ids, mask, lengths, strict=True):
        assert m.sum() == min(10, length + 1) and (row[m == 0] == tokenizer.eos_token_id).all()
        assert (row[m == 1][-1] == tokenizer.eos_token_id) == (length < 10)


def test_the_loss_is_that_of_a_loop_over_tokens(captioner, tokenizer):
    ids, mask = encode(tokenizer, CAPTIONS, 40)
    assert len(set(mask.sum(1).tolist())) > 1
    losses = []
    for row in range(len(CAPTIONS)):
        tokens = ids[row][mask[row] == 1].tolist()
        for i, token in enumerate(tokens):
            losses.append(-logits_after(captioner, audio()[row], tokens[:i]).log_softmax(0)[token])
    assert captioner(audio(), ids, mask).item() == pytest.approx(torch.stack(losses).mean().item(), abs=1e-5)


def test_the_prefix_is_one_affine_map_of_the_embedding(captioner):
    one, other = audio(2)
    middle = captioner.prefix((0.3 * one + 0.7 * other)[None])
    assert captioner.prefix(audio(5)).shape == (5, 2, 16)
    assert torch.allclose(middle, 0.3 * captioner.prefix(one[None]) + 0.7 * captioner.prefix(other[None]), atol=1e-6)


def test_the_dense_layer_reads_deviations_from_the_training_clips_mean(captioner):
    """Mean 0.1, deviation 0.5: a component that lies 0.5 above the mean adds its column of weights, once."""
    mean = torch.full((1, WIDTH), 0.1)
    higher = mean.clone()
    higher[0, 2] += 0.5
    assert torch.allclose(captioner.prefix(mean).flatten(), captioner.dense.bias)
    assert torch.allclose((captioner.prefix(higher) - captioner.prefix(mean)).flatten(), captioner.dense.weight[:, 2], atol=1e-6)


def test_a_deaf_captioner_hears_no_difference(captioner, tokenizer):
    captioner.deaf = True
    assert torch.equal(captioner.prefix(audio(3)), captioner.prefix(torch.full((3, WIDTH), 0.1)))
    captions = captioner.generate(audio(3), tokenizer.eos_token_id, 5)
    assert captions[0] == captions[1] == captions[2]


def confident(captioner, factor=8.0):
    """Sharper distributions, so that the best beam is not decided by rounding."""
    with torch.no_grad():
        captioner.language.transformer.wte.weight.mul_(factor)
    return captioner


def test_greedy_search_is_the_loop_of_the_likeliest_token(captioner, tokenizer):
    confident(captioner)
    end, found = tokenizer.eos_token_id, captioner.generate(audio(3), tokenizer.eos_token_id, 7)
    for row in range(3):
        tokens = []
        while len(tokens) < 7:
            token = logits_after(captioner, audio(3)[row], tokens).argmax().item()
            if token == end:
                break
            tokens.append(token)
        assert found[row] == tokens


def slow_beams(captioner, one, end, beam, longest):
    """The likeliest of the beams, without a penalty on length: (log-probability, tokens)."""
    open_beams, closed = [(0.0, [])], []
    for _ in range(longest):
        following = []
        for score, tokens in open_beams:
            values = logits_after(captioner, one, tokens).log_softmax(0)
            following += [(score + value, [*tokens, token]) for token, value in enumerate(values.tolist())]
        following.sort(key=lambda pair: -pair[0])
        closed += [(score, tokens[:-1]) for score, tokens in following[:beam] if tokens[-1] == end]
        open_beams = [pair for pair in following[: 2 * beam] if pair[1][-1] != end][:beam]
    return max([*closed, *open_beams], key=lambda pair: pair[0])[1]


@pytest.mark.parametrize("beam", [2, 4])
def test_beam_search_is_a_slow_one(captioner, tokenizer, beam):
    confident(captioner)
    found = captioner.generate(audio(4), tokenizer.eos_token_id, 5, beam, 0.0)
    assert found == [slow_beams(captioner, one, tokenizer.eos_token_id, beam, 5) for one in audio(4)]


def test_search_is_bounded_repeatable_and_independent_of_the_batch(captioner, tokenizer):
    confident(captioner)
    end = tokenizer.eos_token_id
    for beam in (1, 3):
        found = captioner.generate(audio(6), end, 9, beam)
        torch.manual_seed(beam)
        assert found == captioner.generate(audio(6), end, 9, beam)
        assert found == [captioner.generate(one[None], end, 9, beam)[0] for one in audio(6)]
        assert all(len(row) <= 9 and end not in row for row in found)


def test_it_learns_to_tell_what_it_hears(tokenizer):
    """Three clips, three captions, 150 steps: each embedding gives its own caption, and a deaf one the same for all."""
    ids, mask = encode(tokenizer, CAPTIONS, 40)
    told = {}
    for deaf in (False, True):
        torch.manual_seed(0)
        model = PrefixCaptioner(build_language(config(prefix_length=1), len(tokenizer)), audio().mean(0), audio().std(0), 1, deaf)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(150):
            optimizer.zero_grad()
            model(audio(), ids, mask).backward()
            optimizer.step()
        told[deaf] = decode(tokenizer, model.eval().generate(audio(), tokenizer.eos_token_id, 40, beam=2))
    assert told[False] == CAPTIONS and len(set(told[True])) == 1


def test_gpt2_comes_from_a_folder_with_its_sizes_and_tokenizer(tokenizer, tmp_path, captioner):
    tokenizer.save_pretrained(tmp_path)
    captioner.language.save_pretrained(tmp_path)
    cfg = CaptionerConfig(language=PretrainedGpt2Config(checkpoint=str(tmp_path)), prefix_length=2, max_tokens=40)
    language = build_language(cfg, len(load_tokenizer(str(tmp_path))))
    for name, value in captioner.language.state_dict().items():
        assert torch.equal(value, language.state_dict()[name]), name
    bare = captioner_of(tmp_path, WIDTH, 2, False)
    bare.load_state_dict(captioner.state_dict())
    end = tokenizer.eos_token_id
    assert bare.eval().generate(audio(), end, 5) == captioner.generate(audio(), end, 5)
    with pytest.raises(ConfigError, match="reads 42"):
        build_language(CaptionerConfig(language=cfg.language, max_tokens=42), len(tokenizer))
    with pytest.raises(DataError, match="the tokenizer of"):
        build_language(cfg, 9999)


def test_a_checkpoint_that_is_not_there_is_refused_with_a_remedy(tmp_path):
    cfg = CaptionerConfig(language=PretrainedGpt2Config(checkpoint=str(tmp_path / "none")))
    for attempt in (lambda: build_language(cfg, 300), lambda: load_tokenizer(cfg.language.checkpoint)):
        with pytest.raises(DataError, match=r"captioner\.language\.checkpoint"):
            attempt()
