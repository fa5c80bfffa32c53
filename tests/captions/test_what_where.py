"""Texts of the spaces beside the joint one: nothing of space in *what*, nothing of the sound in *where*, and codes that say which words."""

import math

import numpy as np
import pytest

from elsa_lightning.captions.attributes import RULES, SpatialWords, words_of
from elsa_lightning.captions.mentions import mentions
from elsa_lightning.captions.what_where import NONE, NOWHERE, UNKNOWN, WHERE_FRAMES, codes_heard, codes_said, what_caption, where_caption
from elsa_lightning.captions.wordings import wordings

EVERY = SpatialWords("near", "left", "up", "large", "highly reverberant")
SCENE = {"azimuth": math.pi / 2, "elevation": 0.9, "distance_m": 0.5, "floor_area_m2": 150.0, "t30_s": 1.5}


def says(text):
    return {(found.attribute, found.word) for found in mentions(text)}


@pytest.mark.parametrize("frame", WHERE_FRAMES)
def test_every_form_says_every_word_and_no_other(frame, monkeypatch):
    monkeypatch.setattr("elsa_lightning.captions.what_where.WHERE_FRAMES", (frame,))
    for words in (
        EVERY,
        SpatialWords(direction="back"),
        SpatialWords(area="small"),
        SpatialWords(distance="far", reverberation="highly reverberant"),
    ):
        for seed in range(30):
            text, said = where_caption(words, np.random.default_rng(seed))
            assert said == words and says(text) == set(words.items()), text
            assert any(wording in text.lower() for name, word in words.items() for wording in wordings(name, word))
            assert "{" not in text and text[0].isupper() and text.endswith(".") and "  " not in text


def test_words_are_kept_by_chance_and_never_none():
    kept = [where_caption(EVERY, np.random.default_rng(seed), keep=0.5)[1].items() for seed in range(400)]
    assert all(kept) and all(set(words) <= set(EVERY.items()) for words in kept)
    assert np.mean([("direction", "left") in words for words in kept]) == pytest.approx(0.5 + 0.5**5 * 0.5, abs=0.08)
    text, said = where_caption(EVERY, np.random.default_rng(0), keep=0.0)
    assert said == EVERY and says(text) == set(EVERY.items())
    assert where_caption(EVERY, np.random.default_rng(3), 0.5) == where_caption(EVERY, np.random.default_rng(3), 0.5)


def test_without_a_word_there_is_nothing_to_say():
    assert where_caption(SpatialWords(), np.random.default_rng(0)) == (NOWHERE, SpatialWords())
    assert not says(NOWHERE)


def test_what_is_the_caption_alone():
    assert what_caption("A dog barks.") == "A dog barks."
    assert what_caption("rain on a roof") == "Rain on a roof."


def test_codes_tell_words_from_none_and_from_what_nobody_knows():
    assert codes_said(SpatialWords()) == [NONE] * len(RULES)
    said = codes_said(EVERY)
    assert len(said) == len(RULES) and min(said) >= 0
    assert codes_said(SpatialWords(direction="back")) != codes_said(SpatialWords(direction="front"))
    assert codes_heard(words_of(SCENE), SCENE) == said
    between = {**SCENE, "azimuth": math.radians(45), "distance_m": math.nan}
    heard = codes_heard(words_of(between), between)
    names = list(RULES)
    assert heard[names.index("direction")] == NONE and heard[names.index("distance")] == UNKNOWN
    assert heard[names.index("area")] == said[names.index("area")]
