"""Captions: many, different, true to what was drawn, and silent about place and room."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from elsa_lightning import foley
from elsa_lightning.foley.catalog import SOUNDS
from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio
from elsa_lightning.foley.words import captions, fill, slots_of
from elsa_lightning.seeding import rng_of

SPATIAL = re.compile(
    r"\b(left|right|front|behind|back|rear|ahead|above|below|under|over ?head|up|down|upper|lower|near|nearby|close|closer|far|distant|"
    r"distance|away|beside|room|hall|chamber|echo\w*|reverb\w*|acoustic\w* damp\w*|dampened|damped|large|small|inside|outside|indoors?|"
    r"outdoors?|space|spacious|corner|ceiling|ground|here|there|approaching|passing|direction|side|north|south|east|west|m|metres?)\b"
)


def drawn(label: str, index: int, split: str = "train") -> Draw:
    """The parameters of a clip, by way of its synthesiser."""
    draw = Draw(0, split, index, label)
    SOUNDS[label].make(draw, Studio(16000, 0.5, rng_of("test")))
    return draw


@pytest.mark.parametrize("label", foley.CLASSES)
def test_five_different_noun_phrases(label: str, clips: dict[str, list[foley.FoleyClip]]) -> None:
    for clip in clips[label]:
        assert len(clip.captions) >= 5 == len(set(clip.captions))
        for text in clip.captions:
            assert text == text.lower() and text.isascii() and re.fullmatch(r"[a-z][a-z ,'-]*[a-z]", text), text
            assert 3 <= len(text.split()) <= 20, text
            assert not re.search(r"\ba (?=[aio]|e(?!we))|\ban (?=[^aeiouh])|  |,,", text), text
            assert not re.search(r"\b(is|are|was|were)\b", text), text
    assert len({text for clip in clips[label] for text in clip.captions}) >= 11


@pytest.mark.parametrize("label", foley.CLASSES)
def test_nothing_that_could_be_said_is_spatial(label: str) -> None:
    draw = drawn(label, 0)
    said = [*SOUNDS[label].frames, *(w for i in range(12) for words in drawn(label, i).words.values() for w in words)]
    assert not [text for text in said if SPATIAL.search(text)]
    assert len(SOUNDS[label].frames) >= 5
    for frame in SOUNDS[label].frames:
        assert slots_of(frame) and set(slots_of(frame)) <= set(draw.words), frame


@pytest.mark.parametrize("label", foley.CLASSES)
def test_each_caption_mentions_what_was_drawn(label: str, clips: dict[str, list[foley.FoleyClip]]) -> None:
    for index, clip in enumerate(clips[label]):
        words = [w for wordings in drawn(label, index).words.values() for w in wordings]
        for text in clip.captions:
            assert any(re.search(rf"\b{re.escape(w)}\b", text) for w in words), text


def test_numbers_are_said_as_drawn() -> None:
    names = {"two": 2, "three": 3, "four": 4, "five": 5, "twice": 2}
    for index in range(12):
        clip = foley.draw(0, index, "test", "door knock", duration_s=0.5)
        for text in clip.captions:
            said = {names[w] for w in re.findall(r"\b(?:two|three|four|five|twice)\b", text)}
            assert said <= {clip.parameters["count"]}, text


def test_slow_sounds_are_slower_than_quick_ones() -> None:
    pace = {}
    for index in range(40):
        draw = drawn("clock ticking", index)
        pace.setdefault(draw.words["pace"][0], []).append(draw.values["pace"])
    assert max(pace["fast"]) < min(pace["steady"]) <= max(pace["steady"]) < min(pace["slow"])


def test_knocks_can_be_counted() -> None:
    for index in range(6):
        clip = foley.draw(0, index, "train", "door knock")
        level = np.abs(clip.audio).reshape(-1, 160).max(1)  # 10 ms
        onsets = np.flatnonzero((level[1:] > 0.25) & (level[1:] > 3 * level[:-1]))
        onsets = onsets[np.r_[True, np.diff(onsets) > 8]]
        assert len(onsets) % clip.parameters["count"] == 0 and len(onsets) >= 2 * clip.parameters["count"], (index, onsets)
        gaps = sorted(np.diff(onsets))
        groups = len(onsets) // clip.parameters["count"]
        inside, between = gaps[: len(gaps) - groups + 1], gaps[len(gaps) - groups + 1 :]
        assert max(inside) < 0.8 * min(between)


def test_fill_chooses_articles_and_alternatives() -> None:
    rng = rng_of("test")
    assert fill("a {x} [bell|bell]", {"x": ("old",)}, rng) == "an old bell"
    assert fill("a {x} tick", {"x": ("uniform",)}, rng) == "a uniform tick"
    assert fill("a {x} pace", {"x": ("unhurried",)}, rng) == "an unhurried pace"
    assert fill("a [ewe|ewe] in a {x} mood", {"x": ("",)}, rng) == "a ewe in a mood"
    with pytest.raises(ValueError, match="only 2 different"):
        captions(("a [b|c]",), {}, rng)


def test_captions_use_different_frames() -> None:
    found = captions(tuple(f"frame {n} with {{x}}" for n in "abcdef"), {"x": ("one", "two")}, rng_of("test"), 6)
    frames = sorted(text.split()[1] for text in found)
    assert all(a != b for a, b in pairwise(frames))
