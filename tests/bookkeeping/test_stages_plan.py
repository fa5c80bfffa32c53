"""Fingerprints: golden values, what changes them and what must not."""

import json

import pytest

from elsa_lightning.checks import leaves
from elsa_lightning.config import load_experiment
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import LATER, NOT_IDENTITY, Experiment
from elsa_lightning.stages_plan import STAGES, TRAINING_SIDE, fingerprint, plan_rooms, plan_run, stage_config

from .conftest import CACHED, changed

ON_DEMAND = {"embed_texts", "intensity", "captioner", "captions"}
"""Stages for evaluators that are not run by default, and for a captioner."""

ALL = set(STAGES) - {"third_octaves"} - ON_DEMAND
"""Of an experiment whose branch is not pre-trained to the paper's targets."""


PAPER = "pretraining.targets=paper"


def test_golden_values():
    """The first 16 digits of sha256 of `[{"a":1,"b":[1.5,"x"]},[],1]`."""
    assert fingerprint({"a": 1, "b": [1.5, "x"]}) == "d5754dfbc8d28694"
    assert fingerprint({"b": [1.5, "x"], "a": 1}) == "d5754dfbc8d28694"
    assert fingerprint({"a": 1, "name": "left out", "data.workers": 3, "b": [1.5, "x"]}) == "d5754dfbc8d28694"


def test_every_ingredient_counts():
    start = fingerprint({"a": 1}, "p", "q", version=1)
    assert fingerprint({"a": 1}, "q", "p", version=1) == start
    value, key = fingerprint({"a": 2}, "p", "q"), fingerprint({"b": 1}, "p", "q")
    parent, version = fingerprint({"a": 1}, "p"), fingerprint({"a": 1}, "p", "q", version=2)
    for other in (value, key, parent, version):
        assert other != start


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("rooms.train=9", ALL),
        ("audio.sample_rate=44100", ALL),
        ("audio.clip_s=5", ALL - {"rooms", "text_states"}),
        ("rooms.elevation_balance=4", {"features_train", "text_states", "pretraining", "train", "embed", "evaluate"}),
        ("rooms.near_balance=4", {"features_train", "text_states", "pretraining", "train", "embed", "evaluate"}),
        ("augmentation.mismatch_db=1", {"features_train", "pretraining", "train", "embed", "evaluate"}),
        ("augmentation.level_dbfs=[-60,-10]", {"features_train", "pretraining", "train", "embed", "evaluate"}),
        ("augmentation.start_share=0.3", {"features_train", "pretraining", "train", "embed", "evaluate"}),
        ("augmentation.mask_bands=2", {"pretraining", "train", "embed", "evaluate"}),
        ("augmentation.yaw=true", {"text_states", "pretraining", "train", "embed", "evaluate"}),
        ("features.mel.mels=32", ALL - {"rooms", "text_states"}),
        ("data.eval_versions=4", {"features_eval", "embed", "evaluate"}),
        ("model.spatial.width=96", {"pretraining", "train", "embed", "evaluate"}),
        ("model.embedding=96", {"train", "embed", "evaluate"}),
        ("loss.area.weight=0", {"train", "embed", "evaluate"}),
        ("loss.clip.multi_positive=true", {"train", "embed", "evaluate"}),
        ("optim.lr_scale.text=0.1", {"train", "embed", "evaluate"}),
        ("captions.word_keep=0.5", {"text_states", "train", "embed", "evaluate"}),
        ("captions.per_clip=2", {"embed", "evaluate"}),
        ("captions.spatial_share=0.5", {"text_states", "train", "embed", "evaluate"}),
        ("data.group=2", {"text_states", "pretraining", "train", "embed", "evaluate"}),
        ("data.negatives=hard_spatial", {"features_train", "text_states", "pretraining", "train", "embed", "evaluate"}),
        ("data.versions=7", {"features_train", "text_states", "pretraining", "train", "embed", "evaluate"}),
        ("data.min_examples=70", {"features_train", "text_states", "pretraining", "train", "embed", "evaluate"}),
        ("data.mono_share=0.3", {"features_train", "text_states", "pretraining", "train", "embed", "evaluate"}),
        ("data.seed=7", ALL - {"rooms"}),
        ("augmentation.mirror=true", {"text_states", "pretraining", "train", "embed", "evaluate"}),
        ("trainer.batch_size=8", {"text_states", "train", "embed", "evaluate"}),
        ("trainer.precision=32-true", {"text_states", "pretraining", "train", "embed", "evaluate"}),
        ("model.text.max_tokens=9", {"text_states", "train", "embed", "evaluate"}),
        ("model.text.pooling_heads=2", {"train", "embed", "evaluate"}),
        ("trainer.steps=20", {"text_states", "train", "embed", "evaluate"}),
        ("seed=1", {"text_states", "pretraining", "train", "embed", "evaluate"}),
        ("evaluation.template=Listen to {}", {"embed", "evaluate"}),
        ("evaluation.probe_steps=9", {"evaluate"}),
        ("trainer.epochs=9", set()),
    ],
)
def test_a_value_changes_the_stages_that_read_it_and_those_after(marks, override, stages):
    assert changed(marks(), marks(override)) == stages


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("loss.clip.multi_positive", "true"),
        ("rooms.near_balance", "2"),
        ("augmentation.eq_db", "2"),
        ("augmentation.level_dbfs", "[-9,0]"),
        ("data.negatives", "hard_spatial"),
    ],
)
def test_a_knob_that_came_later_and_is_off_is_not_in_the_fingerprint(experiment_file, key, value):
    """Results of before it existed stay valid."""
    off = stage_config(load_experiment(experiment_file).experiment, "train")
    on = stage_config(load_experiment(experiment_file, overrides=[f"{key}={value}"]).experiment, "train")
    assert key not in off and on.keys() - off.keys() == {key}
    for stage in STAGES:
        assert not any(key.startswith("rooms.measured") for key in stage_config(load_experiment(experiment_file).experiment, stage))


