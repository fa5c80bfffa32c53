"""Grids, lists and draws of values: which rows they make, that draws are spread as they say and stay what they were."""

import math

import pytest

from elsa_lightning.config import schema_keys
from elsa_lightning.errors import ConfigError
from elsa_lightning.report import _best_first
from elsa_lightning.search_space import DISTRIBUTIONS, multiply
from elsa_lightning.table_file import Column, load_table
from elsa_lightning.tables import plan as plan_table
from elsa_lightning.tensorboard_report import _hparams

from .conftest import ROOT

ROWS = [{"id": "a", "label": "A", "overrides": {"model": {"spatial": {"name": "none"}}}}, {"id": "b", "label": ""}]


def draws(count, seed=0, **keys):
    spaces = {name.replace("__", "."): space for name, space in keys.items()}
    return [row["overrides"] for row in multiply([], {"random": {"draws": count, "seed": seed, "keys": spaces}}, "a file")]


def test_no_search_leaves_the_rows_alone():
    assert multiply(ROWS, {"grid": None, "list": [], "random": {}}, "a file") == ROWS


def test_rows_times_grid_times_list_times_draws():
    parts = {
        "grid": {"optim.lr": [1, 2]},
        "list": [{"id": "x", "optim.name": "adam"}, {"loss": {"clip.weight": 2}, "loss.area.weight": 3}],
        "random": {"draws": 3, "keys": {"optim": {"warmup_steps": {"int": [0, 9]}}}},
    }
    found = multiply(ROWS, parts, "a file")
    assert len(found) == len({row["id"] for row in found}) == 2 * 2 * 2 * 3
    assert found[0]["id"] == "a_lr=1_x_draw0" and found[3]["id"] == "a_lr=1_clip.weight=2_area.weight=3_draw0"
    assert found[0]["label"].startswith("A, lr=1, name=adam, warmup_steps=") and found[-1]["label"].startswith("lr=2, clip.weight=2")
    assert found[0]["overrides"]["model.spatial.name"] == "none" and found[0]["overrides"]["optim.name"] == "adam"


def test_a_draw_stays_what_it_was():
    """However many more there are, and whatever other keys; another seed gives others."""
    few = draws(5, optim__lr={"log_uniform": [1e-5, 1e-2]})
    more = draws(50, optim__lr={"log_uniform": [1e-5, 1e-2]}, optim__weight_decay={"uniform": [0, 1]})
    assert few == [{"optim.lr": row["optim.lr"]} for row in more[:5]]
    assert few[0]["optim.lr"] == 5.125e-05
    assert few != draws(5, 1, optim__lr={"log_uniform": [1e-5, 1e-2]})


def test_draws_are_spread_as_they_say():
    """Of 4,000 draws, shares to 3 standard errors and within the bounds."""
    found = draws(
        4000,
        a={"uniform": [-1, 3]},
        b={"log_uniform": [1e-4, 1]},
        c={"int": [2, 5]},
        d={"log_int": [1, 64]},
        e={"choice": ["x", [1, 2], True]},
    )
    values = {key: [row[key] for row in found] for key in found[0]}

    def share(key, condition):
        return sum(map(condition, values[key])) / len(found)

    def near(found_share, wanted):
        return abs(found_share - wanted) < 3 * math.sqrt(wanted * (1 - wanted) / 4000)

    assert all(-1 <= v <= 3 for v in values["a"]) and near(share("a", lambda v: v < 0), 0.25)
    assert all(1e-4 <= v <= 1 for v in values["b"]) and near(share("b", lambda v: v < 1e-2), 0.5)
    assert set(values["c"]) == {2, 3, 4, 5} and near(share("c", lambda v: v == 5), 0.25)
    assert {min(values["d"]), max(values["d"])} == {1, 64} and near(share("d", lambda v: v < 8), math.log(8) / math.log(65))
    assert near(share("e", lambda v: v == [1, 2]), 1 / 3) and all(isinstance(v, int) for v in values["c"] + values["d"])
    assert all(float(f"{v:.4g}") == v for v in values["a"] + values["b"])  # what a label shows is the value


