"""The verifier against hand-judged rewrites, against senses of words, and against the sentence frames."""

import json
import pathlib
import re

import numpy as np
import pytest

from elsa_lightning.captions.attributes import RULES, SpatialWords
from elsa_lightning.captions.content import content_words, head_nouns, invented_sources, said, stem
from elsa_lightning.captions.mentions import mentions
from elsa_lightning.captions.templates import PLACE_ATTRIBUTES, plain_caption, spatial_caption
from elsa_lightning.captions.verify import KINDS, verify
from elsa_lightning.captions.wordings import AREAS, PLACES, REVERBERATIONS
from elsa_lightning.data.readers.esc50_captions import CAPTIONS
from elsa_lightning.errors import DataError

HERE = pathlib.Path(__file__).parent
REWRITES = [json.loads(line) for line in (HERE / "rewrites.jsonl").read_text(encoding="utf-8").splitlines()]
SENSES = [line.partition("|")[::2] for line in (HERE / "senses.txt").read_text().splitlines() if not line.startswith("#")]
CHOICES = {name: list(dict.fromkeys(rule.word for rule in intervals)) for name, (_, intervals) in RULES.items()}
PLAIN = [caption for group in CAPTIONS.values() for caption in group]


def said_words(text):
    return {(m.attribute, m.word) for m in mentions(text) if not m.negated}


# ---- hand-judged rewrites
#
# Written and judged line by line as a reader would, each before any verdict on it was seen; ok: one who has only the sentence would set the
# source and the room as asked, no more, and would name the same sound. The verifier's rules were mended on the even lines, senses.txt and
# the frames; of the odd lines only the totals were seen. One author wrote set and verifier, and both halves share captions.


def measured(rows):
    """Precision and recall of finding the faulty rewrites, and the share of those found whose kind of fault is named."""
    verdicts = [(row, verify(row["caption"], row["words"], row["rewrite"])) for row in rows]
    hits = [(row, verdict) for row, verdict in verdicts if not row["ok"] and not verdict.ok]
    precision = len(hits) / sum(not verdict.ok for _, verdict in verdicts)
    return precision, len(hits) / sum(not row["ok"] for row in rows), sum(verdict.has(row["fault"]) for row, verdict in hits) / len(hits)


def test_hand_judged_rewrites():
    halves = {"even lines (developed on)": REWRITES[1::2], "odd lines (totals seen, no line)": REWRITES[0::2], "all": REWRITES}
    for name, rows in halves.items():
        precision, recall, kind = measured(rows)
        print(f"{name}: {len(rows)} rewrites, precision {precision:.3f}, recall {recall:.3f}, kind of fault named {kind:.3f}")
    assert precision >= 0.95 and recall >= 0.95 and kind >= 0.95


def test_the_judged_set_is_large_varied_and_whole():
    assert len(REWRITES) >= 80 and 0.4 < sum(row["ok"] for row in REWRITES) / len(REWRITES) < 0.6
    assert {row["fault"] for row in REWRITES if not row["ok"]} == set(KINDS)
    assert all(row["ok"] == ("fault" not in row) for row in REWRITES)
    assert len({(row["rewrite"], str(row["words"])) for row in REWRITES}) == len(REWRITES)
    for attribute, words in CHOICES.items():
        for word in words:
            assert sum(row["words"].get(attribute) == word for row in REWRITES) >= 5, (attribute, word)


# ---- spatial words and their senses


@pytest.mark.parametrize(("text", "expected"), SENSES, ids=[text.strip() for text, _ in SENSES])
def test_senses(text, expected):
    strong, weak = set(), set()
    for m in mentions(text):
        (strong if m.adds else weak).add(("-" if m.negated else "") + m.word.split()[0].split("-")[0])
    assert strong == {word for word in expected.split() if not word.endswith("?")}
    assert weak <= {word[:-1] for word in expected.split() if word.endswith("?")}


def test_every_wording_of_the_frames_is_understood():
    for pair, placing in PLACES.items():
        for wording in placing.at + placing.source:
            assert said_words(f"a dog barking, {wording}") == {pair}, wording
    for word, adjectives in AREAS.items():
        for adjective in adjectives:
            assert said_words(f"in a {adjective} space, a dog barking") == {("area", word)}, adjective
    for word, acoustics in REVERBERATIONS.items():
        for phrase in [f"{adjective} room" for adjective in acoustics.adjectives] + [f"room {tail}" for tail in acoustics.tails]:
            assert said_words(f"a dog barking in a {phrase}") == {("reverberation", word)}, phrase


def test_plain_captions_say_nothing_spatial():
    assert [caption for caption in PLAIN if mentions(caption)] == []


def test_frames_pass_for_their_words_and_fail_for_any_others():
    rng = np.random.default_rng(0)
    for _ in range(400):
        words = {name: str(rng.choice(options)) for name, options in CHOICES.items() if rng.random() < 0.7}
        caption = PLAIN[rng.integers(len(PLAIN))]
        text = spatial_caption(caption, SpatialWords(**words), rng)
        assert verify(caption, SpatialWords(**words), text).ok, (text, verify(caption, words, text).faults)
        attribute = str(rng.choice(list(CHOICES)))
        other = str(rng.choice([word for word in CHOICES[attribute] if word != words.get(attribute)]))
        verdict = verify(caption, words | {attribute: other}, text)
        assert verdict.has("lost") and verdict.has("contradicted") == (attribute in words), (text, attribute, other, verdict)
        if attribute in words:
            without = verify(caption, {name: word for name, word in words.items() if name != attribute}, text)
            assert {fault.kind for fault in without.faults} == {"added"}, (text, attribute, without)


