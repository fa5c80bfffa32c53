"""What a caption is about: its content words, its head nouns, and whether another text still says them.

No tagger: word lists, a light stemmer and the shape of captions ("a loud car engine running while a dog barks"). Wrong now and then;
how often is measured on hand-written rewrites (tests/captions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from elsa_lightning.captions.mentions import mentions, plain
from elsa_lightning.captions.synonyms import IMPLIES, SOURCES, SYNONYMS
from elsa_lightning.captions.vocabulary import (
    ADJECTIVES,
    AUXILIARIES,
    COMPANIONS,
    DETERMINERS,
    EMPTY_WORDS,
    IRREGULAR,
    JOINERS,
    PLURALS,
    PREPOSITIONS,
    VERBS,
)

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|[.,;:!?]")
_VOWELS = set("aeiouy")


def tokens(text: str) -> list[str]:
    """Words and punctuation marks in lower case; a hyphen parts words, a possessive 's is dropped."""
    return [re.sub(r"'s?$", "", token) for token in _WORD.findall(plain(text))]


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A word without its inflection: barks, barked, barking → bark."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    for ending, least in (("ing", 3), ("ied", 2), ("ies", 2), ("ed", 3), ("es", 3), ("s", 3), ("ly", 4)):
        base = word[: -len(ending)]
        if not word.endswith(ending) or len(base) < least or not _VOWELS & set(base) or (ending == "s" and base[-1] in "su"):
            continue
        if ending in ("ied", "ies"):
            return base + "i"
        if ending == "es" and not base.endswith(("s", "x", "z", "ch", "sh")):
            base += "e"
        word = base
        break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") and word[-2] not in _VOWELS else word


@lru_cache(maxsize=4096)
def content_words(caption: str) -> tuple[str, ...]:
    """Stems of what a caption tells of the sound, each once: no function words, no spatial words."""
    text = plain(caption)
    for mention in mentions(caption):
        text = text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
    words = (word for word in tokens(text) if word.isalpha() and word not in _FUNCTION)
    return tuple(dict.fromkeys(stem(word) for word in words))


@lru_cache(maxsize=4096)
def head_nouns(caption: str) -> tuple[str, ...]:
    """Stems of the nouns that make the sound; the first content word where no noun is seen ("typing on a keyboard")."""
    content = content_words(caption)
    chunks = _subjects(tokens(caption))
    heads = [noun for chunk in chunks if (noun := _head(chunk, chunk is chunks[0])) in content]
    return tuple(dict.fromkeys(heads)) or tuple(word for word in content if word not in ADJECTIVES)[:1]


def said(word: str, stems: Iterable[str]) -> bool:
    """Whether a stem, a synonym of it or a word built on it is among others."""
    stems = set(stems)
    return word in stems or bool(_synonyms(word) & stems) or any(_same_root(word, other) for other in stems)


def invented_sources(caption: str, text: str) -> list[str]:
    """Sound sources that a text names and its caption neither names nor implies (a meow implies a cat); common ones only."""
    told = {stem(word) for word in tokens(caption)}
    told |= {source for word in told for source in _IMPLIED.get(word, ())}
    named = dict.fromkeys(stem(word) for word in tokens(text) if stem(word) in _SOURCES)
    return [source for source in named if not said(source, told)]


def _subjects(words: list[str]) -> list[list[str]]:
    """Runs of words that may hold a subject: from the start, a joiner, "with" or "there is", up to a preposition, an auxiliary or a stop.

    In "the bark of a dog" the dog is the subject; "with a stick" has none, "with birds singing" has.
    """
    chunks: list[list[str]] = []
    chunk: list[str] = []
    subject, companion = True, False

    def end() -> None:
        nonlocal chunk
        if chunk and (not companion or chunk[-1].endswith("ing")):
            chunks.append(chunk)
        chunk = []

    for before, word in pairwise(["", *words, "."]):
        if (word == "of" and subject) or (word == "by" and before in ("followed", "accompanied")):
            chunk = []
        elif word in JOINERS or word in COMPANIONS or not word.isalpha():
            end()
            subject, companion = True, word in COMPANIONS
        elif word in AUXILIARIES and chunk == ["there"]:
            chunk = []
        elif word in PREPOSITIONS or word in AUXILIARIES:
            end()
            subject = False
        elif subject and word not in DETERMINERS:
            chunk.append(word)
        elif chunk:  # a determiner after a verb: its object
            end()
            subject = False
    return chunks


def _head(chunk: list[str], first: bool) -> str:
    """Stem of the noun before the first verb; empty where there is none. A lone "rain" is a noun where it opens the caption."""
    while (len(chunk) > 1 and chunk[0].endswith(("ing", "ly", "ed"))) or (len(chunk) > 2 and chunk[0] in ADJECTIVES):
        chunk = chunk[1:]
    if len(chunk) == 1:
        verb = stem(chunk[0]) in _VERBS and (chunk[0].endswith("s") or not first)
        return "" if verb or chunk[0].endswith(("ing", "ed", "ly")) or chunk[0] in EMPTY_WORDS else stem(chunk[0])
    verb = next((i for i in range(1, len(chunk)) if _is_verb(chunk[i], chunk[i - 1])), len(chunk))
    noun = chunk[verb - 1]
    if noun in ADJECTIVES and verb < len(chunk):  # "a steady ticking"
        noun = chunk[verb]
    return "" if noun in EMPTY_WORDS else stem(noun)


def _is_verb(word: str, before: str) -> bool:
    if word.endswith(("ing", "ed")) or word in EMPTY_WORDS:
        return True
    plural = before in PLURALS or (before.endswith("s") and not before.endswith("ss"))
    if word.endswith("s") and not word.endswith("ss"):
        return not plural and (stem(word) in _VERBS or stem(before) in _SOURCES)
    return stem(word) in _VERBS and (plural or stem(before) in _SOURCES)


def _same_root(word: str, other: str) -> bool:
    short, long = sorted((word, other), key=len)
    return len(short) >= 5 and long.startswith(short)


@lru_cache(maxsize=65536)
def _synonyms(word: str) -> frozenset[str]:
    return frozenset(other for group in _SYNONYMS if word in group for other in group)


_VERBS = frozenset(map(stem, VERBS))
_SOURCES = frozenset(map(stem, SOURCES))
_SYNONYMS = tuple(frozenset(map(stem, group)) for group in SYNONYMS)
_IMPLIED = {stem(word): frozenset(map(stem, sources)) for word, sources in IMPLIES.items()}
_FUNCTION = EMPTY_WORDS | DETERMINERS | PREPOSITIONS | AUXILIARIES | JOINERS | COMPANIONS
