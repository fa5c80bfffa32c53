"""Zero-shot details and controls, chance, retrieval's scores, and that every score averages to its metric."""

import numpy as np
import pytest
import torch

from elsa_lightning.evaluators import EVALUATORS
from elsa_lightning.metrics import great_circle_deg, map10_laion_compat
from elsa_lightning.stages.evaluate import evaluate_all

QUICK = [name for name in EVALUATORS if name != "embedding_map"]


def test_confusion_by_hand(world):
    found = EVALUATORS["zero_shot"](world)
    assert found.details["confusion"]["direction"] == {"labels": ["front", "left", "right", "back"], "counts": (24 * np.eye(4)).tolist()}
    assert found.metrics["direction/balanced_accuracy"] == found.metrics["class/accuracy"] == 1
    world.tensors["prompts/direction"] = world.tensors["prompts/direction"][[1, 0, 2, 3]]  # left and front exchanged
    found = EVALUATORS["zero_shot"](world)
    assert found.details["confusion"]["direction"]["counts"][0] == [0, 24, 0, 0] and found.metrics["direction/accuracy"] == 0.5


def test_shuffled_labels_are_at_chance(world):
    found = EVALUATORS["shuffled_labels"](world)
    assert found.metrics["direction/mean"] == pytest.approx(0.25, abs=0.03)
    assert found.metrics["direction/low"] < 0.25 < found.metrics["direction/high"] and found.details["direction"]["n"] == 96
    assert EVALUATORS["shuffled_labels"](world).metrics == found.metrics


def test_templates_by_hand(world):
    """The first is right, the second turns left and right around, the third is the first again."""
    world.tensors["templates/direction"][1] = world.tensors["prompts/direction"][[0, 2, 1, 3]]
    found = EVALUATORS["template_spread"](world)
    values = {key.removeprefix("direction/"): value for key, value in found.metrics.items() if key.startswith("direction/")}
    assert values == pytest.approx({"mean": 2.5 / 3, "min": 0.5, "max": 1.0, "spread": 0.5, "ensemble": 1.0})
    assert [row["template"] for row in found.details["direction"]] == ["A sound coming from {}.", "a {}", "b {}"]
    assert not found.absent


def test_chance(world):
    found = EVALUATORS["chance"](world).metrics
    assert found["zero_shot/direction/balanced_accuracy"] == found["zero_shot/direction/accuracy"] == 0.25
    assert found["retrieval/text_to_audio/r1"] == pytest.approx(1 / 48) and found["retrieval/r10"] == pytest.approx(10 / 48)
    directions = world.tensors["test/direction"]
    angles = [great_circle_deg(directions[i], directions[j]).item() for i in range(96) for j in range(96) if i != j]
    assert found["localization/doa_mae_deg"] == pytest.approx(np.mean(angles))
    distance = world.tensors["test/distance_m"].double()
    assert found["localization/distance_mae_m"] == pytest.approx(
        (distance - world.tensors["probe/distance_m"].double().median()).abs().mean().item(), rel=0.02
    )


def test_laions_form_has_a_name_of_its_own(world):
    given = (world.tensors["test/audio"][::2], world.tensors["retrieval/text"], world.tensors["retrieval/clip_of_text"])
    assert EVALUATORS["map10_laion_compat"](world).metrics == {"audio_to_text": map10_laion_compat(*given)}


def test_every_score_averages_to_its_metric(world):
    noise = 0.5 * torch.randn(world.tensors["test/audio"].shape, generator=torch.Generator().manual_seed(0))
    world.tensors["test/audio"] = world.tensors["test/audio"] + noise
    measured = torch.arange(96) % 2 == 1
    world.tensors["test/in_measured_room"] = measured
    world.cfg.evaluation.evaluators = [*QUICK, "intervals"]
    world.cfg.evaluation.intervals.resamples = 40
    world.cfg.evaluation.wasserstein.permutations = world.cfg.evaluation.wasserstein.splits = 2
    found = evaluate_all(world, world.cfg)
    for key, scores in found.scores.items():
        assert scores.value == pytest.approx(found.metrics[key], abs=1e-6), key
        low, high = found.details["intervals"][key]
        assert low <= high and low - 0.2 * abs(low) <= scores.value <= high + 0.2 * abs(high), key
    assert {
        "retrieval/r1",
        "retrieval/dup/map10",
        "zero_shot/direction/balanced_accuracy",
        "localization/doa_median_deg",
    } <= found.scores.keys()
    assert {"direction_swap/reached", "text_probes/direction/accuracy", "intensity_baseline/doa_mae_deg"} <= found.scores.keys()
    assert found.metrics["measured/localization/n"] == 48 and set(found.scores["measured/localization/doa_mae_deg"].clip) == set(range(48))
    assert all(key.split("/")[0] in (*QUICK, "measured", "simulated") for key in found.metrics)
    assert set(found.details) <= {*QUICK, "intervals"}


def test_what_is_not_named_is_not_computed(world):
    world.cfg.evaluation.evaluators = ["chance"]
    found = evaluate_all(world, world.cfg)
    assert {key.split("/")[0] for key in found.metrics} == {"chance"} and not found.details and not found.scores