def test_a_plain_caption_loses_every_word():
    words = {name: options[0] for name, options in CHOICES.items()}
    verdict = verify("a dog barking", words, plain_caption("a dog barking"))
    assert [fault.kind for fault in verdict.faults] == ["lost"] * len(PLACE_ATTRIBUTES + ("area", "reverberation"))


@pytest.mark.parametrize(
    ("caption", "words", "rewrite", "kinds"),
    [
        ("A plane flies overhead", {}, "A plane flies overhead.", set()),
        ("A plane flies overhead", {"direction": "left"}, "On the left, a plane flies by.", set()),
        ("A plane flies overhead", {"elevation": "down"}, "Down below, a plane flies overhead.", {"contradicted"}),
        ("A plane flies by", {}, "A plane flies overhead.", {"added"}),
        ("A dog barks", {"distance": "far"}, "A dog barks, not far away.", {"lost", "contradicted"}),
        ("A dog barks", {"distance": "near"}, "A dog barks nearby, not far away.", set()),
        ("A dog barks", {}, "A dog barks, not far away.", {"added"}),
        ("A dog barks", {"direction": "left"}, "A dog barks, not on the right but on the left.", set()),
        ("A frog croaks by a pond", {"distance": "near"}, "A frog croaks near the pond.", {"lost"}),
        ("A frog croaks by a pond", {"distance": "near"}, "Near the listener, a frog croaks by a pond.", set()),
        ("A frog croaks by a pond", {}, "A frog croaks near the pond.", set()),
        ("A man says \"hello\"", {"direction": "left"}, "On the left, a man says \"hello\".", set()),
        ("A bell rings", {"direction": "left"}, "1. A bell rings on the left.", {"meta"}),
        ("A bell rings", {"direction": "left"}, "A bell rings on the left.\n\nA bell rings.", {"meta"}),
        ("A bell rings", {"direction": "left"}, "", {"lost", "noun", "content", "length"}),
    ],
)  # fmt: skip
def test_single_cases(caption, words, rewrite, kinds):
    assert {fault.kind for fault in verify(caption, words, rewrite).faults} == kinds


@pytest.mark.parametrize("words", [{"colour": "red"}, {"direction": "north"}, {"elevation": "left"}])
def test_unknown_words_are_refused(words):
    with pytest.raises(DataError, match=next(iter(words))):
        verify("a dog barks", words, "a dog barks")


# ---- content


def test_inflections_share_a_stem():
    families = """bark barks barked barking | cry cries cried crying | drip drips dripped dripping | dog dogs | man men | fly flies flew
        | buzz buzzes buzzing | breathe breathes breathing | horse horses | child children | whistle whistling whistles | speak spoke"""
    for family in families.split("|"):
        assert len({stem(word) for word in family.split()}) == 1, family
    apart = ("dog", "cat", "car", "cart", "rain", "train", "wind", "window")
    assert len({stem(word) for word in apart}) == len(apart)


@pytest.mark.parametrize(
    ("caption", "heads"),
    [
        ("A loud car engine running while a dog barks", "engine dog"),
        ("There is a man speaking with birds chirping", "man bird"),
        ("A man speaks with a deep voice", "man"),
        ("the patter of rain", "rain"),
        ("A flock of geese honk", "geese"),
        ("Church bells ring, then people cheer", "bells people"),
        ("Rain and distant thunder", "rain thunder"),
        ("A high pitched bell rings", "bell"),
        ("A man gives a speech", "man"),
        ("Typing on a keyboard", "typing"),
        ("a sudden sneeze", "sneeze"),
        ("Rustling followed by a sheep baaing", "sheep"),
    ],
)
def test_head_nouns(caption, heads):
    assert head_nouns(caption) == tuple(map(stem, heads.split()))


def test_synonyms_do_not_chain():
    words = {stem(word) for word in ("vehicle",)}
    assert said(stem("cars"), words) and said(stem("truck"), words)
    assert not said(stem("car"), {stem("truck")}) and not said(stem("dog"), {stem("cat")})


def test_a_named_source_is_invented_unless_told_or_implied():
    assert invented_sources("A car engine purring", "A cat purrs") == [stem("cat")]
    assert invented_sources("Meowing", "A cat meows") == []
    assert invented_sources("A canine barks", "A dog barks") == []
    assert invented_sources("Tires screech", "A car's tires screech") == []


def test_spatial_words_of_a_caption_are_not_its_content():
    assert content_words("A train passes in the distance on the left") == (stem("train"), stem("pass"))


def test_share_of_content_that_may_go():
    caption = "A loud old engine rattles slowly beside water"
    assert verify(caption, {}, "An old engine rattles by the water.").ok
    assert verify(caption, {}, "An engine.").has("content") and not verify(caption, {}, "An engine.").has("noun")


def test_fault_text_names_the_word():
    verdict = verify("A dog barks", {"direction": "left"}, "A cat is on the right.")
    text = "; ".join(map(str, verdict.faults))
    assert re.search(r"lost: left \(direction\).*contradicted: right \(direction\).*noun: dog.*invented: cat", text)
