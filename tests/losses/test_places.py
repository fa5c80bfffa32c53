"""Which texts of places are true of which clips, and the contrastive losses that leave out what is no example of anything."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.functional import normalize

from elsa_lightning.losses import Partners, Places, clip_loss, sigmoid_loss
from elsa_lightning.losses.places import NONE, UNKNOWN


def unit(count, seed, width=5):
    return normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def places(said, heard):
    return Places(torch.tensor(said), torch.tensor(heard))


MIXED = places(
    # direction, distance
    [[0, NONE], [0, 1], [2, NONE], [NONE, NONE], [NONE, 1], [0, NONE]],
    [[0, 1], [0, 1], [2, NONE], [1, 1], [NONE, 1], [0, UNKNOWN]],
)
"""Left (far), left and far, right (at a middling distance), a mono clip, far (between words), left (of a recording without distance)."""


def judgement(of, clip, text):
    """true, false or None, in words: of one text and one clip."""
    if all(word == NONE for word in of.said[text]) or all(word == NONE for word in of.said[clip]):
        return None
    verdicts = []
    for said, heard in zip(of.said[text].tolist(), of.heard[clip].tolist(), strict=True):
        if said != NONE:
            verdicts.append(None if heard == UNKNOWN else said == heard)
    if False in verdicts:
        return False
    return None if None in verdicts else True


def slow_clip_loss(audio, text, scale, of):
    """The definition, one number at a time."""
    count, total, rows = len(audio), 0.0, 0
    verdicts = [[judgement(of, i, j) for j in range(count)] for i in range(count)]
    for left, right, known in ((audio, text, verdicts), (text, audio, list(zip(*verdicts, strict=True)))):
        for i in range(count):
            true = [j for j in range(count) if known[i][j] is True]
            if not true:
                continue
            scores = {j: scale * sum(float(x) * float(y) for x, y in zip(left[i], right[j], strict=True)) for j in range(count)}
            log_sum = math.log(sum(math.exp(scores[j]) for j in range(count) if known[i][j] is not None))
            total += sum(log_sum - scores[j] for j in true) / len(true)
            rows += 1
    return total / rows


def slow_sigmoid_loss(audio, text, scale, bias, of):
    total, rows = 0.0, set()
    for i in range(len(audio)):
        for j in range(len(audio)):
            true = judgement(of, i, j)
            if true is None:
                continue
            logit = scale * sum(float(x) * float(y) for x, y in zip(audio[i], text[j], strict=True)) + bias
            total += math.log(1 + math.exp(-logit if true else logit))
            rows |= {i} if true else set()
    return total / len(rows)


def test_a_text_is_true_where_each_of_its_words_holds():
    count = len(MIXED.said)
    wanted = [[judgement(MIXED, i, j) for j in range(count)] for i in range(count)]
    assert torch.equal(MIXED.true() & ~MIXED.ignored(), torch.tensor([[one is True for one in row] for row in wanted]))
    assert torch.equal(MIXED.ignored(), torch.tensor([[one is None for one in row] for row in wanted]))
    true, ignored = MIXED.true(), MIXED.ignored()
    assert true[1, 0] and true[0, 1] and not true[2, 0]  # clip 0 is far, too, though its own text does not say so
    assert true[0, 4] and not true[2, 4]
    assert ignored[5, 1] and ignored[5, 4] and not ignored[5, 2]  # the recording may be far; it is not on the right
    assert ignored[3].all() and ignored[:, 3].all()


def test_equals_the_definition_in_loops():
    audio, text = unit(6, 0), unit(6, 1)
    assert clip_loss(audio, text, 8.0, partners=MIXED).item() == pytest.approx(slow_clip_loss(audio, text, 8.0, MIXED), abs=1e-12)
    wanted = slow_sigmoid_loss(audio, text, 8.0, -2.0, MIXED)
    assert sigmoid_loss(audio, text, 8.0, -2.0, partners=MIXED).item() == pytest.approx(wanted, abs=1e-12)


def test_distinct_places_give_the_plain_loss():
    audio, text, alone = unit(4, 0), unit(4, 1), places([[0], [1], [2], [3]], [[0], [1], [2], [3]])
    torch.testing.assert_close(clip_loss(audio, text, 8.0, partners=alone), clip_loss(audio, text, 8.0), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        sigmoid_loss(audio, text, 8.0, -1.0, partners=alone), sigmoid_loss(audio, text, 8.0, -1.0), rtol=0, atol=1e-12
    )


def test_equal_places_are_no_negatives_of_each_other():
    """Two clips on the left: the loss is least when both attract both texts."""
    audio = torch.eye(2, dtype=torch.float64)[:1].expand(2, 2)
    left = places([[1], [1]], [[1], [1]])
    assert clip_loss(audio, audio, 50.0, partners=left).item() == pytest.approx(math.log(2))
    away = normalize(audio + torch.tensor([[0.0, 0.4], [0.0, -0.4]]), dim=1)
    assert clip_loss(away, away, 50.0, partners=left) > clip_loss(audio, audio, 50.0, partners=left)


@pytest.mark.parametrize("loss", [clip_loss, lambda *a, **k: sigmoid_loss(*a, -2.0, **k)], ids=["softmax", "sigmoid"])
def test_clips_without_a_place_get_no_gradient_and_change_nothing(loss):
    audio, text = unit(6, 0).requires_grad_(), unit(6, 1).requires_grad_()
    loss(audio, text, 8.0, partners=MIXED).backward()
    for gradient in (audio.grad, text.grad):
        assert gradient.isfinite().all() and (gradient[3] == 0).all() and (gradient[[0, 1, 2, 4, 5]] != 0).any(dim=1).all()
    here = torch.tensor([0, 1, 2, 4, 5])
    part = Places(MIXED.said[here], MIXED.heard[here])
    torch.testing.assert_close(loss(audio[here], text[here], 8.0, partners=part), loss(audio, text, 8.0, partners=MIXED))


@pytest.mark.parametrize("loss", [clip_loss, lambda *a, **k: sigmoid_loss(*a, -2.0, **k)], ids=["softmax", "sigmoid"])
def test_a_batch_without_any_place_is_a_connected_zero(loss):
    audio, text = unit(3, 0).requires_grad_(), unit(3, 1).requires_grad_()
    value = loss(audio, text, 8.0, partners=places([[NONE]] * 3, [[NONE]] * 3))
    value.backward()
    assert value == 0 and (audio.grad == 0).all() and (text.grad == 0).all()


def test_gradient_equals_finite_differences():
    audio, text = unit(6, 0).requires_grad_(), unit(6, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, t: clip_loss(a, t, 7.0, partners=MIXED), (audio, text))
    assert torch.autograd.gradcheck(lambda a, t: sigmoid_loss(a, t, 7.0, -1.0, partners=MIXED), (audio, text))


def test_float32_at_the_least_temperature_stays_finite():
    audio, text = unit(6, 0).float().requires_grad_(), unit(6, 1).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = clip_loss(audio, text, 100.0, partners=MIXED)
    loss.backward()
    assert loss.dtype == torch.float32 and audio.grad.isfinite().all()
    assert loss.item() == pytest.approx(slow_clip_loss(audio.detach(), text.detach(), 100.0, MIXED), rel=1e-5)


def test_partners_that_all_count_change_no_bit():
    """The way through shares is the one of before."""
    of = Partners(torch.tensor([1, 2, 1, 4]), torch.arange(4), torch.zeros(4, dtype=torch.bool))
    audio, text = unit(4, 0), unit(4, 1)
    target = of.true().double() / of.true().sum(1, keepdim=True)
    wanted = (F.cross_entropy(9 * audio @ text.T, target) + F.cross_entropy(9 * text @ audio.T, target)) / 2
    assert torch.equal(clip_loss(audio, text, 9.0, partners=of), wanted)
