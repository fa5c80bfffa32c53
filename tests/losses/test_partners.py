"""The contrastive loss that knows which other captions of a batch are true."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.losses import Partners, clip_loss
from elsa_lightning.losses.partners import shares


def unit(count, seed):
    return normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def partners(captions, recordings, plain):
    return Partners(torch.tensor(captions), torch.tensor(recordings), torch.tensor(plain, dtype=torch.bool))


def is_true(of, clip, caption):
    """Whether a caption is true of a clip: whether its words are among those known to be true of it."""
    known = {int(of.caption[clip])}
    for other in range(len(of.caption)):
        if of.plain[other] and of.recording[other] == of.recording[clip]:
            known.add(int(of.caption[other]))
    return int(of.caption[caption]) in known


def slow_loss(audio, text, scale, of):
    """The definition, one number at a time."""
    count, total = len(audio), 0.0
    for i in range(count):
        for left, right, true in (
            (audio, text, [is_true(of, i, j) for j in range(count)]),
            (text, audio, [is_true(of, j, i) for j in range(count)]),
        ):
            scores = [scale * sum(float(x) * float(y) for x, y in zip(left[i], right[j], strict=True)) for j in range(count)]
            log_sum = math.log(sum(math.exp(s) for s in scores))
            total += sum(log_sum - scores[j] for j in range(count) if true[j]) / sum(true)
    return total / (2 * count)


MIXED = partners([1, 2, 1, 3, 4, 5], [10, 10, 12, 13, 13, 15], [0, 0, 0, 1, 0, 1])


def test_equals_the_definition_in_loops():
    audio, text = unit(6, 0), unit(6, 1)
    assert clip_loss(audio, text, 8.0, partners=MIXED).item() == pytest.approx(slow_loss(audio, text, 8.0, MIXED), abs=1e-12)


def test_who_is_whose_partner():
    true = MIXED.true()
    wanted = torch.eye(6, dtype=torch.bool)
    wanted[0, 2] = wanted[2, 0] = True  # the same words
    wanted[4, 3] = True  # a plain caption of the same recording is true of another place; the spatial one of clip 4 is not true of clip 3
    assert torch.equal(true, wanted)


def test_equal_words_are_never_both_true_and_false_of_a_clip():
    """A spatial caption of recording A, the plain words of A, and the same plain words of recording B."""
    of = partners([1, 2, 2], [10, 10, 11], [0, 1, 1])
    assert of.true().tolist() == [[True, True, True], [False, True, True], [False, True, True]]


def test_three_right_answers_share_the_target_exactly():
    assert torch.equal(shares(torch.ones(2, 3, dtype=torch.bool), torch.float64), torch.full((2, 3), 1 / 3, dtype=torch.float64))


def test_pairs_that_share_nothing_give_the_plain_loss():
    audio, text, alone = unit(6, 0), unit(6, 1), partners(range(6), range(6), [1, 0, 1, 0, 1, 0])
    torch.testing.assert_close(clip_loss(audio, text, 8.0, partners=alone), clip_loss(audio, text, 8.0), rtol=0, atol=1e-12)


def test_equal_captions_no_longer_repel_their_clips():
    """Two clips with the same words: the plain loss is smallest when each repels the other's caption, ours when both attract both."""
    audio = torch.eye(2, dtype=torch.float64)[:1].expand(2, 2)
    same = partners([7, 7], [0, 1], [0, 0])
    assert clip_loss(audio, audio, 50.0, partners=same).item() == pytest.approx(math.log(2))  # the least that two right answers allow
    away = normalize(audio + torch.tensor([[0.0, 0.4], [0.0, -0.4]]), dim=1)
    assert clip_loss(away, away, 50.0, partners=same) > clip_loss(audio, audio, 50.0, partners=same)
    assert clip_loss(away, away, 50.0) < clip_loss(audio, audio, 50.0)


def test_gradient_equals_finite_differences():
    audio, text = unit(6, 0).requires_grad_(), unit(6, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, t: clip_loss(a, t, 7.0, partners=MIXED), (audio, text))
