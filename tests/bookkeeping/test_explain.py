"""Documentation of keys, and the commented YAML."""

import pytest

from elsa_lightning.config import load_experiment, schema_keys
from elsa_lightning.errors import ConfigError
from elsa_lightning.explain import explain, keys, show


def test_explains_type_default_choices_and_text():
    text = explain("rooms.mode")
    for word in ("str", '"bank"', "bank, pool, fresh", "Validation and test always use a bank."):
        assert word in text
    assert "not part of a run's identity" in explain("data.workers")
    assert "static_iv" in explain("model.spatial.bands")
    assert "coord_cnn" in explain("model.spatial") and "static_iv" in explain("model.spatial.name")
    assert "clip_s" in explain("audio")


def test_every_key_can_be_explained():
    assert all(explain(key) for key in schema_keys())
    assert len(keys().splitlines()) == len(schema_keys())


def test_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError, match=r"rooms\.mode"):
        explain("rooms.modus")


def test_show_names_sources_and_reads_back_equal(write):
    path = write("a.yaml", "optim.lr: 7e-5\nname: 'yes'\nevaluation.template: 'Hörst du {}?'\naugmentation.low_cut_hz: [40, 80.5]\n")
    resolved = load_experiment(path, overrides=["trainer.steps=3"])
    text = show(resolved)
    lines = {line.partition("  #")[0].strip(): line for line in text.splitlines()}
    assert lines["lr: 7e-05"].endswith("# " + resolved.sources["optim.lr"])
    assert lines["steps: 3"].endswith("# command line")
    assert "#" not in lines["batch_size: 2304"]
    assert load_experiment(write("again.yaml", text)).experiment == resolved.experiment
