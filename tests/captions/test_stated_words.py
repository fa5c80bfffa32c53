"""Spatial words of generated captions, judged by hand; and every template of every scene, which tells the truth."""

import numpy as np
import pytest

from elsa_lightning.captions.attributes import DAMPENED, REVERBERANT, RULES, SpatialWords
from elsa_lightning.captions.stated_words import OUTCOMES, judge, shares
from elsa_lightning.captions.templates import spatial_caption
from elsa_lightning.errors import DataError

LEFT_FAR = {"direction": "left", "distance": "far"}


def outcomes(caption, words, **options):
    return judge(caption, words, **options).outcomes


@pytest.mark.parametrize(
    ("caption", "words", "expected"),
    [
        ("A dog barks on the left.", LEFT_FAR, {"direction": "right", "distance": "missing"}),
        ("A dog barks on the left, far away.", LEFT_FAR, {"direction": "right", "distance": "right"}),
        ("A dog barks on the right, far away.", LEFT_FAR, {"direction": "wrong", "distance": "right"}),
        ("A dog barks on the left and on the right.", LEFT_FAR, {"direction": "wrong", "distance": "missing"}),
        ("A dog barks, not far away.", LEFT_FAR, {"direction": "missing", "distance": "wrong"}),
        ("A dog barks, not near.", LEFT_FAR, {"distance": "missing"}),
        ("A dog barks.", LEFT_FAR, {"direction": "missing", "distance": "missing", "area": "silent"}),
        ("A dog barks in a small room.", LEFT_FAR, {"area": "added", "direction": "missing"}),
        ("A dog barks in a medium-sized, echoing room.", {"area": "large", "reverberation": REVERBERANT}, {"area": "wrong"}),
        ("A dog barks in a large room where nothing echoes.", {"area": "large", "reverberation": DAMPENED}, {"reverberation": "right"}),
        ("A dog barks in a closet.", {"area": "small"}, {"area": "missing"}),
        ("A dog barks in a closet.", {"area": "large"}, {"area": "wrong"}),
        ("A dog barks, and what is left of it echoes.", {"direction": "front"}, {"direction": "missing", "reverberation": "added"}),
    ],
)
def test_by_hand(caption, words, expected):
    found = outcomes(caption, words)
    assert {name: found[name] for name in expected} == expected and set(found) == set(RULES)


@pytest.mark.parametrize(
    ("caption", "right"),
    [
        ("A dog barks on the left, far away.", True),
        ("A dog barks on the left.", True),
        ("A dog barks on the left, near the listener.", False),
        ("A dog barks on the left, far away, in a large room.", False),
        ("A dog barks.", False),
        ("", False),
    ],
)
def test_a_caption_is_right_if_all_it_says_is_and_it_says_something(caption, right):
    assert judge(caption, LEFT_FAR).right == right


def test_what_nobody_knows_is_not_judged():
    found = judge("A dog barks on the right in a small room.", {"distance": "far"}, unknown=["direction", "area"])
    assert found.outcomes["direction"] == found.outcomes["area"] == "unknown" and found.judged and not found.right
    assert not judge("A dog barks on the right.", {}, unknown=list(RULES)).judged


def test_a_word_of_the_sound_itself_is_not_of_its_place():
    own = ["A plane flies overhead."]
    assert outcomes("A plane flies overhead on the left.", {"direction": "left"}, own=own)["elevation"] == "silent"
    assert outcomes("A plane flies overhead on the left.", {"direction": "left"})["elevation"] == "added"
    assert outcomes("A plane flies overhead.", {"elevation": "up"}, own=own)["elevation"] == "right"


def test_near_a_thing_is_not_near_the_listener():
    assert outcomes("Water drips near the sink.", {"distance": "far"})["distance"] == "missing"
    assert outcomes("Water drips near the listener.", {"distance": "far"})["distance"] == "wrong"


def scenes():
    """Every word of every attribute, and none, with every word of the next."""
    names = list(RULES)
    choices = {name: [None, *dict.fromkeys(rule.word for rule in rules)] for name, (_, rules) in RULES.items()}
    rng = np.random.default_rng(0)
    for i, name in enumerate(names):
        for one in choices[name]:
            for other in choices[names[i - 1]]:
                rest = {n: choices[n][rng.integers(len(choices[n]))] for n in names}
                yield SpatialWords(**{**rest, name: one, names[i - 1]: other})


def test_templates_tell_the_truth_and_the_whole_truth():
    rng = np.random.default_rng(1)
    judged = 0
    for sound in ("a kettle whistles", "a dog barking", "water drips into a sink"):
        for words in [words for words in scenes() for _ in range(4)]:
            told = dict(words.items())
            found = judge(spatial_caption(sound, words, rng), told, own=[sound] * (judged % 2))
            assert found.outcomes == {name: "right" if name in told else "silent" for name in RULES}, words
            judged += 1
    assert judged > 700


def test_shares_by_hand():
    """Two right of three captions that could be; five words to say, three said rightly, one wrongly; one added where there was no word."""
    judgements = [
        judge("A dog on the left.", LEFT_FAR),  # direction right, distance missing
        judge("A dog on the left, near the listener.", LEFT_FAR),  # direction right, distance wrong
        judge("A dog on the right.", {"direction": "right"}),  # right
        judge("A dog in a small room.", {}),  # area added; no word to say
    ]
    found, absent = shares(judgements)
    assert found["right"] == pytest.approx(2 / 3) and found["n"] == 3
    assert found["told"] == pytest.approx(3 / 5) and found["stated_right"] == pytest.approx(3 / 5)
    assert found["direction/right"] == 1 and found["distance/wrong"] == found["distance/missing"] == 0.5
    assert found["area/added"] == 0.25 and found["direction/added"] == 0
    assert set(absent) == {f"{name}/{kind}" for name in ("elevation", "area", "reverberation") for kind in ("right", "wrong", "missing")}
    assert all("no test clip" in reason for reason in absent.values())


def test_shares_without_labels_or_words_are_absent_with_a_reason():
    found, absent = shares([judge("A dog on the left.", {}, unknown=list(RULES))])
    assert not found and "no test clip" in absent[""]
    found, absent = shares([judge("A dog barks.", LEFT_FAR)])
    assert found["right"] == found["told"] == 0 and "no caption says" in absent["stated_right"]


def test_outcomes_are_those_documented():
    for one in (judge("A dog on the left in a small room.", LEFT_FAR, unknown=["elevation"]), judge("", {})):
        assert set(one.outcomes.values()) <= set(OUTCOMES)


def test_a_word_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match="sideways"):
        judge("A dog.", {"direction": "sideways"})
