import math

import pytest
import torch
from torch.nn.functional import normalize
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from elsa_lightning.errors import DataError
from elsa_lightning.metrics import zero_shot


def test_hand_worked():
    prompts = torch.eye(3)
    audio = torch.tensor([[1.0, 0, 0], [2, 1, 0], [0, 1, 0], [0, 0, 5], [0, 1, 0]])
    found = zero_shot(audio, prompts, torch.tensor([0, 0, 0, 2, -1]))
    assert found["accuracy"] == pytest.approx(3 / 4) and found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2) and found["n"] == 4
    assert found["confusion"].tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_equals_torchmetrics_when_every_class_occurs():
    torch.manual_seed(0)
    audio, prompts, labels = torch.randn(200, 8), torch.randn(5, 8), torch.randint(0, 5, (200,))
    labels[:5] = torch.arange(5)
    found = zero_shot(audio, prompts, labels)
    scores = normalize(audio, dim=1) @ normalize(prompts, dim=1).T
    assert found["balanced_accuracy"] == pytest.approx(multiclass_accuracy(scores, labels, 5, average="macro").item(), abs=1e-6)
    assert found["accuracy"] == pytest.approx(multiclass_accuracy(scores, labels, 5, average="micro").item(), abs=1e-6)
    assert found["confusion"].long().tolist() == multiclass_confusion_matrix(scores, labels, 5).tolist()


def test_an_ensemble_is_the_normalised_mean_of_normalised_prompts():
    torch.manual_seed(0)
    audio, prompts, labels = torch.randn(60, 8), torch.randn(4, 3, 8) * torch.rand(4, 3, 1).mul(9), torch.randint(0, 4, (60,))
    mean = normalize(normalize(prompts, dim=2).mean(dim=1), dim=1)
    assert zero_shot(audio, prompts, labels)["confusion"].equal(zero_shot(audio, mean, labels)["confusion"])
    assert zero_shot(audio, prompts[:, :1], labels)["confusion"].equal(zero_shot(audio, prompts[:, 0], labels)["confusion"])


def test_a_collapsed_model_scores_chance_however_the_classes_are_filled():
    same, labels = torch.randn(1, 37), torch.tensor([0] * 50 + [1] * 3 + [3] * 10)
    for audio, prompts in ((same.expand(63, -1), torch.eye(37)[:4] * 0 + same), (torch.randn(63, 37), same.expand(4, -1))):
        found = zero_shot(audio, prompts, labels)
        assert found["accuracy"] == pytest.approx(0.25) and found["balanced_accuracy"] == pytest.approx(0.25)
        assert found["confusion"].sum().item() == pytest.approx(63)


def test_nothing_labelled_is_not_a_number():
    found = zero_shot(torch.randn(3, 4), torch.randn(2, 4), torch.tensor([-1, -1, -1]))
    assert found["n"] == 0 and math.isnan(found["accuracy"]) and math.isnan(found["balanced_accuracy"])


@pytest.mark.parametrize("label", [-2, 2])
def test_a_label_must_be_a_class(label):
    with pytest.raises(DataError, match=f"label {label} is none of the 2 classes"):
        zero_shot(torch.randn(3, 4), torch.randn(2, 4), torch.tensor([0, label, 1]))


def test_values_that_are_not_finite_are_an_error():
    audio, prompts, labels = torch.randn(3, 4), torch.randn(2, 4), torch.tensor([0, 1, -1])
    with pytest.raises(DataError, match="prompt embeddings"):
        zero_shot(audio, prompts * float("nan"), labels)
    audio[2] = float("nan")  # even of a clip that does not count: the model has diverged
    with pytest.raises(DataError, match="audio embeddings: 1 of 3"):
        zero_shot(audio, prompts, labels)
