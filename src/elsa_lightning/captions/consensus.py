"""Which of several drafts of a caption to keep: the one that says what most of them agree on, of the sound and of its place.

A captioner that is asked once says every detail, also those that it only guesses. Several captions drawn at random disagree where it
guesses; so a word's *support*, the share of drafts that say it of those that would if it were certain, is how sure the captioner is. This
is minimum-Bayes-risk decoding (Kumar and Byrne, NAACL 2004) with the truth of spatial words for its gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from elsa_lightning.captions.content import content_words
from elsa_lightning.captions.stated_words import stated


def agreed(drafts: Sequence[str], agreement: float, keep: float = 1.0) -> int:
    """The number of the draft to keep, the first of equally good ones.

    A draft gains support − `agreement` for each spatial word that it says, and the mean share of drafts that have its content words; one
    that says no spatial word is kept only if none does.

    Args:
        drafts: at least one.
        agreement: support at which saying a word is worth as much as silence.
        keep: probability with which training captions kept a word: a certain one is in so many of the drafts.
    """
    places = [stated(draft) for draft in drafts]
    contents = [frozenset(content_words(draft)) for draft in drafts]
    said = Counter(pair for place in places for pair in place)
    shared = Counter(word for content in contents for word in content)
    support = {pair: min(1.0, count / (len(drafts) * keep)) for pair, count in said.items()}

    def gain(i: int) -> tuple[bool, float]:
        place = sum(support[pair] - agreement for pair in places[i])
        sound = sum(shared[word] for word in contents[i]) / (len(drafts) * max(1, len(contents[i])))
        return bool(places[i]), place + sound

    return max(range(len(drafts)), key=gain)
