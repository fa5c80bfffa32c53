"""Are the spatial words of a caption true of its clip? No standard captioning measure asks: "left" for "right" costs them one word.

`judge` finds a caption's spatial words as `verify` does (`mentions`: wordings, senses, denials) and holds them against the words of the
clip's labels (`attributes.RULES`). For each attribute, with the word of the label (if its value has one)

    right     the caption says that word, and no other
    wrong     it says another one, or denies that one
    missing   it says nothing of it
    added     the value has no word (it lies between two), and the caption says one all the same
    silent    it rightly says nothing
    unknown   nobody knows the label: whatever is said cannot be judged

A caption *is right* if at least one of its attributes is right and none is wrong or added. A word that one of the clip's own, unspatial
captions says as well ("a plane overhead") belongs to the sound and is not judged against the place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.captions.content import content_words, stem
from elsa_lightning.captions.mentions import Mention, mentions
from elsa_lightning.captions.verify import asked_words, names_a_thing

_LISTENER = frozenset(map(stem, ("listener", "ear", "level", "head", "shoulder", "microphone", "feet", "reach", "hand", "side")))
"""Stems of what a place may be relative to without there being such a thing in the scene ("below ear level")."""

OUTCOMES = ("right", "wrong", "missing", "added", "silent", "unknown")


@dataclass(frozen=True)
class Judgement:
    """What a caption says of each attribute.

    Attributes:
        outcomes: attribute → one of `OUTCOMES`.
    """

    outcomes: Mapping[str, str]

    def count(self, *outcomes: str) -> int:
        """Attributes with one of these outcomes."""
        return sum(outcome in outcomes for outcome in self.outcomes.values())

    @property
    def judged(self) -> bool:
        """Whether the clip has a word that a caption could say."""
        return self.count("right", "wrong", "missing") > 0

    @property
    def right(self) -> bool:
        """Every spatial word that is said is right, and at least one is."""
        return self.count("right") > 0 and self.count("wrong", "added") == 0


def stated(caption: str) -> frozenset[tuple[str, str]]:
    """The spatial words that a caption says of the listener's surroundings, as (attribute, word)."""
    return frozenset((m.attribute, m.word) for m in _of_the_listener(caption, (caption,)) if m.satisfies and not m.negated)


def judge(caption: str, words: Mapping[str, str], unknown: Collection[str] = (), own: Sequence[str] = ()) -> Judgement:
    """Judge one caption.

    Args:
        caption: generated.
        words: attribute → word of the clip's label; attributes whose value has no word are left out.
        unknown: attributes whose label nobody knows.
        own: the clip's own captions without spatial words.

    Raises:
        DataError: an attribute or a word that does not exist.
    """
    words = asked_words(words)
    carried = {(m.attribute, m.word, m.negated) for text in own for m in mentions(text)}
    found = _of_the_listener(caption, (*own, caption))
    said = [m for m in found if (m.attribute, m.word, m.negated) not in carried or words.get(m.attribute) == m.word]
    return Judgement({name: _outcome(words.get(name), [m for m in said if m.attribute == name], name in unknown) for name in RULES})


def _of_the_listener(caption: str, scene: Sequence[str]) -> list[Mention]:
    """Mentions but those that relate the sound to a thing of the scene ("near the sink")."""
    things = frozenset(word for text in scene for word in content_words(text)) - _LISTENER
    return mentions(caption, lambda following: names_a_thing(following, things))


def _outcome(word: str | None, said: Sequence[Mention], unknown: bool) -> str:
    if unknown:
        return "unknown"
    if word is None:
        return "added" if any(m.adds and not m.negated for m in said) else "silent"
    if any(m.negated == (m.word == word) and (m.negated or m.adds) for m in said):
        return "wrong"
    return "right" if any(m.satisfies and m.word == word for m in said) else "missing"


def shares(judgements: Sequence[Judgement]) -> tuple[dict[str, float], dict[str, str]]:
    """What a set of captions comes to; and why a figure is absent.

    Returns:
        `right`: share of captions that are right, of those whose clip has a word to say; `n`: their number; `stated_right`: share of all
        words said that are right; `told`: share of the words to say that are said, rightly; for each attribute `<attribute>/right`,
        `/wrong` and `/missing`, which sum to 1 over the clips with a word, and `/added`, over those without one.
    """
    found: dict[str, float] = {}
    absent: dict[str, str] = {}
    judged = [one for one in judgements if one.judged]
    if not judged:
        return {}, {"": "no test clip has a label that a spatial word could be said of"}
    found |= {"right": sum(one.right for one in judged) / len(judged), "n": float(len(judged))}
    right, stated = (sum(one.count(*kinds) for one in judgements) for kinds in (("right",), ("right", "wrong", "added")))
    found["told"] = right / sum(one.count("right", "wrong", "missing") for one in judged)
    if stated:
        found["stated_right"] = right / stated
    else:
        absent["stated_right"] = "no caption says a spatial word"
    for name in RULES:
        outcomes = [one.outcomes[name] for one in judgements]
        for group in (("right", "wrong", "missing"), ("added", "silent")):
            number = sum(outcome in group for outcome in outcomes)
            for kind in (kind for kind in group if kind != "silent"):
                if number:
                    found[f"{name}/{kind}"] = outcomes.count(kind) / number
                else:
                    absent[f"{name}/{kind}"] = (
                        f"no test clip has {'a word' if kind != 'added' else 'a known label without a word'} of {name}"
                    )
    return found, absent
