"""The draft that most drafts agree with, by hand."""

import pytest

from elsa_lightning.captions.consensus import agreed
from elsa_lightning.captions.stated_words import stated

LEFT, FAR_LEFT, NEAR_LEFT = "A dog barks on the left.", "A dog barks on the left, far away.", "A dog barks on the left, near the listener."


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        (FAR_LEFT, {("direction", "left"), ("distance", "far")}),
        ("Water drips near the sink in an echoing hall.", {("reverberation", "highly reverberant")}),
        ("A dog barks, not far away.", set()),
        ("A dog barks.", set()),
    ],
)
def test_what_a_caption_states(caption, words):
    assert stated(caption) == words


def test_a_word_that_drafts_disagree_on_is_not_said():
    """Left in all, far in half, near in half: silence on distance is worth more."""
    assert agreed([FAR_LEFT, NEAR_LEFT, LEFT, FAR_LEFT, NEAR_LEFT], 0.75) == 2
    assert agreed([LEFT, FAR_LEFT, FAR_LEFT, FAR_LEFT, FAR_LEFT], 0.75) == 1  # four of five agree


def test_words_that_training_leaves_out_need_fewer_drafts():
    """Far in two of four: unsure if captions always say all they know, certain if they keep each word every other time."""
    drafts = [LEFT, LEFT, FAR_LEFT, FAR_LEFT]
    assert agreed(drafts, 0.75) == 0 and agreed(drafts, 0.75, keep=0.5) == 2


def test_a_draft_of_another_sound_is_not_kept():
    cat = "A cat meows on the left."
    assert agreed([cat, LEFT, LEFT, LEFT], 0.75) == 1 and agreed([LEFT, cat, cat], 0.75) == 1


def test_some_spatial_word_is_said_if_any_draft_has_one():
    assert agreed(["A dog barks.", "A dog barks.", "A dog barks.", LEFT], 0.75) == 3
    assert agreed(["A cat.", "A dog barks.", "A dog barks."], 0.75) == 1
    assert agreed([LEFT], 1.0) == 0
