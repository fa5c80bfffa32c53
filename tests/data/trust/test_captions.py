"""Which captions count as the same, which as faulty."""

import pytest

from elsa_lightning.data.trust.captions import caption_faults, caption_hash, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A dog barks.", "dog barks"),
        ("The dog, barking", "a DOG barking!"),
        ("it's  raining", "It’s raining"),
        ("wind\tand rain", "wind and rain"),
        ("ＴＲＡＩＮ passes", "train passes"),
        ("Straße", "strasse"),
    ],
)
def test_the_same_caption(one, other):
    assert normalised(one) == normalised(other) and caption_hash(normalised(one)) == caption_hash(normalised(other))


@pytest.mark.parametrize(
    ("one", "other"), [("a dog barks", "dogs bark"), ("rain then wind", "wind then rain"), ("5 bells", "6 bells"), ("犬", "猫")]
)
def test_different_captions(one, other):
    assert normalised(one) != normalised(other) and caption_hash(normalised(one)) != caption_hash(normalised(other))


def test_faults():
    assert caption_faults(["a dog", "dog"]) == []
    assert caption_faults([]) == [("no caption", "has no caption")]
    assert caption_faults(["a dog", " .", "…"]) == [("no caption", "2 of 3 captions without any word")]
    ((kind, detail),) = caption_faults(["a dog", "A  dog. ", "cat", "a dog"])
    assert kind == "repeated caption" and "'A  dog. '" in detail and "1 more" in detail