BESIDE = ["model.what_where.width=16", "loss.what.weight=1", "loss.where.weight=1"]


def test_spaces_beside_the_joint_one_are_trained_and_their_texts_read(marks, experiment_file):
    """Their width is no matter of the texts; without them nothing is what it was not before."""
    start, beside = marks(), marks(*BESIDE)
    assert changed(start, beside) == {"text_states", "train", "embed", "evaluate"}
    assert changed(beside, marks(*BESIDE, "model.what_where.width=32")) == {"train", "embed", "evaluate"}
    assert changed(beside, marks(*BESIDE, "model.what_where.reads=fusion")) == {"train", "embed", "evaluate"}
    assert changed(beside, marks(*BESIDE, "loss.where.weight=2")) == {"train", "embed", "evaluate"}
    values = stage_config(load_experiment(experiment_file).experiment, "train")
    assert not any("what" in key or "where" in key for key in values)


def test_later_knobs_are_left_out_at_their_defaults():
    """Or the default would not be what results of before mean."""
    values = dict(leaves(Experiment()))
    assert {key: values[key] for key in LATER} == LATER


def test_pretraining_of_before_it_had_targets_and_optimisers_stays_valid(experiment_file):
    before = stage_config(load_experiment(experiment_file, overrides=CACHED).experiment, "pretraining")
    overrides = [*CACHED, PAPER, "pretraining.optimizer=lamb"]
    after = stage_config(load_experiment(experiment_file, overrides=overrides).experiment, "pretraining")
    assert after.keys() - before.keys() == {"pretraining.targets", "pretraining.optimizer"} and before.items() < after.items()


@pytest.mark.parametrize("override", ["pretraining.targets=paper", "pretraining.optimizer=lamb"])
def test_pretraining_differs_with_its_targets_and_its_optimiser(marks, override):
    assert changed(marks(), marks(override)) == {"pretraining", "train", "embed", "evaluate"}
    assert changed(marks(), marks("pretraining.steps=0", override)) == changed(marks(), marks("pretraining.steps=0"))