def test_whole_numbers_reach_both_bounds_at_the_ends_of_the_share():
    for name in ("int", "log_int"):
        assert [DISTRIBUTIONS[name](3, 7, share) for share in (0.0, 1 - 2**-53)] == [3, 7]


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"grid": {"optim.lr": 1}}, "every key of `grid` needs a list"),
        ({"grid": [1]}, "not a mapping"),
        ({"list": {"optim.lr": 1}}, "not a list"),
        ({"list": [3]}, r"\(list\) 1 is 3"),
        ({"random": {"draws": 3, "key": {}}}, "no key `key`; did you mean `keys`"),
        ({"random": {"draws": 0, "keys": {"a": {"int": [0, 1]}}}}, "`draws` is 0"),
        ({"random": {"draws": 2}}, "`keys` is None"),
        ({"random": {"draws": 2, "keys": {"optim.lr": {"loguniform": [1, 2]}}}}, "no distribution; did you mean `log_uniform`"),
        ({"random": {"draws": 2, "keys": {"optim.lr": {"log_uniform": [0, 2]}}}}, r"`log_uniform` is \[0, 2\]"),
        ({"random": {"draws": 2, "keys": {"optim.lr": {"uniform": [2, 1]}}}}, r"`uniform` is \[2, 1\]"),
        ({"random": {"draws": 2, "keys": {"optim.lr": {"int": [0.5, 1]}}}}, "two whole numbers"),
        ({"random": {"draws": 2, "keys": {"optim.lr": {"choice": []}}}}, r"`choice` is \[\]"),
        ({"random": {"draws": 2, "keys": {"optim.lr": {"int": [0, 1], "uniform": [0, 1]}}}}, "two distributions"),
    ],
)
def test_what_is_no_search_is_a_message(parts, message):
    with pytest.raises(ConfigError, match=message):
        multiply([], parts, "a file")


SEARCH = """
table: search
title: A search
source: nowhere
base: ../experiments/small.yaml
columns: [{key: retrieval/map10, label: mAP}]
order_by: retrieval/map10
random: {draws: 3, keys: {optim.lr: {log_uniform: [1.0e-5, 1.0e-2]}, model.spatial.name: {choice: [none, static_iv]}}}
"""


def test_a_searchs_rows_are_planned_as_any_rows(write, experiment_file):
    table = load_table(write("ablations/search.yaml", SEARCH))
    made = plan_table(table, None, lambda corpus: "c0ffee")
    assert list(made.runs) == [("random_draw0", 0), ("random_draw1", 0), ("random_draw2", 0)]
    for (row, _), stages in made.runs.items():
        assert stages[-1].experiment.optim.lr == table.row(row).overrides["optim.lr"]
    with pytest.raises(ConfigError, match="order_by: column `retrieval/map` does not exist"):
        load_table(write("ablations/search.yaml", SEARCH.replace("order_by: retrieval/map10", "order_by: retrieval/map")))


def test_the_report_begins_with_the_best_row():
    def row(name, mean, run=True):
        return {"id": name, "run": run, "cells": {"x": {"mean": mean}} if run else {}}

    rows = [row("a", 1.0), row("b", None), row("c", 3.0), row("paper", None, run=False), row("d", 2.0)]
    assert [one["id"] for one in _best_first(rows, Column("x", "X", "higher"))] == ["c", "d", "a", "b", "paper"]
    assert [one["id"] for one in _best_first(rows, Column("x", "X", "lower"))] == ["a", "d", "c", "b", "paper"]


def test_tensorboard_gets_numbers_where_every_row_has_one():
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    first = {"id": "a", "run": True, "overrides": {"optim.lr": 0.5, "optim.fused": True, "trainer.steps": 3, "optim.name": "adam"}}
    other = {"id": "b", "run": True, "overrides": {"optim.lr": 2, "optim.fused": False, "optim.name": "adamw"}}
    paper = {"id": "c", "run": False, "overrides": {}}
    summary = _hparams({"rows": [first, other, paper]}, first, "0")
    found = HParamsPluginData.FromString(summary.value[0].metadata.plugin_data.content).session_start_info.hparams
    kinds = {key: value.WhichOneof("kind") for key, value in found.items()}
    assert found["optim.lr"].number_value == 0.5 and kinds["optim.lr"] == "number_value"
    assert kinds["optim.fused"] == kinds["trainer.steps"] == kinds["optim.name"] == "string_value"  # the other has no steps of its own


def test_the_shipped_searches_are_read_and_their_keys_exist():
    paths = sorted((ROOT / "sweeps").glob("*.yaml"))
    assert [path.stem for path in paths] == ["optimiser"]
    for path in paths:
        table = load_table(path)
        assert len(table.rows) == 40 and {key for row in table.rows for key in row.overrides} <= set(schema_keys())
