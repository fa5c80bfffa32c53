"""How near generated captions come to what people, or templates, say of the same clips.

**Task.** Each clip has one hypothesis and one or more references.

**Conventions.** `tokenize` parts a caption as the field's PTB tokeniser does, lower case and without punctuation; all other functions take
its words. BLEU is a corpus measure, of summed counts and of the lengths nearest to the hypotheses' (Papineni et al., ACL 2002); where no
n-gram matches it is 0 (coco-caption adds 1e-15 to the counts there, and gives a few ten-thousandths). ROUGE-L and CIDEr-D are means over
the clips. With these words the figures equal those of aac-metrics 0.5.x, as the tests hold them to; the field's own figures are of the Java
tokeniser, which splits rare words otherwise. METEOR, SPIDEr and FENSE need Java or weights: see `evaluators.elsewhere`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from elsa_lightning.errors import DataError

ORDER = 4
"""Longest n-gram of BLEU and CIDEr-D."""

BETA = 1.2
"""Of ROUGE-L: recall counts β² as much as precision (coco-caption's)."""

SIGMA = 6.0
"""Of CIDEr-D: standard deviation of its penalty on a difference in length, words."""

Words = Sequence[str]
Ngram = tuple[str, ...]

_CONTRACTION = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b")
_TOKEN = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|\w+(?:[-./]\w+)*")


def tokenize(caption: str) -> list[str]:
    """Words in lower case, without punctuation: "The dog's near; it doesn't bark." → the dog 's near it does n't bark.

    As the Penn Treebank's rules have it, clitics are words of their own, and a hyphen within a word parts nothing ("medium-sized").
    """
    text = caption.lower().replace("’", "'").replace("‘", "'")
    return _TOKEN.findall(_CONTRACTION.sub(lambda found: " " + found.group(), text))


def ngrams(words: Words, longest: int = ORDER) -> Counter[Ngram]:
    """How often each n-gram of 1 to `longest` words occurs."""
    return Counter(tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1))


