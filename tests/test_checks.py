"""Rules between values that would otherwise fail, or be ignored, long after the start."""

import pytest

from elsa_lightning.captions.templates import fewest_frames
from elsa_lightning.config import load_experiment
from elsa_lightning.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text("trainer: {steps: 4, batch_size: 2}\n")
    return lambda *overrides: load_experiment(path, overrides=list(overrides)).experiment


@pytest.mark.parametrize(
    ("overrides", "words", "remedy"),
    [
        (["trainer.select=best"], "`trainer.val_every` is 0", "trainer.select=last"),
        (["rooms.mode=pool", "data.rendering=cached"], "simulated during training", "data.rendering=stream"),
        (["rooms.mode=fresh", "data.rendering=cached"], "simulated during training", "rooms.mode=bank"),
        (["rooms.mode=pool", "rooms.elevation_balance=4"], "drawn as they come", "rooms.elevation_balance=1"),
        (["rooms.mode=fresh", "rooms.near_balance=4"], "drawn as they come", "rooms.near_balance=1"),
        (["rooms.near_balance=0"], "`rooms.near_balance` is 0", "explain"),
        (["rooms.mode=fresh", "rooms.engine=pyroomacoustics"], "builds banks", "rooms.engine=shoebox"),
        (["rooms.engine=pyroomacoustics_images"], "no scattering", "rooms.diffuseness=[0,0]"),
        ([f"captions.per_clip={fewest_frames() + 1}"], "sentence forms", f"at most {fewest_frames()}"),
        (["augmentation.aliasing_hz=[0,9000]"], "`augmentation.aliasing_hz` is [0.0, 9000.0]", "explain"),
        (["augmentation.self_noise_corner_hz=[]"], "two numbers", "explain"),
        (["augmentation.level_dbfs=[-10,-60]"], "lower bound first", "explain"),
        (["augmentation.clip_share=1.5"], "between 0 and 1", "explain"),
        (["augmentation.eq_db=-1"], "must not be negative", "explain"),
        (["loss.what.weight=1"], "`model.what_where.width` is 0", "model.what_where.width"),
        (["model.what_where.width=8", "loss.what.weight=1"], "`loss.where.weight` is 0.0", "loss.where.weight=1"),
        (["model.what_where.reads=fused"], "fusion", ""),
        (["trainer.precision=bf16"], "bf16-mixed", ""),
        (["trainer.accelerator=tpu"], "mps", ""),
    ],
)
def test_what_cannot_work_is_refused(load, overrides, words, remedy):
    with pytest.raises(ConfigError) as caught:
        load(*overrides)
    assert words in str(caught.value) and remedy in caught.value.remedy


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer={select: best, val_every: 2}"],
        ["rooms.mode=pool"],
        ["model.what_where.width=8", "loss={what: {weight: 1}, where: {weight: 0.5}}"],
        ["augmentation={level_dbfs: [-60, -10], rumble_snr_db: [-5, 40], aliasing_hz: [], start_share: 1}"],
        ["rooms.engine=pyroomacoustics_images", "rooms.diffuseness=[0,0]"],
        ["rooms.elevation_balance=4", "data.rendering=cached"],
        [f"captions.per_clip={fewest_frames()}"],
        ["trainer={precision: 16-mixed, accelerator: cuda}"],
    ],
)
def test_what_works_is_accepted(load, overrides):
    load(*overrides)
