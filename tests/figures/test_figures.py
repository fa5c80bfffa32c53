"""Figures of made-up runs: what is drawn, that the files are the same each time, and what is said where nothing can be drawn."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from elsa_lightning.atomic import write_json
from elsa_lightning.figures import MISSING, draw_all
from elsa_lightning.figures.sources import Sources, logged
from elsa_lightning.report import collect
from elsa_lightning.report_markdown import render
from elsa_lightning.report_publish import with_figures
from elsa_lightning.table_checks import FIGURES
from elsa_lightning.table_file import load_table
from elsa_lightning.tables import plan as plan_table

pytest.importorskip("matplotlib")

WORDS = ["front", "left", "right", "back"]
SETS = ("train", "test", "captions")
MAPS = ("supervised", "unsupervised", "shuffled")
MATRIX = [[8, 1, 1, 0], [0, 9, 1, 0], [1, 0, 9, 0], [2, 0, 0, 8]]
BINS = [{"low": i, "high": i + 1, "label": f"{i}..{i + 1}", "n": 5 * i, "mean": 10.0 + i, "sd": 2.0 if i else None} for i in range(4)]
DETAILS = {
    "zero_shot": {
        "confusion": {"direction": {"labels": WORDS, "counts": MATRIX}, "elevation": {"labels": WORDS[:2], "counts": [[3, 0], [0, 0]]}}
    },
    "breakdown": {name: BINS for name in ("azimuth", "elevation", "distance", "floor_area_m2", "t30", "class")},
    "direction_swap": {
        "labels": WORDS,
        "classifier": {"labels": WORDS, "counts": MATRIX},
        "reached": [[None if i == j else 0.9 for j in range(4)] for i in range(4)],
        "n": 34,
    },
    "embedding_map": {"labels": WORDS, "accuracy": {name: {"train": 0.9, "test": 0.8, "captions": None} for name in MAPS}},
}
TABLE = """
table: drawn
title: A drawn table
source: nowhere
base: ../experiments/small.yaml
columns: [{key: localization/doa_mae_deg, label: "Error, °", better: lower}]
rows:
  - {id: one, label: One}
  - {id: two, label: Two, overrides: {optim.lr: 0.5}}
