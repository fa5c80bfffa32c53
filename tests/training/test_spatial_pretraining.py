"""The targets of pre-training against loops over examples and bands; unknown ones do not count; stopped and resumed it ends alike."""

import math
import pathlib
from types import SimpleNamespace

import pytest
import torch

from elsa_lightning import config
from elsa_lightning.acoustics.ambisonics import direction_from_angles
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.acoustics.third_octave_labels import ThirdOctaves, measure_rooms
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.stages.pretraining import paper_scales
from elsa_lightning.training.checkpoints import read_checkpoint
from elsa_lightning.training.spatial_pretraining import SpatialBranchModule
from elsa_lightning.training.trainer import fit

ROOT = pathlib.Path(__file__).parents[2]
NAN = math.nan
LABELS = ("azimuth", "elevation", "distance_m", "volume_m3", "drr_db", "t30_s")


def experiment(targets, *overrides):
    overrides = ["pretraining.steps=4", f"pretraining.targets={targets}", "trainer.accelerator=cpu", *overrides]
    return config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=overrides).experiment


@pytest.fixture
def batch():
    """Seven examples in rooms of a bank of five: without a place (1), recorded (2), with unknown angles or sizes (3, 4)."""
    generator = torch.Generator().manual_seed(1)
    spatial = {name: torch.rand(7, generator=generator) + 0.5 for name in LABELS}
    spatial["azimuth"][3], spatial["elevation"][4], spatial["distance_m"][4], spatial["volume_m3"][3] = NAN, NAN, NAN, NAN
    return SimpleNamespace(
        spatial=spatial,
        direction=direction_from_angles(spatial["azimuth"], spatial["elevation"]),
        is_spatial=torch.tensor([True, False, True, True, True, True, True]),
        is_recorded=torch.tensor([False, False, True, False, False, False, False]),
        room=torch.tensor([4, 0, 10**9, 2, 3, 4, 1]),
    )


@pytest.fixture
def bands():
    table = torch.randn(5, 40, generator=torch.Generator().manual_seed(2))
    table[2, 3] = table[4, 20:] = table[:, 39] = NAN
    return table


def paper_module(bands):
    mean, std = torch.linspace(-1, 1, 42), torch.linspace(0.5, 2, 42)
    return SpatialBranchModule(experiment("paper"), mean, std, bands)


def mean_square(pairs):
    """Mean squared difference of the pairs whose target is known."""
    known = [(found - target) ** 2 for found, target in pairs if not math.isnan(target)]
    return sum(known) / len(known)


def test_the_papers_terms_are_means_over_what_is_known(batch, bands):
    module, outputs = paper_module(bands), torch.randn(7, 44, generator=torch.Generator().manual_seed(3))
    found = module.paper_terms(outputs, batch)
    out, here = outputs.tolist(), [i for i in range(7) if batch.is_spatial[i]]

    def standard(value, column):
        return (value - module.mean[column].item()) / module.std[column].item()

    def cosines(column, name):
        targets = [(out[i][column], batch.spatial[name][i].item()) for i in here]
        known = [1 - math.cos(guess - target) for guess, target in targets if not math.isnan(target)]
        return sum(known) / len(known)

    def of_bands(first):
        pairs = []
        for i in here:
            for band in range(first, first + 20):
                target = NAN if batch.is_recorded[i] else bands[batch.room[i], band].item()
                pairs.append((out[i][4 + band], standard(target, 2 + band)))
        return mean_square(pairs)

    wanted = {"azimuth": cosines(0, "azimuth"), "elevation": cosines(1, "elevation"), "drr_db": of_bands(0), "t30_s": of_bands(20)}
    wanted["distance_m"] = mean_square([(out[i][2], standard(batch.spatial["distance_m"][i].item(), 0)) for i in here])
    wanted["volume_m3"] = mean_square([(out[i][3], standard(math.log(batch.spatial["volume_m3"][i].item()), 1)) for i in here])
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, rel=1e-5)


def test_the_regression_terms_are_those_of_the_full_band(batch):
    mean, std = torch.tensor([1.0, 0.0, 0.5, 0.9]), torch.tensor([0.5, 2.0, 1.0, 0.3])
    module, outputs = (
        SpatialBranchModule(experiment("regression"), mean, std),
        torch.randn(7, 44, generator=torch.Generator().manual_seed(4)),
    )
    found = module.regression_terms(outputs, batch)
    here = [i for i in range(7) if batch.is_spatial[i]]
    cosines = []
    for i in here:
        if not batch.direction[i].isnan().any():
            guess = outputs[i, :3] / outputs[i, :3].norm()
            cosines.append(1 - (guess @ batch.direction[i]).item())
    assert found["direction"].item() == pytest.approx(sum(cosines) / len(cosines), rel=1e-5) and len(cosines) == 4
    for column, name in enumerate(("distance_m", "volume_m3", "drr_db", "t30_s")):
        value = batch.spatial[name].log() if name == "volume_m3" else batch.spatial[name]
        pairs = [(outputs[i, 3 + column].item(), ((value[i] - mean[column]) / std[column]).item()) for i in here]
        assert found[name].item() == pytest.approx(mean_square(pairs), rel=1e-5)


