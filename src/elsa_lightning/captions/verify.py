"""Does a rewritten caption say what was asked, all of it, and nothing else? The hallucinations that the paper admits and does not count.

`verify` reads one rewrite against its caption and its spatial words (arXiv 2409.11369 rewrites both into one sentence with a language
model). It knows English by rules (`lexicon`, `vocabulary`); how often it is right is measured on hand-judged rewrites in tests/captions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.captions.content import content_words, head_nouns, invented_sources, said, stem, tokens
from elsa_lightning.captions.lexicon import LISTENER
from elsa_lightning.captions.mentions import Mention, mentions
from elsa_lightning.errors import DataError

KINDS = ("lost", "added", "contradicted", "noun", "content", "invented", "length", "meta")
"""Faults: a spatial word that was asked for is missing · one appears that was not · one appears against what was asked, or its denial ·
a head noun is missing · too much else of the caption is missing · a sound source appears that the caption does not have · far too short or
long · words about the task instead of the scene."""

HALLUCINATIONS = ("added", "contradicted")
"""Kinds that make the hallucination rate."""

MAY_LOSE = 1 / 3
"""Share of a caption's content words that a rewrite may lose, rounded down, but one of three or more always; never a head noun."""

LONGEST = (2, 25)
"""A rewrite has at most so many times the caption's words, and so many more."""

_META = re.compile(
    r"^\W*(?:sure|certainly|of course|okay|ok|absolutely|here is|here's|here are|i'm sorry|i am sorry|sorry|as an ai|as requested)\b"
    r"|^\W*(?:the )?(?:\w+ ){0,2}(?:caption|sentence|rewrite|rewritten|rephrased|output|answer|response|result|version|note|description|"
    r"text|final)"
    r"(?: \w+)?\s*:"
    r"|\brewrit(?:e|es|ing|ten)\b|\brephras(?:e|ed|ing)\b|\bparaphras(?:e|ed|ing)\b|\b(?:this|the|original|new|given) (?:caption|"
    r"sentence|prompt)\b"
    r"|\blet me know\b|\bi (?:cannot|can't|can not|hope|have)\b|\bas an ai\b|\blanguage model\b|\bevery detail\b|\bword count\b|"
    r"\bnote that\b"
    r"|\(note\b|\bnote:|^\s*(?:\d+[.)]|[-*•#])\s|[<>{}\[\]|`*#_\\]|https?://",
    re.IGNORECASE,
)
_QUOTES = re.compile(r"[\"“”«»„]|^'.*'$|``")


class Words(Protocol):
    """Spatial words: `SpatialWords`, or a mapping from attribute to word."""

    def items(self) -> object:
        """Pairs (attribute, word)."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a rewrite.

    Args:
        kind: one of `KINDS`.
        detail: the word or words in question.
    """

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True)
class Verdict:
    """Whether a rewrite may stand, and every fault found."""

    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """No fault."""
        return not self.faults

    def has(self, *kinds: str) -> bool:
        """Whether a fault is of one of the kinds."""
        return any(fault.kind in kinds for fault in self.faults)


def verify(caption: str, words: Words | Mapping[str, str | None], rewrite: str) -> Verdict:
    """Check one rewrite.

    A spatial word that the caption itself says ("a plane overhead") may stay or go, unless another word of its attribute was asked for.

    Args:
        caption: the original, unspatial one.
        words: attribute → word, as `attributes.RULES` has them; None is no word.
        rewrite: of the caption, to say the words too.

    Raises:
        DataError: an attribute or a word that does not exist.
    """
    asked = asked_words(words)
    scene = frozenset(content_words(caption))
    found = mentions(rewrite, lambda following: names_a_thing(following, scene))
    faults = [*_spatial_faults(asked, found, mentions(caption)), *_content_faults(caption, rewrite), *_form_faults(caption, rewrite)]
    return Verdict(tuple(dict.fromkeys(faults)))


def asked_words(words: Words | Mapping[str, str | None]) -> dict[str, str]:
    """The words that are there, checked.

    Raises:
        DataError: an attribute or a word that does not exist.
    """
    asked = {attribute: word for attribute, word in words.items() if word is not None}
    for attribute, word in asked.items():
        if attribute not in RULES:
            raise DataError(f"no attribute '{attribute}'", f"use {', '.join(RULES)}")
        choices = list(dict.fromkeys(rule.word for rule in RULES[attribute][1]))
        if word not in choices:
            raise DataError(f"{attribute} has no word '{word}'", f"use one of {', '.join(choices)}")
    return asked


def _spatial_faults(asked: dict[str, str], found: list[Mention], given: list[Mention]) -> list[Fault]:
    told = {(m.attribute, m.word) for m in found if m.satisfies and not m.negated}
    carried = {(m.attribute, m.word, m.negated) for m in given}
    faults = [Fault("lost", f"{word} ({attribute})") for attribute, word in asked.items() if (attribute, word) not in told]
    for m in found:
        wanted = asked.get(m.attribute)
        denied = f"{'not ' if m.negated else ''}{m.word} ({m.attribute})"
        if wanted is not None and (m.word == wanted) == m.negated:
            if m.negated or m.adds:
                faults.append(Fault("contradicted", denied))
        elif wanted is None and m.adds and (m.attribute, m.word, m.negated) not in carried:
            faults.append(Fault("added", denied))
    return faults


def _content_faults(caption: str, rewrite: str) -> list[Fault]:
    stems = {stem(word) for word in tokens(rewrite)}
    content, heads = content_words(caption), head_nouns(caption)
    missing = [word for word in content if not said(word, stems)]
    faults = [Fault("noun", word) for word in heads if word in missing]
    allowed = max(int(len(content) * MAY_LOSE), 1 if len(content) >= 3 else 0)
    if len(missing) > allowed:
        faults.append(Fault("content", ", ".join(missing)))
    return faults + [Fault("invented", source) for source in invented_sources(caption, rewrite)]


def _form_faults(caption: str, rewrite: str) -> list[Fault]:
    faults = []
    length, original = len(rewrite.split()), len(caption.split())
    least, most = max(2, original // 2), LONGEST[0] * original + LONGEST[1]
    if not least <= length <= most:
        faults.append(Fault("length", f"{length} words, not {least} to {most}"))
    if found := _META.search(rewrite):
        faults.append(Fault("meta", found.group().strip()))
    if (found := _QUOTES.search(rewrite.strip())) and not _QUOTES.search(caption):
        faults.append(Fault("meta", f"quotation mark {found.group()[0]}"))
    if "\n" in rewrite.strip():
        faults.append(Fault("meta", "several lines"))
    if foreign := [letter for letter in rewrite if letter.isalpha() and ord(letter) > 0x24F]:
        faults.append(Fault("meta", f"not English: {''.join(foreign[:8])}"))
    return faults


def names_a_thing(following: str, scene: frozenset[str]) -> bool:
    """Whether "near", say, is followed by a thing of the scene: a determiner or none, at most two more words, then the thing."""
    if re.match(rf"\s*{LISTENER}\b", following):
        return False
    phrase = re.match(r"\s*((?:[a-z'-]+ ?){1,4})", following)
    words = phrase.group(1).split() if phrase else []
    if not words or words[0] not in ("a", "an", "the", "some", "his", "her", "their", "its", "this", "that"):
        return bool(words) and stem(words[0]) in scene
    return any(stem(word) in scene for word in words[1:3])
