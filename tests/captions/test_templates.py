"""Spatial captions say what they must, in many ways, and never the evaluation prompt."""

import re

import numpy as np
import pytest

from elsa_lightning.captions.attributes import ATTRIBUTES, RULES, SpatialWords
from elsa_lightning.captions.templates import (
    FRAMES,
    PROMPTS,
    Dice,
    compose,
    evaluation_captions,
    fewest_frames,
    frames_for,
    kept_words,
    plain_caption,
    prompt_phrase,
    spatial_caption,
)
from elsa_lightning.captions.wordings import wordings
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.readers.esc50_captions import CAPTIONS
from elsa_lightning.schema import EvaluationConfig

CHOICES = {name: [None, *dict.fromkeys(rule.word for rule in intervals)] for name, (_, intervals) in RULES.items()}


def random_words(rng):
    return SpatialWords(**{name: options[rng.integers(len(options))] for name, options in CHOICES.items()})


def says(sentence, attribute, word):
    return any(re.search(rf"(?<![\w-]){re.escape(wording)}(?![\w-])", sentence, re.I) for wording in wordings(attribute, word))


def opposite(attribute, word):
    return [other for other in CHOICES[attribute] if other not in (None, word)]


def test_every_kept_word_is_said_and_no_other():
    rng = np.random.default_rng(1)
    for _ in range(1500):
        words, dice = random_words(rng), Dice(rng)
        kept = kept_words(words, dice, 0.75)
        text = compose("qqq zzz", kept, dice, dice.pick(frames_for(kept))) if kept.items() else plain_caption("qqq zzz")
        assert text.lower().count("qqq zzz") == 1 and text[0].isupper() and text.endswith(".") and "  " not in text and "{" not in text
        for attribute, word in kept.items():
            assert says(text, attribute, word), (text, attribute, word)
            assert not any(says(text, attribute, other) for other in opposite(attribute, word)), text
        for attribute in set(CHOICES) - {name for name, _ in kept.items()}:
            assert not any(says(text, attribute, other) for other in CHOICES[attribute] if other), (text, attribute)


def test_evaluation_prompt_never_occurs():
    rng = np.random.default_rng(2)
    captions = [caption for group in CAPTIONS.values() for caption in group]
    cfg = EvaluationConfig()
    forbidden = [template.split("{")[0].strip().lower() for template in (cfg.template, cfg.class_template)]
    for _ in range(1000):
        text = spatial_caption(captions[rng.integers(len(captions))], random_words(rng), rng, 0.8).lower()
        assert not any(prompt in text for prompt in forbidden), text
        assert "coming from" not in text


def test_variety():
    rng = np.random.default_rng(3)
    words = SpatialWords("near", "left", "up", "large", "highly reverberant")
    assert len(FRAMES) == len(set(FRAMES)) >= 25
    assert len(frames_for(words)) >= 25
    assert len({spatial_caption("a dog barking", words, rng) for _ in range(300)}) > 280
    for attribute, options in CHOICES.items():
        for word in filter(None, options):
            assert len(set(wordings(attribute, word))) >= 3


def test_plain_words_of_the_prompts_are_trained_on():
    rng = np.random.default_rng(4)
    for attribute, classes in ATTRIBUTES.items():
        for word in classes:
            texts = [spatial_caption("qqq", SpatialWords(**{attribute: word}), rng) for _ in range(300)]
            assert any(re.search(rf"\b{word}\b", text) for text in texts), word
            assert word in prompt_phrase(attribute, word)
    assert set(PROMPTS) >= {(attribute, word) for attribute, words in ATTRIBUTES.items() for word in words}


def test_order_of_details_varies():
    rng = np.random.default_rng(5)
    words = SpatialWords(direction="left", elevation="up")
    texts = [spatial_caption("qqq", words, rng).lower() for _ in range(100)]
    first = [
        min(t.find(w) for w in wordings("direction", "left") if w in t)
        < min(t.find(w) for w in ("up", "overhead", "above", "high") if w in t)
        for t in texts
    ]
    assert 20 < sum(first) < 80


@pytest.mark.parametrize(("keep", "expected"), [(0.0, 0.0), (1.0, 1.0), (0.75, 0.75)])
def test_keep_is_the_share_of_words(keep, expected):
    rng = np.random.default_rng(6)
    words = SpatialWords("far", "back", "down", "small", "acoustically dampened")
    kept = np.mean([len(kept_words(words, Dice(rng), keep).items()) / 5 for _ in range(800)])
    assert kept == pytest.approx(expected, abs=0.03)


def test_nothing_to_say_leaves_the_caption():
    assert spatial_caption("a dog barking.", SpatialWords(), np.random.default_rng(0)) == "A dog barking."


def test_room_has_the_right_article():
    rng = np.random.default_rng(7)
    for _ in range(400):
        text = spatial_caption("qqq", random_words(rng), rng)
        assert not re.search(r"\ba [aeio]|\ban [^aeio]", text), text


@pytest.mark.parametrize(
    ("caption", "expected"),
    [("A man speaks.", "Over there, a man speaks."), ("TV noise", "Over there, TV noise."), ("I am walking", "Over there, I am walking.")],
)
def test_capitals_inside_a_sentence(caption, expected):
    assert compose(caption, SpatialWords(), Dice(np.random.default_rng(0)), "over there, {c}") == expected


def test_evaluation_captions_differ_keep_every_word_and_repeat():
    record = ClipRecord("x", "test", "dog", ("a dog barking", "a hound's bark"))
    words = SpatialWords("near", "left", "up", "large", "highly reverberant")
    texts = evaluation_captions(record, words, 5, np.random.default_rng(8))
    assert len(set(texts)) == 5
    assert all(says(text, attribute, word) for text in texts for attribute, word in words.items())
    assert sum("barking" in text.lower() for text in texts) == 3
    assert texts == evaluation_captions(record, words, 5, np.random.default_rng(8))
    assert evaluation_captions(record, SpatialWords(), 3) == ["A dog barking.", "A hound's bark.", "A dog barking."]


def test_the_fewest_frames_serve_every_scene():
    n, rng = fewest_frames(), np.random.default_rng(4)
    record = ClipRecord("a", "test", "dog", ("a dog barks",), "", "")
    for words in (random_words(rng) for _ in range(200)):
        texts = evaluation_captions(record, words, n, rng)
        assert len(texts) == n and (len(set(texts)) == n or not words.items())
    assert any(len(frames_for(words)) == n for words in (random_words(rng) for _ in range(200)) if words.items())
