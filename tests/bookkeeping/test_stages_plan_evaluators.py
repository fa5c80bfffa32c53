"""Which evaluators a run names changes its evaluation, and no more."""

import pytest

from elsa_lightning.config import load_experiment
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema_evaluation import EVALUATOR_VERSIONS
from elsa_lightning.stages_plan import stage_config

from .conftest import changed


def named(*names):
    return f"evaluation.evaluators=[{','.join(names)}]"


FIRST = ("retrieval", "zero_shot", "localization")


def test_evaluations_of_before_evaluators_had_names_stay_valid(experiment_file):
    values = stage_config(load_experiment(experiment_file).experiment, "evaluate")
    keys = {"template", "class_template", "probe_hidden", "probe_steps"}
    assert values.keys() == {"captions.per_clip"} | {f"evaluation.{key}" for key in keys}


def test_evaluators_change_the_evaluation_alone(marks):
    before = marks()
    assert changed(before, marks(named(*FIRST, "breakdown"))) == {"evaluate"}
    assert marks(named(*FIRST[::-1])) == before  # in any order
    swap, removal = marks(named(*FIRST, "direction_swap")), marks(named(*FIRST, "direction_removal"))
    assert (
        changed(before, swap) == {"evaluate"}
        and swap["embed_texts"] == removal["embed_texts"]
        and swap.keys() - before.keys() == {"embed_texts"}
    )
    assert marks(named("intensity_baseline"), "seed=1")["intensity"] == marks(named("intensity_baseline"))["intensity"]
    assert "intensity" not in swap


def test_knobs_count_where_their_evaluator_is_named(marks):
    for knob in ("evaluation.wasserstein.splits=2", "evaluation.intervals.resamples=7", "evaluation.breakdown.t30_s=[0,1]"):
        assert marks(knob) == marks()
    with_it = named("wasserstein")
    assert changed(marks(with_it), marks(with_it, "evaluation.wasserstein.splits=2")) == {"evaluate"}
    spread, other = named("template_spread"), "evaluation.template_spread.templates=['from {}']"
    assert changed(marks(spread), marks(spread, other)) == {"embed_texts", "evaluate"}


def test_an_evaluators_version_reruns_the_evaluations_that_name_it(marks, monkeypatch):
    before, others = marks(named("wasserstein")), marks()
    monkeypatch.setitem(EVALUATOR_VERSIONS, "wasserstein", 2)
    assert changed(before, marks(named("wasserstein"))) == {"evaluate"} and marks() == others


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (named("retrieval", "wassertein"), "no evaluator `wassertein`"),
        (named("retrieval", "retrieval"), "twice"),
        ("evaluation.evaluators=[]", "nothing would be evaluated"),
        ("evaluation.template_spread.templates=['a sound']", "once, where the word goes"),
        ("evaluation.breakdown.azimuth_deg=[0,-10]", "rising"),
        ("evaluation.intervals.level=1.5", "between 0 and 1"),
        ("evaluation.wasserstein.permutations=0", "greater than 0"),
    ],
)
def test_faulty_evaluations_are_refused(experiment_file, override, words):
    with pytest.raises(ConfigError, match=words):
        load_experiment(experiment_file, overrides=[override])
