import numpy as np
import pytest

from elsa_lightning.bootstrap import Scores, _draws, _values, interval, paired_interval, read_scores, write_scores
from elsa_lightning.errors import DataError

RNG = np.random.default_rng(0)
CLIP = np.array([3, 3, 5, 7, 7, 7, 9, 9, 20])
SCORE = RNG.normal(size=9)
GROUP = np.array([0, 1, 0, 2, 2, 0, 1, 1, 2])
ALL = [Scores(SCORE, CLIP), Scores(SCORE, CLIP, "median"), Scores(SCORE, CLIP, "balanced", GROUP)]


def slow(scores, clips, drawn):
    """Each drawn clip's scores written out as often as it was drawn."""
    rows = [row for clip, times in zip(clips, drawn, strict=True) for row in np.flatnonzero(scores.clip == clip).tolist() * int(times)]
    if scores.kind == "balanced":
        return np.mean([scores.score[[r for r in rows if scores.group[r] == g]].mean() for g in {scores.group[r] for r in rows}])
    return {"mean": np.mean, "median": np.median}[scores.kind](scores.score[rows])


@pytest.mark.parametrize("scores", ALL, ids=lambda s: s.kind)
def test_weights_are_repetitions(scores):
    clips = np.unique(CLIP)
    (counts,) = _draws(len(clips), 60, seed=1)
    assert (counts.sum(axis=1) == len(clips)).all() and len(np.unique(counts, axis=0)) > 30
    assert _values(scores, clips, counts) == pytest.approx([slow(scores, clips, drawn) for drawn in counts])


def test_the_metric_itself():
    assert ALL[0].value == pytest.approx(SCORE.mean()) and ALL[1].value == np.median(SCORE)
    hand = Scores(np.array([1.0, 0, 1, 1]), np.arange(4), "balanced", np.array([0, 0, 1, 1]))
    assert hand.value == 0.75
    assert Scores(np.array([1.0, 2, 4, 9]), np.arange(4), "median").value == 3


def test_versions_of_a_clip_are_no_further_evidence():
    score = RNG.normal(size=200)
    alone = interval(Scores(score, np.arange(200)), 500, 0.95, 3)
    assert interval(Scores(score.repeat(4), np.arange(200).repeat(4)), 500, 0.95, 3) == pytest.approx(alone)
    naive = interval(Scores(score.repeat(4), np.arange(800)), 500, 0.95, 3)
    assert naive[1] - naive[0] < 0.6 * (alone[1] - alone[0])
    assert (alone[1] - alone[0]) / 2 == pytest.approx(1.96 * score.std() / np.sqrt(200), rel=0.1)
    assert interval(Scores(score, np.arange(200)), 500, 0.5, 3)[1] < alone[1]


def test_pairing_takes_away_what_both_share():
    hard = RNG.normal(size=300)
    left, right = Scores(hard + 0.1, np.arange(300)), Scores(hard + 0.01 * RNG.normal(size=300), np.arange(300))
    difference, low, high = paired_interval(left, right, 400, 0.95, 0)
    assert 0 < low < difference < high < 0.12 and difference == pytest.approx(left.value - right.value)
    alone = interval(left, 400, 0.95, 0)
    assert high - low < 0.05 * (alone[1] - alone[0])
    assert paired_interval(left, left, 50, 0.95, 0) == (0, 0, 0)
    with pytest.raises(DataError, match="different clips"):
        paired_interval(left, Scores(hard, np.arange(1, 301)), 50, 0.95, 0)


def test_a_file_of_scores_comes_back(tmp_path):
    found = dict(zip(("localization/doa_mae_deg", "b", "zero_shot/x/balanced_accuracy"), ALL, strict=True))
    write_scores(found, tmp_path / "s.safetensors")
    back = read_scores(tmp_path / "s.safetensors")
    assert {key: one.value for key, one in back.items()} == {key: one.value for key, one in found.items()}
    assert {key: one.kind for key, one in back.items()} == {key: one.kind for key, one in found.items()}


def test_scores_must_fit_their_kind():
    for wrong in (("mean", GROUP), ("balanced", None), ("max", None)):
        with pytest.raises(ValueError, match="kind"):
            Scores(SCORE, CLIP, *wrong)
    with pytest.raises(ValueError, match="one length"):
        Scores(SCORE, CLIP[1:])
