"""Layers, provenance, variants, and messages that name key, value, source and remedy."""

import pytest

from elsa_lightning.checks import leaves
from elsa_lightning.config import from_dict, load_experiment, schema_keys, to_dict
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import CHOICES, NOT_IDENTITY, VARIANTS, CoordCnnConfig, Experiment, StaticIntensityConfig


@pytest.fixture
def layered(write):
    write("experiments/ground.yaml", "optim: {lr: 0.1, weight_decay: 0.1}\ntrainer: {steps: 1, batch_size: 2}\nname: ground\n")
    path = write("experiments/top.yaml", "base: ground.yaml\ntrainer.steps: 2\nmodel.spatial: {name: static_iv, bands: 8}\n")
    write("experiments/profiles/desk.yaml", "trainer: {steps: 4}\n")
    return path


def test_each_layer_wins_over_those_below(layered):
    def steps(**layers):
        return load_experiment(layered, **layers).experiment.trainer.steps

    common = ("common", {"trainer.steps": 3})
    row, seed = ("row", {"trainer": {"steps": 5}}), ("seed", {"seed": 7, "trainer.steps": 6})
    assert Experiment().trainer.steps == 0
    assert steps() == 2
    assert steps(common=common) == 3
    assert steps(common=common, profile="desk") == 4
    assert steps(common=common, profile="desk", overlays=[row]) == 5
    assert steps(common=common, profile="desk", overlays=[row, seed]) == 6
    assert steps(common=common, profile="desk", overlays=[row, seed], overrides=["trainer.steps=8"]) == 8


def test_sources_name_the_layer_that_won(layered):
    resolved = load_experiment(layered, "desk", [("row a", {"optim.lr": 1})], ["seed=3"])
    sources = {key: source.rpartition("/")[2] for key, source in resolved.sources.items()}
    assert sources["optim.weight_decay"] == "ground.yaml"
    assert sources["trainer.steps"] == "desk.yaml"
    assert sources["optim.lr"] == "row a"
    assert sources["seed"] == "command line"
    assert sources["model.spatial.bands"] == "top.yaml"
    assert "trainer.epochs" not in sources
    assert isinstance(resolved.experiment.optim.lr, float)


def test_changing_a_variant_drops_the_old_ones_values_and_sources(layered):
    resolved = load_experiment(layered, overlays=[("row", {"model.spatial.name": "coord_cnn"})], overrides=["model.spatial.width=96"])
    assert resolved.experiment.model.spatial == CoordCnnConfig(width=96)
    assert "model.spatial.bands" not in resolved.sources
    same = load_experiment(layered, overlays=[("row", {"model.spatial.name": "static_iv"})])
    assert same.experiment.model.spatial == StaticIntensityConfig(bands=8), "naming the same variant keeps its values"


def test_the_name_counts_first_wherever_it_stands_in_its_layer(write):
    path = write("a.yaml", "model.spatial.bands: 5\nmodel.spatial.name: static_iv\n")
    assert load_experiment(path).experiment.model.spatial == StaticIntensityConfig(bands=5)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.stpes=3", ["command line", "trainer.stpes", "did you mean `trainer.steps`"]),
        ("modell.spatial.name=cnn", ["did you mean `model.spatial.name`"]),
        ("model.spatial.name=static", ["did you mean `static_iv`", "coord_cnn, static_iv"]),
        ("model.spatial.bands=3", ["`model.spatial.name` is `coord_cnn`", "belongs to static_iv"]),
        ("trainer.steps=abc", ["trainer.steps", "'abc'", "a whole number"]),
        ("trainer.steps=2.5", ["trainer.steps", "2.5", "a whole number"]),
        ("trainer.steps=true", ["a whole number"]),
        ("optim.lr=fast", ["optim.lr", "'fast'", "a number"]),
        ("rooms.air=2", ["true or false"]),
        ("optim.betas=0.9", ["a list of numbers"]),
        ("optim.betas=[a]", ["a list of numbers"]),
        ("optim=3", ["group of keys", "optim.name"]),
        ("optim.lr.x=3", ["optim.lr.x"]),
        ("rooms.mode=banc", ["did you mean `bank`", "bank, pool, fresh"]),
        ("nothing", ["--set KEY=VALUE"]),
        ("optim.lr=[", ["not valid YAML"]),
    ],
)
def test_faulty_overrides_are_named(layered, override, words):
    overrides = [override] if "spatial.bands" not in override else ["model.spatial.name=coord_cnn", override]
    with pytest.raises(ConfigError) as caught:
        load_experiment(layered, overrides=overrides)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy


def test_a_pretraining_batch_is_shared_equally_too(layered):
    overrides = ["trainer={batch_size: 4, devices: 2}", "pretraining.batch_size=3"]
    load_experiment(layered, overrides=overrides)  # without pre-training its batch does not matter
    with pytest.raises(ConfigError, match=r"pretraining.batch_size.*must divide by"):
        load_experiment(layered, overrides=[*overrides, "pretraining.steps=2"])


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("rooms.ranges.t30_s=[2,1]", "lower bound first"),
        ("rooms.ranges.t30_s=[2]", "two numbers"),
        ("data.mono_share=1.5", "between 0 and 1"),
        ("loss.clip.weight=-1", "negative"),
        ("loss.clip.form=siglip", "softmax, sigmoid"),
        ("trainer.chunks=5", "must divide by it"),
        ("trainer.accumulate_grad_batches=4", "trainer.chunks"),
        ("loss.clip.sigmoid.temperature=2", "between 0.01 and 1"),
        ("optim.lr=.nan", "finite"),
        ("audio.clip_s=0", "greater than 0"),
        ("features.mel.f_max_hz=30000", "24000"),
        ("evaluation.template=A sound", "{}"),
        ("data.corpus.name=esc50", "--set data.corpus.root"),
        ("data.corpus={name: esc50, root: x, test_folds: []}", "held out"),
        ("data.corpus={name: esc50, root: x, val_folds: [5]}", "test folds too"),
        ("trainer={batch_size: 3, devices: 2}", "must divide by"),
        ("trainer={steps: 0, epochs: 0}", "nothing would be trained"),
        ("pretraining={steps: 5, targets: paper, optimizer: lambs}", "did you mean `lamb`"),
        ("loss={clip.weight: 0, direction.weight: 0, distance.weight: 0, area.weight: 0}", "nothing would be trained"),
    ],
)
def test_rules_between_values(layered, override, word):
    with pytest.raises(ConfigError, match=r".") as caught:
        load_experiment(layered, overrides=[override])
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("override", "word"),
    [("rooms.mode=fresh", "third octaves are measured of a bank's rooms"), ("model.spatial.attributes=43", "44 targets")],
)
def test_rules_of_the_papers_pretraining(layered, override, word):
    spatial, paper = ["model.spatial.name=coord_cnn", override], ["pretraining.targets=paper", "rooms.elevation_balance=1"]
    with pytest.raises(ConfigError, match=word):
        load_experiment(layered, overrides=[*paper, "pretraining.steps=5", *spatial])
    for other in (
        ["pretraining.steps=0"],
        ["pretraining.steps=5", "model.spatial.checkpoint=x"],
        ["pretraining={steps: 5, targets: regression}"],
    ):
        assert load_experiment(layered, overrides=[*paper, *spatial, *other])  # nothing, or no such pre-training, is planned


def test_pretraining_needs_its_outputs(layered):
    with pytest.raises(ConfigError, match="7 targets"):
        load_experiment(layered, overrides=["model.spatial={name: coord_cnn, attributes: 6}", "pretraining.steps=5"])


def test_files_that_build_on_each_other_in_a_circle(write):
    write("a.yaml", "base: b.yaml\n")
    path = write("b.yaml", "base: [a.yaml]\n")
    with pytest.raises(ConfigError, match="circle"):
        load_experiment(path)


def test_a_file_on_two_bases_reads_both(write):
    write("a.yaml", "seed: 1\nname: a\n")
    write("b.yaml", "seed: 2\n")
    experiment = load_experiment(write("c.yaml", "base: [a.yaml, b.yaml]\n")).experiment
    assert (experiment.seed, experiment.name) == (2, "a")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: [", "line 2"),
        ("- 1\n", "a list"),
        ("seed: 1\nseed: 2\n", ""),
        ("optim: {lr: 1}\noptim.lr: 2\n", "twice"),
        ("base: 3\n", "base"),
    ],
)
def test_faulty_files_are_named(write, text, word):
    with pytest.raises(ConfigError) as caught:
        load_experiment(write("faulty.yaml", text))
    assert word in str(caught.value)
    assert "faulty.yaml" in str(caught.value)


def test_missing_file_and_profile(layered):
    with pytest.raises(ConfigError, match=r"top\.yaml"):
        load_experiment(layered.with_name("tpo.yaml"))
    with pytest.raises(ConfigError, match="profiles: desk"):
        load_experiment(layered, "desck")


def test_a_dict_reads_back_equal(layered):
    experiment = load_experiment(layered, "desk", overrides=["augmentation.noise_snr_db=[-5, 40]", "optim.lr=5e-5"]).experiment
    assert from_dict(to_dict(experiment), "test") == experiment


def test_paper_is_the_name_of_no_profile(layered):
    assert load_experiment(layered, "paper") == load_experiment(layered)
    assert load_experiment(layered, "desk") != load_experiment(layered)


def test_the_schema_names_only_keys_that_exist():
    keys = set(schema_keys())
    assert {key for key, _ in leaves(Experiment())} <= keys
    assert set(CHOICES) <= keys
    assert set(NOT_IDENTITY) <= keys
    for node, variants in VARIANTS.items():
        for name, cls in variants.items():
            assert cls().name == name, f"{node}: {cls.__name__}"
