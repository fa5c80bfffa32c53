"""Which spatial words a sentence says, in their spatial senses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from elsa_lightning.captions.lexicon import IMPLIED, PATTERNS, WEAK
from elsa_lightning.captions.senses import NEGATION, RELATIONS, SCOPE, SENSES_IGNORED


@dataclass(frozen=True)
class Mention:
    """A spatial word in a text.

    Args:
        attribute: such as direction.
        word: as in `captions.attributes`, such as left.
        start: of what says it, in the `plain` text.
        end: of it.
        negated: it is denied ("not far").
        satisfies: it will do where the word was asked for.
        adds: it says too much where the word was not asked for.
    """

    attribute: str
    word: str
    start: int
    end: int
    negated: bool = False
    satisfies: bool = True
    adds: bool = True


def plain(text: str) -> str:
    """Lower case, straight quotes, dashes as commas, single spaces: what patterns are matched on."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("‘", "'")
    return " ".join(re.sub(r"\s*[–—]\s*|\s--?\s", ", ", text).split())


def mentions(text: str, about_a_thing: Callable[[str], bool] = lambda following: False) -> list[Mention]:
    """The spatial words of a text, in its order.

    Args:
        text: a caption; `plain` of it is searched.
        about_a_thing: whether the words that follow a relation ("near", "behind") name a thing of the scene ("near the sink"), so that
            nothing is said of the listener.
    """
    text = _without_other_senses(plain(text))
    found = [mention for table in _tables() for mention in _matches(text, *table)]
    found = [m for m in found if not (re.search(RELATIONS, text[m.start : m.end]) and about_a_thing(text[m.end :]))]
    kept = [m for m in found if not any(_hides(other, m) for other in found)]
    return sorted(kept, key=lambda m: (m.start, m.end))


def _without_other_senses(text: str) -> str:
    for pattern in _compiled(SENSES_IGNORED):
        text = pattern.sub(_blank, text)
    return text


def _blank(match: re.Match[str]) -> str:
    start, end = _core(match)
    offset = match.start()
    whole = match.group()
    return whole[: start - offset] + "_" * (end - start) + whole[end - offset :]


def _matches(text: str, patterns: dict[tuple[str, str], tuple[str, ...]], satisfies: bool, adds: bool) -> list[Mention]:
    return [
        Mention(attribute, word, *span, _negated(text[: span[0]]), satisfies, adds)
        for (attribute, word), sources in patterns.items()
        for pattern in _compiled(sources)
        for span in {_core(match) for match in pattern.finditer(text)}
    ]


def _core(match: re.Match[str]) -> tuple[int, int]:
    """Where the word itself lies: the group that matched, or everything."""
    return match.span(match.lastindex or 0)


def _negated(before: str) -> bool:
    return re.search(NEGATION, re.split(SCOPE, before)[-1]) is not None


def _hides(other: Mention, one: Mention) -> bool:
    """Whether a mention is no more than a part of another of its attribute ("echo" in "no echo")."""
    if other is one or other.attribute != one.attribute or not (other.start <= one.start and one.end <= other.end):
        return False
    longer = other.end - other.start > one.end - one.start
    return longer or (not other.adds and one.adds and other.word == one.word)


def _tables() -> tuple[tuple[dict[tuple[str, str], tuple[str, ...]], bool, bool], ...]:
    return (PATTERNS, True, True), (WEAK, True, False), (IMPLIED, False, True)


@cache
def _compiled(sources: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(source) for source in sources)
