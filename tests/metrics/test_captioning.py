"""Captioning measures: aac-metrics' figures for made-up captions, hand-worked values, slow loops, and limits."""

import itertools
import math
import random

import pytest

from elsa_lightning.errors import DataError
from elsa_lightning.metrics.captioning import (
    BETA,
    DocumentFrequencies,
    bleu,
    cider_d,
    common_length,
    ngrams,
    rouge_l,
    tokenize,
    unique_words,
)

HYPOTHESES = [
    "a dog barks on the left in a small room",
    "rain falls far away behind the listener",
    "a man speaks in a large echoing hall",
    "a dog barks in front in a large room",
    "water drips into a sink nearby",
    "a bell rings",
]
REFERENCES = [
    ["a dog barks to the left in a small room", "on the left a small dog is barking", "a dog barks on the left"],
    ["rain falls on a roof far away", "far away rain is falling behind the listener"],
    [
        "a man speaks in a large hall with a long echo",
        "in a spacious echoing hall a man is talking",
        "a man talks and the hall is large and echoing",
        "a man speaks in a large echoing room",
    ],
    ["a large dog barks in front of you in a big room", "straight ahead a dog barks in a large room"],
    ["water drips into a metal sink close by", "nearby water is dripping into a sink", "water drips near the listener"],
    ["a bell rings three times to the right", "a bell rings somewhere on the right in a dry room"],
]
# aac-metrics 0.5.4 (`bleu(n=4, return_1_to_n=True)`, `rouge_l`, `cider_d`, `vocab`) on these, split at spaces
BLEU = [0.9111723099536418, 0.8605113861074847, 0.794011207621237, 0.7109140698683709]
ROUGE_L = 0.7517411624437211
CIDER_D = 3.6403186167175865
CIDER_D_OF_EACH = [5.182412041333061, 3.114060410329293, 4.2486661233904, 3.9691772112708943, 3.19557097140022, 2.13202494258165]
UNIQUE_WORDS = 28


@pytest.fixture
def pairs():
    return [tokenize(text) for text in HYPOTHESES], [[tokenize(text) for text in texts] for texts in REFERENCES]


def drawn(seed, words=tuple("abcdef"), clips=7):
    """Random captions of letters."""
    rng = random.Random(seed)

    def caption():
        return [rng.choice(words) for _ in range(rng.randint(1, 9))]

    return [caption() for _ in range(clips)], [[caption() for _ in range(rng.randint(1, 4))] for _ in range(clips)]


def test_bleu_is_that_of_aac_metrics(pairs):
    assert bleu(*pairs) == pytest.approx(BLEU, abs=1e-6)


def test_rouge_l_is_that_of_aac_metrics(pairs):
    assert rouge_l(*pairs) == pytest.approx(ROUGE_L, abs=1e-6)


def test_cider_d_is_that_of_aac_metrics(pairs):
    mean, each = cider_d(*pairs)
    assert mean == pytest.approx(CIDER_D, abs=1e-6) and each == pytest.approx(CIDER_D_OF_EACH, abs=1e-6)


def test_unique_words_are_those_of_aac_metrics(pairs):
    assert unique_words(pairs[0]) == UNIQUE_WORDS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog barks, far away.", "a dog barks far away"),
        ("The dog's near; it doesn't bark!", "the dog 's near it does n't bark"),
        ("on the right-hand side: a MEDIUM-SIZED room", "on the right-hand side a medium-sized room"),
        ("we’re here -- they'll ring 'twice'...", "we 're here they 'll ring twice"),
        ("", ""),
    ],
)
def test_tokens(text, words):
    assert tokenize(text) == words.split()


def test_bleu_by_hand():
    """`a b c` against `a b d e`: 2 of 3 words, 1 of 2 pairs, no triple; 3 words where 4 are wanted."""
    brevity = math.exp(1 - 4 / 3)
    assert bleu([["a", "b", "c"]], [[["a", "b", "d", "e"]]]) == pytest.approx([brevity * 2 / 3, brevity * math.sqrt(2 / 3 / 2), 0, 0])


def test_bleu_clips_repeated_words_and_takes_the_nearest_length():
    """The paper's own example: `the` seven times matches twice, as one reference has it; of lengths 6 and 7 the latter is near."""
    references = [["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat", "on", "the", "mat"]]
    assert bleu([["the", "the", "the", "the", "the", "the", "the"]], [references])[0] == pytest.approx(2 / 7)


def test_rouge_l_by_hand():
    """`a x b y` against `a b c`: a b in common: precision 2/4, recall 2/3; the second reference has nothing to add."""
    f = (1 + BETA**2) * (1 / 2) * (2 / 3) / (2 / 3 + BETA**2 / 2)
    assert rouge_l([["a", "x", "b", "y"]], [[["a", "b", "c"], ["z"]]]) == pytest.approx(f)


def test_cider_d_by_hand():
    """Two clips of one word each, both right: cosine 1 for n = 1, no longer n-grams: a quarter of 10."""
    assert cider_d([["a"], ["b"]], [[["a"]], [["b"]]]) == (2.5, [2.5, 2.5])
    # `x` is in both clips: ln 2 − ln 2 = 0, so that only `a` counts; the pair (a, x) is as rare as `a`
    mean, each = cider_d([["a", "x"], ["x"]], [[["a", "x"]], [["x"]]])
    assert each == pytest.approx([5.0, 0.0]) and mean == pytest.approx(2.5)