def bleu(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """BLEU-1 to BLEU-4 of the whole set.

    Args:
        hypotheses: a clip's words each.
        references: of the same clips, one or more each.

    Raises:
        DataError: see `check`.
    """
    check(hypotheses, references)
    matched, offered = [0] * ORDER, [0] * ORDER
    length = wanted = 0
    for words, others in zip(hypotheses, references, strict=True):
        most: Counter[Ngram] = Counter()
        for other in others:
            most |= ngrams(other)
        for ngram, count in ngrams(words).items():
            matched[len(ngram) - 1] += min(count, most[ngram])
            offered[len(ngram) - 1] += count
        length += len(words)
        wanted += min((abs(len(other) - len(words)), len(other)) for other in others)[1]  # of two equally near the shorter
    brevity = 1.0 if length >= wanted else math.exp(1 - wanted / length) if length else 0.0
    shares = [right / all_ if all_ else 0.0 for right, all_ in zip(matched, offered, strict=True)]
    return [brevity * math.prod(shares[:n]) ** (1 / n) for n in range(1, ORDER + 1)]


def rouge_l(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Mean ROUGE-L (Lin, 2004): F of the longest common subsequence, of the best precision and the best recall among a clip's references.

    Raises:
        DataError: see `check`.
    """
    check(hypotheses, references)
    return _mean(_rouge_l(words, others) for words, others in zip(hypotheses, references, strict=True))


def _rouge_l(words: Words, references: Sequence[Words]) -> float:
    common = [common_length(words, other) for other in references]
    precision = max(common) / len(words) if words else 0.0
    recall = max(n / len(other) if len(other) else 0.0 for n, other in zip(common, references, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(one: Words, other: Words) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)  # row[j]: of the words of `one` so far and the first j of `other`
    for word in one:
        diagonal = 0
        for j, against in enumerate(other, start=1):
            diagonal, row[j] = row[j], diagonal + 1 if word == against else max(row[j], row[j - 1])
    return row[-1]


@dataclass(frozen=True)
class DocumentFrequencies:
    """In how many clips' references each n-gram occurs.

    Attributes:
        counts: n-gram → clips.
        clips: in all.
    """

    counts: Mapping[Ngram, int]
    clips: int

    @classmethod
    def of(cls, references: Iterable[Sequence[Words]]) -> DocumentFrequencies:
        """Those of the references of one clip after another."""
        counts: Counter[Ngram] = Counter()
        clips = 0
        for others in references:
            counts.update({ngram for words in others for ngram in ngrams(words)})
            clips += 1
        return cls(counts, clips)

    def weighted(self, words: Words) -> list[dict[Ngram, float]]:
        """TF-IDF of the n-grams, for each n from 1 to 4: count · (ln clips − ln max(1, clips with it))."""
        vectors: list[dict[Ngram, float]] = [{} for _ in range(ORDER)]
        for ngram, count in ngrams(words).items():
            rarity = math.log(max(1, self.clips)) - math.log(max(1, self.counts.get(ngram, 0)))
            vectors[len(ngram) - 1][ngram] = count * rarity
        return vectors


def cider_d(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]], frequencies: DocumentFrequencies | None = None
) -> tuple[float, list[float]]:
    """CIDEr-D (Vedantam, Zitnick and Parikh, CVPR 2015, section 7), from 0 to 10: its mean, and each clip's.

        10 · mean over references and n of  e^(−Δ²/2σ²) · Σ min(h, r) · r / (‖h‖ ‖r‖)

    h and r being TF-IDF vectors and Δ the difference in length, counted in bigrams as in coco-caption.

    Args:
        hypotheses: a clip's words each.
        references: of the same clips, one or more each.
        frequencies: None: those of these references. A score depends on them, so that of a part of a test set compares with none of the
            whole; and a set of one clip has no rare words: 0.

    Raises:
        DataError: see `check`.
    """
    check(hypotheses, references)
    frequencies = frequencies or DocumentFrequencies.of(references)
    scores = []
    for words, others in zip(hypotheses, references, strict=True):
        ours = frequencies.weighted(words)
        parts = [_similarity(ours, frequencies.weighted(other), _bigrams(words) - _bigrams(other)) for other in others]
        scores.append(10 * _mean(parts))
    return _mean(scores), scores


def _bigrams(words: Words) -> int:
    return max(0, len(words) - 1)


def _similarity(ours: list[dict[Ngram, float]], theirs: list[dict[Ngram, float]], difference: int) -> float:
    """Mean over n of the clipped cosines, times the penalty on the difference in length."""
    cosines = []
    for h, r in zip(ours, theirs, strict=True):
        norm = math.sqrt(math.fsum(x * x for x in h.values()) * math.fsum(x * x for x in r.values()))
        overlap = math.fsum(min(weight, r[ngram]) * r[ngram] for ngram, weight in h.items() if ngram in r)
        cosines.append(overlap / norm if norm else 0.0)
    return math.exp(-(difference**2) / (2 * SIGMA**2)) * _mean(cosines)


def unique_words(hypotheses: Iterable[Words]) -> int:
    """Number of different words in all hypotheses together. It depends on the tokens: see `tokenize`."""
    return len({word for words in hypotheses for word in words})


def check(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> None:
    """See that there is something to score.

    Raises:
        DataError: no clips, unequal numbers, or a clip without a reference.
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise DataError(f"{len(hypotheses)} hypotheses for the references of {len(references)} clips", "give one hypothesis per clip")
    bare = [i for i, others in enumerate(references) if not others]
    if bare:
        raise DataError(f"clip {bare[0]} has no reference", "give each clip at least one caption")
    if isinstance(hypotheses[0], str):
        raise DataError("captions are scored by their words, not as text", "tokenize them first")


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values)