def test_third_octaves_follow_from_the_rooms_alone(marks):
    start = marks(PAPER)
    assert start["third_octaves"] == marks(PAPER, "audio.clip_s=5", "seed=3", "rooms.elevation_balance=4")["third_octaves"]
    assert start["third_octaves"] != marks(PAPER, "rooms.train=9")["third_octaves"]
    assert not {"third_octaves"} & (marks(PAPER, "model.spatial.name=static_iv").keys() | marks(PAPER, "pretraining.steps=0").keys())


def test_the_contrastive_form_brings_its_own_values(experiment_file):
    """Results of before there was a choice stay valid; each form's fingerprint holds what that form reads."""

    def keys(*overrides):
        return stage_config(load_experiment(experiment_file, overrides=overrides).experiment, "train").keys()

    softmax, sigmoid = keys("loss.clip.sigmoid.bias=-3"), keys("loss.clip.form=sigmoid")
    assert softmax == keys()
    assert sigmoid - softmax == {"loss.clip.form", "loss.clip.sigmoid.temperature", "loss.clip.sigmoid.bias"}
    assert softmax - sigmoid == {"model.temperature"}


def test_one_chunk_is_the_plain_step(experiment_file):
    """Results of before chunks existed stay valid; chunks draw other dropout and batch statistics, so they are other results."""
    plain, chunked = (stage_config(load_experiment(experiment_file, overrides=[f"trainer.chunks={n}"]).experiment, "train") for n in (1, 2))
    assert chunked.keys() - plain.keys() == {"trainer.chunks"}


def test_what_is_not_identity_changes_nothing(marks):
    start, values = marks(), {"name": "x", "trainer.accelerator": "cpu", "trainer.strategy": "ddp", "data.workers": 3}
    values |= {"model.activation_checkpointing": "true", "model.compile": "true", "optim.fused": "true"}
    for key in NOT_IDENTITY:
        if not key.startswith(("data.corpus", "data.pcm_cache")):  # these need a corpus on disk (tests/data/pcm)
            assert not changed(start, marks(f"{key}={values.get(key, 4)}")), key


def test_a_corpus_counts_by_content_not_by_place(marks):
    here, there = (["data.corpus.name=esc50", f"data.corpus.root={place}"] for place in ("/a", "/b"))
    assert marks(*here) == marks(*there)
    assert changed(marks(*here), marks(*here, corpus="beef")) == ALL - {"rooms"}


def test_rewritten_captions_count_by_content_not_by_place(marks, tmp_path):
    files = {name: tmp_path / name for name in ("one", "same", "other")}
    for name, path in files.items():
        path.write_text("another" if name == "other" else "a rewrite")
    one, same, other = (marks(f"captions.rewrites={path}") for path in files.values())
    assert one == same and changed(one, other) == changed(one, marks()) == {"text_states", "train", "embed", "evaluate"}
    with pytest.raises(DataError, match=r"absent\.jsonl cannot be read"):
        marks(f"captions.rewrites={tmp_path / 'absent.jsonl'}")


def test_without_rewritten_captions_runs_of_before_them_stay_valid(experiment_file):
    experiment = load_experiment(experiment_file, overrides=CACHED).experiment
    assert not any("rewrites" in key for stage in STAGES for key in stage_config(experiment, stage))


def test_the_rooms_alone_are_those_of_the_whole_plan(experiment_file, tmp_path):
    measured = [measured_banks(tmp_path, train="1"), "rooms.measured.share=0.5"]
    for overrides in (CACHED, CACHED + measured):
        experiment = load_experiment(experiment_file, overrides=overrides).experiment
        alone, first = plan_rooms(experiment), plan_run(experiment, "c0ffee")[0]
        assert first.stage == "rooms" and alone == first and alone.config == first.config


def measured_banks(folder, **content):
    """A folder of manifests such as `elsa rooms import` writes."""
    for split, mark in content.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        (folder / split / "manifest.json").write_text(json.dumps({"content_hash": mark}))
    return f"rooms.measured.path={folder}"


