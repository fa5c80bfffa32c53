"""The captioner in plans: off it leaves no trace; on it adds two stages that share what can be shared."""

import pytest

from elsa_lightning.config import load_experiment
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.explain import explain
from elsa_lightning.schema import Experiment
from elsa_lightning.stages_plan import plan_run, stage_config
from elsa_lightning.table_file import load_table
from elsa_lightning.tables import plan

from .conftest import ROOT

ON = ["captioner.enabled=true", "captioner.language.name=small"]


@pytest.fixture
def marks(experiment_file):
    def marks(*overrides):
        experiment = load_experiment(experiment_file, overrides=overrides).experiment
        return {ref.stage: ref.fingerprint for ref in plan_run(experiment, "c0ffee")}

    return marks


def test_off_its_keys_change_no_fingerprint(marks):
    assert not Experiment().captioner.enabled
    assert marks() == marks("captioner.language.name=small", "captioner.steps=7", "captioner.beam=2", "captioner.scorer_python=/x")


def test_on_it_adds_two_stages_and_changes_the_evaluation_alone(marks):
    off, on = marks(), marks(*ON)
    assert on.keys() - off.keys() == {"captioner", "captions"} and list(on)[-1] == "evaluate"
    assert {stage for stage in off if off[stage] != on[stage]} == {"evaluate"}


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("captioner.steps=7", {"captioner", "captions", "evaluate"}),
        ("captioner.deaf=true", {"captioner", "captions", "evaluate"}),
        ("captioner.max_tokens=30", {"captioner", "captions", "evaluate"}),
        ("captioner.language.layers=3", {"captioner", "captions", "evaluate"}),
        ("captioner.word_keep=0.5", {"captioner", "captions", "evaluate"}),
        ("captioner.beam=2", {"captions", "evaluate"}),
        ("captioner.length_penalty=0", {"captions", "evaluate"}),
        ("captioner.drafts=4", {"captions", "evaluate"}),
        ("captioner.agreement=0.5", {"captions", "evaluate"}),
        ("captioner.scorer_python=/x/python", {"evaluate"}),
        ("captioner.java=/x/java", {"evaluate"}),
        ("evaluation.probe_steps=9", {"evaluate"}),
        ("captions.per_clip=3", {"embed", "captioner", "captions", "evaluate"}),
    ],
)
def test_a_value_changes_the_stages_that_read_it_and_those_after(marks, override, stages):
    before, after = marks(*ON), marks(*ON, override)
    assert {stage for stage in before if before[stage] != after[stage]} == stages


def test_a_folder_of_gpt2_is_identified_by_its_content_and_a_hub_name_by_itself(experiment_file, tmp_path):
    def mark(name):
        overrides = ["captioner.enabled=true", f"captioner.language.checkpoint={name}"]
        values = stage_config(load_experiment(experiment_file, overrides=overrides).experiment, "captioner")
        return values["captioner.language.checkpoint"]

    def folder(name, weights, tokens):
        (tmp_path / name).mkdir()
        for file, content in {"config.json": "{}", "model.safetensors": weights, "tokenizer.json": tokens}.items():
            (tmp_path / name / file).write_text(content)
        return tmp_path / name

    first = mark(folder("a", "1", "x"))
    assert first == mark(folder("b", "1", "x")) and len({first, mark(folder("c", "2", "x")), mark(folder("d", "1", "y"))}) == 3
    assert mark("gpt2") == "gpt2"  # whether it is here or not
    with pytest.raises(DataError, match=r"captioner\.language\.checkpoint"):
        mark(tmp_path / "none")


def test_rows_of_the_table_share_model_and_captioner():
    table = load_table(ROOT / "ablations" / "captioning.yaml")
    branch = load_table(ROOT / "ablations" / "spatial_branch.yaml")
    for profile in ("desk", "smoke"):
        runs = plan(table, profile, lambda corpus: "c0ffee", seeds=[0]).runs
        of = {row: {ref.stage: ref.fingerprint for ref in stages} for (row, _), stages in runs.items()}
        full = plan(branch, profile, lambda corpus: "c0ffee", seeds=[0]).runs["learned_spatial", 0]
        assert {row["embed"] for row in of.values()} == {ref.fingerprint for ref in full if ref.stage == "embed"}
        assert of["elsa"]["captioner"] == of["greedy"]["captioner"] and len({row["captioner"] for row in of.values()}) == 5
        assert len({row["captions"] for row in of.values()}) == 6
        assert not any(ref.stage == "captioner" for ref in full)


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        (["captioner.language.name=small", "captioner.language.vocab_size=256"], "257"),
        (["captioner.language.name=small", "captioner.language.heads=3"], "must divide"),
        (["captioner.enabled=true", "captioner.language.checkpoint="], "pretrained"),
        (["captioner.beam=0"], "greater than 0"),
        (["captioner.prefix_length=0"], "greater than 0"),
        (["captioner.word_keep=1.5"], "between 0 and 1"),
        (["captioner.language.layers=2"], "belongs to small"),
        (["captioner.drafts=4", "captioner.word_keep=0"], "nothing to agree on"),
    ],
)
def test_values_that_make_no_captioner_are_refused(experiment_file, overrides, word):
    with pytest.raises(ConfigError) as caught:
        load_experiment(experiment_file, overrides=overrides)
    assert word in f"{caught.value.message} {caught.value.remedy}"


def test_its_keys_are_explained():
    assert "variant gpt2: GPT-2 with its own weights" in explain("captioner.language")
    assert "paper: 1" in explain("captioner.prefix_length") and "default 1" in explain("captioner.prefix_length")