"""


@pytest.fixture
def planned(tmp_path):
    """A table whose row `one` has finished runs."""
    (tmp_path / "ablations").mkdir()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "small.yaml").write_text("trainer: {steps: 10, batch_size: 4}\n")
    path = tmp_path / "ablations" / "drawn.yaml"
    path.write_text(TABLE + f"figures: [{', '.join(name for name in FIGURES if name != 'pipeline')}]\n")
    made = plan_table(load_table(path), None, lambda corpus: "c0ffee")
    rng = np.random.default_rng(0)
    points = {f"{name}/{which}": rng.normal(size=(12, 2)).astype("float32") for name in MAPS for which in SETS}
    points |= {f"{which}/word": np.arange(12) % 4 for which in SETS}
    for ref in made.runs["one", 0]:
        folder = tmp_path / "runs" / ref.run_id
        folder.mkdir(parents=True)
        if ref.stage == "evaluate":
            write_json(folder / "metrics.json", {"metrics": {"localization/doa_mae_deg": 12.0}, "meta": {}})
            write_json(folder / "details.json", DETAILS)
            np.savez(folder / "map.npz", **points)
        if ref.stage == "train":
            lines = [json.dumps({"step": step, "loss/total": 5 - 0.1 * step, "loss/clip": 4.0}) for step in range(1, 21)]
            (folder / "metrics.jsonl").write_text("\n".join([*lines, json.dumps({"step": 20, "val/retrieval/map10": 0.5})]))
        write_json(folder / "done.json", {"seconds": 1.0, "finished": 1.7e9})
    return made


def test_every_figure_is_drawn_twice_alike(planned, tmp_path):
    report = collect(planned, tmp_path / "runs")
    drawn, lacking = draw_all(planned, report, tmp_path / "runs", tmp_path / "a")
    per_row = {f"{planned.name}.{name}.one.svg" for name in FIGURES if name not in ("pipeline", "curves")}
    assert lacking == [] and {one["file"] for one in drawn} == per_row | {f"{planned.name}.curves.svg"}
    draw_all(planned, report, tmp_path / "runs", tmp_path / "b")
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in "ab")
    assert first == second and len(first) == 2 * len(drawn)
    confusion = first[f"{planned.name}.confusion.one.svg"].decode()
    assert "direction" in confusion and "elevation" in confusion and ">9<" in confusion
    assert "–" in first[f"{planned.name}.swap_matrix.one.svg"].decode(), "a number that does not exist says so"
    breakdown = first[f"{planned.name}.error_breakdown.one.svg"].decode()
    assert "N 15" in breakdown and "N 0" not in breakdown, "empty bins are left out"


def test_what_cannot_be_drawn_is_said(planned, tmp_path, monkeypatch):
    (tmp_path / "runs" / planned.runs["one", 0][-1].run_id / "details.json").unlink()
    report = collect(planned, tmp_path / "runs")
    drawn, lacking = draw_all(planned, report, tmp_path / "runs", tmp_path / "a")
    assert [one["file"] for one in drawn] == [f"{planned.name}.curves.svg"] and len(lacking) == 4
    text = render(report | {"figures": drawn, "figures_lacking": lacking})
    assert f"({planned.name}.curves.svg)" in text and "No figure embedding map yet" in text
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert draw_all(planned, report, tmp_path / "runs", tmp_path / "c") == ([], [MISSING])


def test_figures_of_the_same_report_are_left_as_they_are(planned, tmp_path):
    runs, results = tmp_path / "runs", tmp_path / "results"
    report = with_figures(planned, collect(planned, runs), runs, results)
    write_json(results / f"{planned.name}.json", report)
    before = {path: path.stat().st_mtime_ns for path in results.iterdir() if path.suffix != ".json"}
    assert with_figures(planned, collect(planned, runs), runs, results) == report
    assert {path: path.stat().st_mtime_ns for path in before} == before
    next(iter(before)).unlink()
    with_figures(planned, collect(planned, runs), runs, results)
    assert all(path.exists() for path in before) and {path: path.stat().st_mtime_ns for path in before} != before


def test_a_log_is_read_by_metric(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 2, "a": 1.5, "word": "x"}\n{"step": 4, "a": 2, "b": 3}\n')
    found = logged(path)
    assert found["a"].tolist() == [[2, 1.5], [4, 2]] and found["b"].tolist() == [[4, 3]] and set(found) == {"a", "b"}
    assert logged(tmp_path / "none.jsonl") == {}


def test_rows_of_one_run_are_drawn_once(planned, tmp_path):
    """Under the table's title where there is no other run: the first row's would be wrong for the others."""
    shared = {("one", 0): planned.runs["one", 0], ("two", 0): planned.runs["one", 0]}
    sources = Sources(dataclasses.replace(planned, runs=shared), {}, tmp_path / "runs")
    assert [names for *names, _ in sources.finished()] == [["all", "A drawn table"]] and len(list(sources.curves())) == 1
    for ref in planned.runs["two", 0]:
        (tmp_path / "runs" / ref.run_id).mkdir(parents=True, exist_ok=True)
        write_json(tmp_path / "runs" / ref.run_id / "done.json", {"seconds": 1.0, "finished": 1.7e9})
    third = dataclasses.replace(planned.table.rows[1], id="three")
    table = dataclasses.replace(planned.table, rows=[*planned.table.rows, third])
    plan = dataclasses.replace(planned, table=table, runs={**planned.runs, ("three", 0): planned.runs["one", 0]})
    assert [row for row, *_ in Sources(plan, {}, tmp_path / "runs").finished()] == ["one", "two"]