def test_measured_rooms_count_by_content_where_they_are_used(marks, tmp_path):
    here, there = (measured_banks(tmp_path / name, train="1", test="2") for name in ("a", "b"))
    other, retest = measured_banks(tmp_path / "c", train="9", test="2"), measured_banks(tmp_path / "d", train="1", test="8")
    share, test = "rooms.measured.share=0.5", "rooms.measured.test=both"
    assert marks() == marks(here) == marks(measured_banks(tmp_path / "nothing"))  # a folder that nothing draws from
    assert changed(marks(), marks(here, share)) == ALL
    assert marks(here, share) == marks(there, share) == marks(retest, share)
    assert changed(marks(here, share), marks(other, share)) == ALL
    assert changed(marks(here, share), marks(here, "rooms.measured.share=0.25")) == ALL - {"rooms", "features_eval"}
    assert marks(here, test) == marks(other, test)
    judging = {"rooms", "features_eval", "embed", "evaluate"}  # one training is judged in all of them
    assert changed(marks(here), marks(here, test)) == changed(marks(here, test), marks(retest, test)) == judging
    assert changed(marks(here, test), marks(here, "rooms.measured.test=measured")) == judging


def test_missing_measured_rooms_are_refused_when_planning(marks, tmp_path):
    folder = measured_banks(tmp_path, train="1")
    assert marks(folder, "rooms.measured.share=0.5")
    with pytest.raises(ConfigError, match="no bank of measured test rooms"):
        marks(folder, "rooms.measured.test=measured")
    (tmp_path / "train" / "manifest.json").write_text("[]")
    with pytest.raises(ConfigError, match="is no bank's manifest"):
        marks(folder, "rooms.measured.share=0.5")


def test_checkpoints_count_by_content_not_by_place(marks, tmp_path):
    for place, weights in (("here", b"one"), ("there", b"one"), ("other", b"two")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "model.safetensors").write_bytes(weights)
        (tmp_path / place / "config.json").write_text("{}")
    start = ["trainer.steps=10"]  # the paper's towers
    for key in ("model.semantic.checkpoint", "model.text.checkpoint"):
        here, there, other = (marks(f"{key}={tmp_path / place}", start=start) for place in ("here", "there", "other"))
        assert here == there
        assert changed(marks(start=start), here) == changed(here, other) == {"train", "embed", "evaluate"}
        (tmp_path / "other" / "model.safetensors").write_bytes(b"one")
        assert marks(f"{key}={tmp_path / 'other'}", start=start) == here  # the file is read again once it has changed
        (tmp_path / "other" / "model.safetensors").write_bytes(b"two!")
        lone = marks(f"{key}={tmp_path / 'here' / 'model.safetensors'}", start=start)
        assert lone == here
    (tmp_path / "here" / "tokenizer.json").write_text("{}")
    there = marks(f"model.text.tokenizer={tmp_path / 'here'}", start=start)
    (tmp_path / "here" / "tokenizer.json").write_text('{"other": 1}')
    assert changed(there, marks(f"model.text.tokenizer={tmp_path / 'here'}", start=start)) == {"train", "embed", "evaluate"}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "model.semantic.checkpoint=laion/clap-htsat-unfused",
            "hf download laion/clap-htsat-unfused --local-dir weights/clap",
        ),
        ("model.text.checkpoint=roberta-base", "set model.text.checkpoint=weights/roberta-base, and HF_HUB_OFFLINE=1"),
        ("model.text.checkpoint=weights/a/b", "there is no folder or file weights/a/b"),
        ("model.semantic.checkpoint=/nowhere/clap.pt", "there is no folder or file /nowhere/clap.pt"),
        ("model.spatial.checkpoint=/nowhere", "no pre-trained spatial branch at /nowhere"),
    ],
)
def test_missing_weights_are_told_before_anything_runs(marks, monkeypatch, tmp_path, override, words):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=words):
        marks(override, start=["trainer.steps=10"])