def test_unknown_targets_leave_no_gradient_and_known_ones_do(batch, bands):
    outputs = torch.randn(7, 44, requires_grad=True)
    sum(paper_module(bands).paper_terms(outputs, batch).values()).backward()
    moved = outputs.grad != 0
    assert outputs.grad.isfinite().all() and not moved[1].any()
    assert moved[2].tolist() == [True] * 4 + [False] * 40  # a recording's bands are unknown
    assert moved[0, :24].all() and not moved[0, 24:].any() and not moved[:, 43].any()
    assert moved[6, :43].all() and not moved[3, 0] and not moved[4, 2]


def test_a_batch_without_a_known_target_is_a_connected_zero(batch, bands):
    outputs = torch.randn(7, 44, requires_grad=True)
    batch.is_spatial = torch.zeros(7, dtype=torch.bool)
    total = sum(paper_module(bands).paper_terms(outputs, batch).values())
    total.backward()
    assert total.item() == 0 and (outputs.grad == 0).all()


def test_scales_are_those_of_known_values_and_a_band_without_spread_keeps_its_unit(bands):
    bank = SimpleNamespace(labels={"distance_m": torch.tensor([1.0, 2.0, 3.0, NAN, 6.0]), "volume_m3": torch.full((5,), math.e**2)})
    mean, std = paper_scales(bank, None, ThirdOctaves(bands[:, :20], bands[:, 20:]))
    assert mean.shape == std.shape == (42,) and mean.dtype == torch.float32
    assert mean[0].item() == pytest.approx(3.0) and std[0].item() == pytest.approx(math.sqrt(14 / 4))
    assert mean[1].item() == pytest.approx(2.0) and std[1].item() == 1
    four = bands[[0, 1, 3, 4], 3]
    assert mean[5].item() == pytest.approx(four.mean().item(), abs=1e-6) and std[5].item() == pytest.approx(four.std(correction=0).item())
    assert (mean[41].item(), std[41].item()) == (0, 1)


@pytest.fixture(scope="module")
def parts():
    pytest.importorskip("pytorch_optimizer", reason="LAMB is an extra: pip install 'elsa-lightning[lamb]'")
    cfg = experiment(
        "paper",
        "pretraining.optimizer=lamb",
        "rooms.train=10",
        "rooms.val=2",
        "model.spatial.dropout=0.2",
        "trainer={batch_size: 8, steps: 4, val_every: 0, select: last, checkpoint_every: 1, log_every: 1}",
    )
    cfg.pretraining.batch_size = 8
    banks = {split: build_bank(cfg.rooms, cfg.audio.sample_rate, split) for split in ("train", "val")}
    return cfg, banks, open_corpus(cfg.data.corpus), measure_rooms(banks["train"], torch.arange(10), cfg.rooms)


def pretrain(parts, folder, stop_after=None):
    cfg, banks, corpus, bands = parts
    torch.manual_seed(0)
    module = SpatialBranchModule(cfg, *paper_scales(banks["train"], corpus, bands), bands.table)
    if stop_after is not None:
        module.on_train_batch_end = lambda *_: _stop(module, stop_after)
    data = SpatialAudioText(cfg, corpus, banks, build_tokenizer(cfg.model.text))
    return read_checkpoint(fit(module, data, cfg.trainer, folder, 4, "branch").checkpoint)


def _stop(module, step):
    if module.global_step == step:
        raise KeyboardInterrupt


def test_resumed_equals_uninterrupted_bit_for_bit(parts, tmp_path):
    whole = pretrain(parts, tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        pretrain(parts, tmp_path / "cut", stop_after=2)
    resumed = pretrain(parts, tmp_path / "cut")
    assert whole["state_dict"].keys() == resumed["state_dict"].keys() and "bands" not in whole["state_dict"]
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
    before = SpatialBranchModule(parts[0], *paper_scales(parts[1]["train"], parts[2], parts[3]), parts[3].table).state_dict()
    weight = "branch.mlp.4.bias"
    assert not torch.equal(before[weight], whole["state_dict"][weight])