def test_cider_d_takes_given_frequencies_and_pays_for_length():
    frequencies = DocumentFrequencies({("a",): 1, ("b",): 2}, 8)
    rare, common = math.log(8), math.log(4)
    (_, (score,)) = cider_d([["a"]], [[["a", "b"]]], frequencies)
    assert score == pytest.approx(10 / 4 * math.exp(-1 / 72) * rare**2 / (rare * math.hypot(rare, common)))


def slow_subsequence(one, other):
    for length in range(min(len(one), len(other)), 0, -1):
        ones = {tuple(c) for c in itertools.combinations(one, length)}
        if any(tuple(c) in ones for c in itertools.combinations(other, length)):
            return length
    return 0


@pytest.mark.parametrize("seed", range(6))
def test_common_length_by_trying_all_subsequences(seed):
    hypotheses, references = drawn(seed)
    for words, others in zip(hypotheses, references, strict=True):
        assert common_length(words, others[0]) == slow_subsequence(words, others[0])


def slow_cider_d(hypotheses, references):
    """The formula of the paper, n-gram by n-gram over the whole vocabulary."""
    every = sorted({g for side in [hypotheses, *references] for words in side for g in ngrams(words)})

    def vector(words, n):
        weights = []
        for ngram in (g for g in every if len(g) == n):
            count = sum(tuple(words[i : i + n]) == ngram for i in range(len(words) - n + 1))
            clips = sum(any(ngram in ngrams(words) for words in others) for others in references)
            weights.append(count * math.log(len(references) / max(1, clips)))
        return weights

    scores = []
    for words, others in zip(hypotheses, references, strict=True):
        total = 0.0
        for other in others:
            for n in range(1, 5):
                h, r = vector(words, n), vector(other, n)
                norms = math.hypot(*h) * math.hypot(*r) if h else 0.0
                cosine = sum(min(x, y) * y for x, y in zip(h, r, strict=True)) / norms if norms else 0.0
                total += cosine * math.exp(-((len(words) - len(other)) ** 2) / 72) / 4
        scores.append(10 * total / len(others))
    return scores


@pytest.mark.parametrize("seed", range(4))
def test_cider_d_by_slow_loops(seed):
    assert cider_d(*drawn(seed))[1] == pytest.approx(slow_cider_d(*drawn(seed)), abs=1e-9)


def slow_bleu(hypotheses, references, n):
    right = offered = 0
    for words, others in zip(hypotheses, references, strict=True):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        offered += len(grams)
        for gram in set(grams):
            right += min(grams.count(gram), max([tuple(o[i : i + n]) for i in range(len(o))].count(gram) for o in others))
    return right / offered


@pytest.mark.parametrize("seed", range(4))
def test_bleu_by_slow_loops(seed):
    hypotheses, references = drawn(seed, words="ab")
    length = sum(map(len, hypotheses))
    wanted = sum(min(map(len, o), key=lambda n: (abs(n - len(w)), n)) for w, o in zip(hypotheses, references, strict=True))
    brevity = min(1.0, math.exp(1 - wanted / length))
    product = 1.0
    for n, found in enumerate(bleu(hypotheses, references), start=1):
        product *= slow_bleu(hypotheses, references, n)
        assert found == pytest.approx(brevity * product ** (1 / n))


@pytest.mark.parametrize("seed", range(3))
def test_limits(seed):
    """One of its own references: 1 (CIDEr-D 10 with that one alone); nothing in common: 0; the order of clips does not matter."""
    _, references = drawn(seed, words=[f"w{i}" for i in range(40)])
    references = [[words + ["u", "v", "x", str(i)] for words in others] for i, others in enumerate(references)]
    same = [others[-1] for others in references]
    assert bleu(same, references) == pytest.approx([1] * 4) and rouge_l(same, references) == pytest.approx(1)
    assert cider_d(same, [others[-1:] for others in references])[0] == pytest.approx(10)
    foreign = [["no", "such", "words", "at", "all"]] * len(same)
    assert bleu(foreign, references) == [0] * 4 and rouge_l(foreign, references) == 0 and cider_d(foreign, references)[0] == 0
    hypotheses = [words[:4] for words in same]
    assert cider_d(hypotheses[::-1], references[::-1])[1] == pytest.approx(cider_d(hypotheses, references)[1][::-1])
    assert bleu(hypotheses[::-1], references[::-1]) == pytest.approx(bleu(hypotheses, references))


def test_an_empty_hypothesis_scores_nothing_and_breaks_nothing():
    references = [[["a", "b"]], [["c"]]]
    assert bleu([[], []], references) == [0] * 4 and rouge_l([[], ["c"]], references) == 0.5
    assert cider_d([[], ["c"]], references)[1] == pytest.approx([0, 2.5])


@pytest.mark.parametrize(
    ("hypotheses", "references", "fault"),
    [([], [], "0 hypotheses"), ([["a"]], [], "references of 0"), ([["a"]], [[]], "no reference"), (["a"], [[["a"]]], "tokenize")],
)
def test_what_cannot_be_scored_is_refused(hypotheses, references, fault):
    for measure in (bleu, rouge_l, cider_d):
        with pytest.raises(DataError) as caught:
            measure(hypotheses, references)
        assert fault in f"{caught.value.message} {caught.value.remedy}"