def test_choosing_the_best_checkpoint_heeds_the_validation_set(marks):
    best = "trainer={select: best, val_every: 5}"
    assert "train" in changed(marks(best), marks(best, "data.eval_versions=4"))


def test_stages_that_an_experiment_needs(marks, tmp_path):
    every = marks(
        PAPER,
        "evaluation.evaluators=[chance,direction_swap,intensity_baseline]",
        "captioner.enabled=true",
        "captioner.language.name=small",
    )
    assert list(every) == list(STAGES) and list(marks()) == [stage for stage in STAGES if stage in ALL]
    assert list(marks(start=["trainer.steps=10"])) == ["rooms", "train", "embed", "evaluate"]
    live = marks("data.text_states=live")
    assert live["pretraining"] == marks()["pretraining"] and live["train"] != marks()["train"]
    stream = ["trainer.steps=10", "model.text.name=minilm"]
    assert marks("data.text_states=shared", start=stream) == marks("data.text_states=live", start=stream)
    by_epochs = ["data.rendering=cached", "data.text_states=shared", "model.text.name=minilm", "trainer.steps=0"]
    assert marks("trainer.epochs=1", start=by_epochs)["text_states"] != marks("trainer.epochs=2", start=by_epochs)["text_states"]
    for override in ("data.text_states=live", "data.rendering=stream", "model.text.name=tiny", "model.text.trainable_layers=1"):
        assert "text_states" not in marks(override)
    assert "pretraining" not in marks("model.spatial.name=static_iv")
    (tmp_path / "spatial_branch.safetensors").write_bytes(b"weights")
    assert "pretraining" not in marks(f"model.spatial.checkpoint={tmp_path}")


def test_seen_rooms_are_judged_by_the_same_model(experiment_file):
    start = [*CACHED, "rooms.train=20", "rooms.test=9"]
    plans = {
        rooms: plan_run(load_experiment(experiment_file, overrides=[*start, f"rooms.test_rooms={rooms}"]).experiment, "c0ffee")
        for rooms in ("unseen", "seen")
    }
    marks = {name: {ref.stage: ref.fingerprint for ref in refs} for name, refs in plans.items()}
    assert changed(marks["unseen"], marks["seen"]) == {"rooms", "features_eval", "embed", "evaluate"}
    rooms = [ref for ref in plans["seen"] if ref.stage == "rooms"]
    assert [ref.fingerprint for ref in rooms] == [marks["unseen"]["rooms"], marks["seen"]["rooms"]]
    place = {ref.run_id: i for i, ref in enumerate(plans["seen"])}
    for ref in plans["seen"]:
        assert all(place[f"{stage}/{mark}"] < place[ref.run_id] for stage, mark in ref.parents.items()), "parents first"
        own = "unseen" if ref.stage in TRAINING_SIDE else "seen"
        assert ref.parents.get("rooms", marks[own]["rooms"]) == marks[own]["rooms"]


def test_original_test_clips_change_the_evaluation_alone(marks):
    assert changed(marks(), marks("data.eval_mono=true")) == {"features_eval", "embed", "evaluate"}


ENDS_AND_STAGES = [("room_ranges", ["rooms"]), ("word_rules", ["rooms"]), ("architecture", []), ("data_summary", [])]


@pytest.mark.parametrize(("end", "stages"), ENDS_AND_STAGES)
def test_facts_need_no_training(experiment_file, end, stages):
    def ends(*overrides, corpus="c0ffee"):
        refs = plan_run(load_experiment(experiment_file, overrides=[*CACHED, *overrides]).experiment, corpus, end)
        assert [ref.stage for ref in refs] == [*stages, end]
        return refs[-1].fingerprint

    assert ends() == ends("optim.lr=0.3", "loss.clip.weight=2")
    assert (ends() != ends(corpus="other")) == (end == "data_summary")
    assert (ends() != ends("rooms.train=11")) == (stages == ["rooms"])
    assert (ends() != ends("model.embedding=8")) == (end == "architecture")
